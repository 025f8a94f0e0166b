"""Events of every kind in one format, under both activities, of users and hosts of one's choice."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from audit_event_operator.events.catalogue import CATALOGUE, SCRIPTED, in_session
from audit_event_operator.events.compiled import variables_of
from audit_event_operator.events.drawn import DRAWN, Hex
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import EventFactory, Slot
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.layouts.chosen import layout_of, source_of
from audit_event_operator.events.occurrences import Occurrence, OccurrenceWriter
from audit_event_operator.resource.formats import Format
from audit_event_operator.resource.spec import parse_spec
from support.formats.json_formats import cloud_event_faults, ecs_faults, ocsf_faults
from support.formats.text_formats import cef_faults, syslog_faults

JUDGES = {
    Format.CLOUD_EVENTS: cloud_event_faults,
    Format.ECS: ecs_faults,
    Format.OCSF: ocsf_faults,
    Format.CEF: cef_faults,
    Format.SYSLOG: syslog_faults,
    Format.SYSLOG_FULL: partial(syslog_faults, full=True),
}
OWN = {
    "name": "mine",
    "resource": "a|b=c\\d \"e\" é",
    "details": {
        "ip_address": "${client_ip}", "note": 'of ${user} on ${host}: a=b|c\\ "d"\nnext line\t', "n": "no. ${sequence}",
        **{f"detail.{number}": str(number) for number in range(8)},
    },
}  # fmt: skip
KINDS = (*CATALOGUE, *SCRIPTED)
START_NS = 1_767_571_200_123_456_789


def layout(chosen: Format) -> Layout:
    return layout_of(chosen, source_of("team-a", "logins"))


def drawn(chosen: Format, count: int, users: tuple[str, ...] = ("alice",), **spec: Any) -> list[AuditEvent]:
    """Independent draws from all kinds and one of one's own."""
    parsed = parse_spec(
        {
            "eventMix": dict.fromkeys([*CATALOGUE, OWN["name"]], 1), "eventTypes": [OWN],
            "entities": {"users": {"names": list(users)}}, **spec,
        }
    )  # fmt: skip
    slots = [Slot(number, START_NS + number * 1_000_003) for number in range(count)]
    return EventFactory(parsed, seed=5, layout=layout(chosen), entropy=bytes).make(slots)


def occurred(chosen: Format, user: str = "alice", host: str = "prod-web-01", turn: int = 0) -> Iterator[AuditEvent]:
    """One event of every kind as users who behave and scenarios make them."""
    own = parse_spec({"eventTypes": [OWN]}).event_types
    writer = OccurrenceWriter(own, layout=layout(chosen), entropy=bytes)
    for number, kind in enumerate((*KINDS, OWN["name"])):
        known = {"client_ip": "203.0.113.7"} if kind == OWN["name"] else values_of(kind, turn + number)
        happened = Occurrence(kind, user, host, host, known)
        yield from writer.write([Slot(turn + number, START_NS + turn)], [happened])


def values_of(kind: str, number: int) -> dict[str, str | int]:
    """Some values for all variables of a kind."""
    known: dict[str, str | int] = {
        "session_id": f"s-{number}", "severity": ("INFO", "WARNING", "CRITICAL")[number % 3], "tty": f"pts/{number % 9}",
        "client_ip": "203.0.113.7", "file": "/etc/passwd",
    }  # fmt: skip
    for name in variables_of(in_session(kind)):
        if name not in known:
            choices = DRAWN[name]
            known[name] = f"{number:0{choices.digits}x}" if isinstance(choices, Hex) else choices[number % len(choices)]
    return known
