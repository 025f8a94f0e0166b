"""docs/troubleshooting.md helps with every reason that the operator can give."""

import re
from pathlib import Path

from audit_event_operator.resource.advice import AdviceReason
from audit_event_operator.resource.conditions import CompletionReason, Reason

DOCS = Path(__file__).parents[3] / "docs"


def sections():
    """The headings that are reasons, and the text below each."""
    parts = re.split(r"^###? (.+)$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    texts = zip(parts[1::2], parts[2::2], strict=True)
    return {title: text for title, text in texts if re.fullmatch(r"[A-Z][A-Za-z]+", title)}


def test_every_reason_has_a_section_and_no_section_is_about_a_reason_that_is_none():
    beside = {"RateLimited", "GroundTruthUndelivered", "ForeignOwner", "ConfigurationWarning"}
    reasons = {*Reason, *CompletionReason, *AdviceReason, *beside}
    assert sections().keys() == reasons


def test_every_section_says_something():
    assert [title for title, text in sections().items() if len(text) < 100] == []
