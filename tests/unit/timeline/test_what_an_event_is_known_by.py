"""What routing keys and headers are filled from is what the body says, whoever made the event."""

import json
import random

import pytest

from audit_event_operator.events.posted import posted_event
from audit_event_operator.resource.entities import Entities
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES
from support.episodes import Stage

OWN = [{"name": "mine", "eventType": "badge", "severity": "ERROR", "actionResult": "DENIED"}]
MIX = dict.fromkeys([*BUILT_IN_TEMPLATES, "mine"], 1)
ATTACKS = [
    {"name": "takeover", "type": "AccountTakeover", "every": "5m"},
    {"name": "logs", "type": "LogTampering", "every": "5m"},
    {"name": "steps", "type": "Steps", "every": "5m", "steps": [{"event": "mine"}, {"event": "file_modified"}]},
]


def must_agree(event) -> None:
    body = json.loads(event.body)
    known = (event.event_type, event.severity, event.action_result, event.user, event.host)
    assert known == tuple(
        body[field] for field in ("event_type", "severity", "action_result", "user_id", "server_hostname")
    )


@pytest.mark.parametrize("activity", ["Independent", "Sessions"])
def test_generated_events_are_known_by_what_they_say(activity):
    stage = Stage(activity=activity, interval="100ms", eventMix=MIX, eventTypes=OWN, scenarios=ATTACKS)
    told = stage.until(600).told
    types = {event.event_type for event in told.events}
    assert len(told.events) > 6_000
    assert any(event.mark is not None for event in told.events)
    assert {"badge", "file_modified", "user_login"} <= types
    assert {event.severity for event in told.events} == {"INFO", "WARNING", "ERROR", "CRITICAL"}
    for event in told.events:
        # The name that is tried belongs to nobody: the body may name another one than the user whom it is about.
        must_agree(event)


def test_posted_events_are_known_by_what_they_say():
    body = {
        "event_type": "badge",
        "severity": "NOTICE",
        "user_id": "ann",
        "server_hostname": "web-1",
        "action_result": "DENIED",
    }
    made = {"rng": random.Random(1), "unix_ns": 0, "entropy": lambda count: bytes(count)}
    must_agree(posted_event(body, Entities(), **made))
    must_agree(posted_event({"event_type": "badge"}, Entities(), **made))
