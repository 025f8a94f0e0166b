"""The real rsyslog of Debian reads what we write as syslog: every line, and every byte of it."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.posted import posted_event
from audit_event_operator.events.text import writable
from audit_event_operator.resource.entities import Entities
from audit_event_operator.resource.formats import Format
from support.formats.received import rsyslog_faults
from support.formats.streams import KINDS, OWN, drawn, layout, occurred
from support.formats.texts import HOSTS, USERS
from support.parts.rsyslog import Rsyslog

EVENTS = 10_000
EXAMPLES = 130
DRAWS = 60
NO_TOKENS = USERS.filter(lambda text: "${" not in text)
SYSLOG = pytest.mark.parametrize("chosen", [Format.SYSLOG, Format.SYSLOG_FULL], ids=str)


@pytest.fixture(scope="module")
def rsyslog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rsyslog]:
    with Rsyslog(tmp_path_factory.mktemp("rsyslog")) as running:
        yield running


def events(chosen: Format, users: list[str], host: str, text: str, turn: int) -> Iterator[AuditEvent]:
    """Of every kind, an event type of one's own and a posted event among them, as all who make events make them."""
    own = {**OWN, "resource": text, "details": {**OWN["details"], "text": text}}
    entities = {"users": {"names": users}, "hosts": {"names": [host]}}
    yield from drawn(chosen, DRAWS, entities=entities, eventTypes=[own])
    yield from occurred(chosen, users[0], host, turn)
    said = writable(text)  # half a surrogate pair may be in a resource, but is refused here
    body = {
        "event_type": "order",
        "user_id": writable(users[0]),
        "server_hostname": said,
        "details": {"text": said, "n": 1},
    }
    yield posted_event(
        body, Entities(), rng=random.Random(turn), unix_ns=turn * 10**9, entropy=bytes, layout=layout(chosen)
    )  # fmt: skip


@SYSLOG
def test_it_reads_every_line_of_ten_thousand_events_to_the_byte(rsyslog, chosen) -> None:
    sent = []

    @settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(
        users=st.lists(USERS, min_size=1, max_size=6, unique=True),
        host=HOSTS,
        text=NO_TOKENS,
        turn=st.integers(0, 10**6),
    )
    def check(users: list[str], host: str, text: str, turn: int) -> None:
        bodies = [event.body for event in events(chosen, users, host, text, turn)]
        lines = [line for body in bodies for line in body.split(b"\n")]
        assert len(lines) == len(bodies) or chosen is Format.SYSLOG_FULL
        assert rsyslog_faults(lines, rsyslog.receive(lines)) == []
        sent.extend(bodies)

    check()
    assert len(sent) >= EVENTS
    assert rsyslog.complaints().count("discarded") == 0


def test_the_longest_names_fit(rsyslog) -> None:
    user = "\U0001f600" * 255
    lines = [line for event in occurred(Format.SYSLOG_FULL, user, "h" * 253) for line in event.body.split(b"\n")]
    assert len(lines) > len(KINDS)
    assert rsyslog_faults(lines, rsyslog.receive(lines)) == []


TIME = b"2026-01-05T09:10:00.123456Z"


@pytest.mark.parametrize(
    "whole, broken, seen",
    [
        pytest.param(b"<38>1 ", b"<192>1 ", "no line of RFC 5424", id="a priority that is none"),
        pytest.param(b"<38>1 ", b"<38>2 ", "no line of RFC 5424", id="another version"),
        pytest.param(b"<38>1 " + TIME, b"<38>Jan  5 09:10:00", "no line of RFC 5424", id="the syslog of old"),
        pytest.param(b"-01-05T", b"-13-05T", "read as", id="a month that is none"),
        pytest.param(b".123456Z", b".1234567Z", "read as", id="more than six digits"),
        pytest.param(b"prod-web-01", b"prod web", "read with another header", id="a host of two words"),
        pytest.param(b" - - ", b" - ", "read as", id="a header too short"),
        pytest.param(b" - - ", b" - [x y=z] ", "read with another header", id="structured data without quotes"),
        pytest.param(b"alice", b"al\tice", "arrived as", id="a control character"),
        pytest.param(b"alice", b"al\nice", "arrived as", id="two lines in one"),
        pytest.param(b"alice", b"a" * 9_000, "arrived as", id="more than a receiver takes"),
        pytest.param(b"Failed password for alice from 203.0.113.7 port 4711 ssh2", b"", "says nothing", id="nothing"),
    ],
)
def test_the_judge_sees_what_is_broken(rsyslog, whole, broken, seen) -> None:
    line = b"<38>1 %b prod-web-01 sshd 300 - - Failed password for alice from 203.0.113.7 port 4711 ssh2" % TIME
    assert rsyslog_faults([line], rsyslog.receive([line])) == []
    sent = [line, line.replace(whole, broken), line]
    assert sent[1] != line
    faults = rsyslog_faults(sent, rsyslog.receive(sent))
    assert any(fault.startswith(seen) for fault in faults), faults


def test_the_judge_sees_what_did_not_arrive(rsyslog) -> None:
    line = b"<38>1 %b prod-web-01 sshd 300 - - Connection closed by 203.0.113.7 port 4711" % TIME
    assert rsyslog_faults([line] * 3, rsyslog.receive([line] * 2)) == ["2 of 3 lines arrived"]
