"""docs/troubleshooting.md helps with every reason that the operator can give."""

import re
from pathlib import Path

from audit_event_operator.resource.advice import AdviceReason
from audit_event_operator.resource.conditions import CompletionReason, Reason

DOCS = Path(__file__).parents[3] / "docs"


def sections():
    """The third-level headings of the page and the text below each."""
    parts = re.split(r"^###? (.+)$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_reason_has_a_section_and_no_section_is_about_a_reason_that_is_none():
    about_reasons = [title for title in sections() if re.fullmatch(r"[A-Z][A-Za-z]+", title)]
    assert sorted(about_reasons) == sorted(
        [*Reason, *CompletionReason, *AdviceReason, "RateLimited", "ConfigurationWarning"]
    )


def test_every_section_says_something():
    short = [title for title, text in sections().items() if re.fullmatch(r"[A-Z][A-Za-z]+", title) and len(text) < 100]
    assert not short
