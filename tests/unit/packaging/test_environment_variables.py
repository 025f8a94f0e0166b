"""Every variable that a manifest or the example file sets is one that the program reads, with a value it takes."""

import re
from dataclasses import replace
from pathlib import Path

from audit_event_operator.settings import load_settings, variables
from audit_event_operator.strange_variables import strange_variables

ROOT = Path(__file__).parents[3]
KNOWN = set(variables())


def test_the_manifests_set_no_variable_that_nobody_reads():
    text = "\n".join(
        path.read_text() for path in (ROOT / "manifests").rglob("*.yaml") if path.parent.name not in {"dev", "samples"}
    )
    named = set(re.findall(r"\b(?:AEG|RABBITMQ)_[A-Z_]+\b", text))
    assert {"AEG_LEASE_NAMESPACE", "RABBITMQ_HOST", "AEG_API_AUTH", "AEG_LOG_FORMAT", "AEG_NAMESPACES"} <= named
    assert named <= KNOWN


def test_the_chart_sets_no_variable_that_nobody_reads():
    templates = (ROOT / "charts/audit-event-operator/templates").iterdir()
    named = set(re.findall(r"\b(?:AEG|RABBITMQ)_[A-Z_]+\b", "\n".join(path.read_text() for path in templates)))
    assert {"AEG_LEASE_NAMESPACE", "RABBITMQ_HOST", "AEG_API_AUTH", "AEG_NAMESPACES"} <= named
    assert named <= KNOWN


def test_the_example_file_shows_the_defaults():
    example, warnings = load_settings({}, dotenv=ROOT / ".env.example")
    assert warnings == []
    assert example.rabbitmq_host == "rabbitmq-service"
    assert replace(example, rabbitmq_host=None) == load_settings({})[0]


def test_whoever_has_exported_a_variable_of_the_test_suite_can_still_start_the_operator():
    places = [ROOT / "Makefile", ROOT / ".ci/run", *(ROOT / ".github").rglob("*.yml"), ROOT / "Dockerfile"]
    scripts = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    read = re.compile(r"""environ(?:\.get\(|\[)["'](AEG_[A-Z0-9_]+)|\b(AEG_[A-Z0-9_]+)=""")
    named = {name for path in places + scripts for pair in read.findall(path.read_text()) for name in pair if name}
    settings_of_tests = {"AEG_API_AUHT", "AEG_ZZZ"}
    assert {"AEG_TEST_CACHE", "AEG_RIGS", "AEG_FAULTS", "AEG_SOAK_SECONDS", "AEG_E2E_KEEP", "AEG_COMMIT"} <= named
    assert list(strange_variables(dict.fromkeys(named - settings_of_tests, "1"), KNOWN)) == []
