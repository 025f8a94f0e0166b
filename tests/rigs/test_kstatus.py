"""What Flux, Helm and kpt make of what we write: both living copies of kstatus, asked about every reason."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit_event_operator.resource.advice import advice_on
from audit_event_operator.resource.conditions import Completion, CompletionReason, Ready, Reason
from audit_event_operator.resource.names import API_VERSION, KIND
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Facts, build_status

pytestmark = pytest.mark.timeout(1600)  # with a build from nothing

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
AWAY = {reason for reason in Reason if reason.readiness.reconciling and reason is not Reason.STARTING}
NEEDS_THE_USER = {reason for reason in Reason if reason.readiness.stalled}
READY = {reason for reason in Reason if reason.readiness.status == "True"}


def resource(name: str, status: dict[str, Any], *, generation: int = 3) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "audit", "generation": generation}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {}, "status": status}


def written(reason: Reason, *, early: bool = False) -> dict[str, Any]:
    complete = Completion(CompletionReason.MAX_EVENTS_REACHED, "A sentence.") if reason is Reason.COMPLETED else None
    beside = {"rate_limited": "A cap cuts the rate.", "advice": advice_on(parse_spec({"queue": "audit "}))}
    facts = Facts(3, Ready(reason, "A sentence.", early), complete=complete, **beside)
    return build_status(facts, None, NOW)


def cases() -> Iterator[tuple[dict[str, Any], str]]:
    yield resource("not-seen-yet", {"observedGeneration": -1}), "InProgress"
    yield resource("first-confirm-awaited", written(Reason.STARTING)), "InProgress"
    for reason in READY:
        yield resource(f"ready-{reason}".lower(), written(reason)), "Current"
        yield resource(f"changed-{reason}".lower(), written(reason), generation=4), "InProgress"
    for reason in AWAY:
        yield resource(f"away-{reason}".lower(), written(reason)), "InProgress"
        yield resource(f"just-away-{reason}".lower(), written(reason, early=True)), "InProgress"
    for reason in NEEDS_THE_USER:
        yield resource(f"needs-the-user-{reason}".lower(), written(reason)), "Failed"


def test_every_reason_is_in_a_case() -> None:
    assert READY | AWAY | NEEDS_THE_USER | {Reason.STARTING} == set(Reason)
    assert {Reason.SUSPENDED, Reason.COMPLETED} <= READY


def test_kstatus_understands_every_state(kstatus: Path) -> None:
    objects, wanted = zip(*cases(), strict=True)
    asked = "\n".join(json.dumps(found) for found in objects)
    answer = subprocess.run(
        [kstatus, "-lib", "both", "-json"], input=asked, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    rows = [json.loads(line) for line in answer.splitlines()]
    assert len(rows) == 2 * len(objects)
    said: dict[str, set[str]] = {}
    for row in rows:
        said.setdefault(row["Name"], set()).add(row["Status"])
    assert said == {found["metadata"]["name"]: {status} for found, status in zip(objects, wanted, strict=True)}
