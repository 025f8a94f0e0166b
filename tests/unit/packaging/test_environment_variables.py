"""Every variable that a manifest or the example file sets is one that the program reads, with a value it takes."""

import re
from dataclasses import replace
from pathlib import Path

from audit_event_operator.settings import load_settings, variables

ROOT = Path(__file__).parents[3]
KNOWN = set(variables())


def test_the_manifests_set_no_variable_that_nobody_reads():
    text = "\n".join(
        path.read_text() for path in (ROOT / "manifests").rglob("*.yaml") if path.parent.name not in {"dev", "samples"}
    )
    named = set(re.findall(r"\b(?:AEG|RABBITMQ)_[A-Z_]+\b", text))
    assert {"AEG_LEASE_NAMESPACE", "RABBITMQ_HOST", "AEG_API_AUTH", "AEG_LOG_FORMAT", "AEG_NAMESPACES"} <= named
    assert named <= KNOWN


def test_the_example_file_shows_the_defaults():
    example, warnings = load_settings({}, dotenv=ROOT / ".env.example")
    assert warnings == []
    assert example.rabbitmq_host == "rabbitmq-service"
    assert replace(example, rabbitmq_host=None) == load_settings({})[0]
