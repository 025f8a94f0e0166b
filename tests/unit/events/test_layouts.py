"""Shape × layout: what is said does not depend on how it is written, and a layout decides every byte."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.events.canonical import Pattern, Variable
from audit_event_operator.events.factory import EventFactory, Slot
from audit_event_operator.events.layouts.json_text import json_pieces
from audit_event_operator.events.posted import posted_event
from audit_event_operator.resource.entities import Entities
from audit_event_operator.resource.spec import parse_spec
from support.doubles.events import slots


class Lines:
    """A format like CEF in small: other escapes, seconds since 1970, the details backwards and none of the rest."""

    content_type = "text/plain"

    def render(self, event):
        pieces = [event.timestamp, b"|100%|", self.escape(event.event_type)]
        for key, value in reversed([("user", event.user_id), *event.details.items()]):
            pieces += (b"|", self.escape(key), b"=", *self._written(value))
        return pieces

    def escape(self, text):
        return text.replace("\\", r"\\").replace("|", r"\|").encode()

    def timestamp(self, unix_ns):
        return b"%d" % (unix_ns // 10**9)

    def _written(self, value):
        pieces = value.pieces if isinstance(value, Pattern) else (value,)
        return [piece if isinstance(piece, Variable) else self.escape(str(piece)) for piece in pieces]


def told(body):
    _, _, event_type, *details = body.decode().split("|")
    return {"event_type": event_type, **dict(each.split("=", 1) for each in details)}


def test_every_layout_tells_the_same_story():
    spec = parse_spec({"eventMix": {"file_modified": 1, "user_login": 1, "mine": 1}, "eventTypes": [
        {"name": "mine", "details": {"a": "${client_ip} ${sequence}", "b": "100% of ${host}"}}
    ]})  # fmt: skip
    json_events, line_events = (
        EventFactory(spec, seed=8, entropy=bytes, **layout).make(slots(0, 300, 7 * 10**9))
        for layout in ({}, {"layout": Lines()})
    )
    for in_json, in_lines in zip(json_events, line_events, strict=True):
        assert in_lines._replace(content_type=in_json.content_type, body=in_json.body) == in_json
        assert (in_json.content_type, in_lines.content_type) == ("application/json", "text/plain")
        assert in_lines.body.startswith(b"7|100%|")
        body = json.loads(in_json.body)
        details = {key: str(value) for key, value in body["details"].items()}
        assert told(in_lines.body) == {"event_type": body["event_type"], "user": body["user_id"], **details}


def test_a_layout_escapes_what_is_put_in_as_well():
    spec = parse_spec({"eventMix": {"sudo_command": 1}, "entities": {"users": {"names": ["a|b\\%s"]}}})
    (event,) = EventFactory(spec, seed=1, layout=Lines()).make(slots(0, 1))
    assert event.body.endswith(rb"|user=a\|b\\%s")


def test_posted_events_pass_through_the_same_layouts():
    event = posted_event(
        {"event_type": "a|b", "user_id": "${user}", "details": {"n": 7}, "note": "x"},
        Entities(), rng=random.Random(1), unix_ns=5 * 10**9, entropy=bytes, layout=Lines(),
    )  # fmt: skip
    assert (event.content_type, event.body) == ("text/plain", rb"5|100%|a\|b|n=7|user=${user}")


def test_events_of_one_batch_may_have_different_times():
    times = [0, 0, 10**9, 5, 5, 10**9]
    events = EventFactory(parse_spec({}), seed=1).make([Slot(number, time) for number, time in enumerate(times)])
    assert [json.loads(event.body)["timestamp"][17:26] for event in events] == [
        "00.000000", "00.000000", "01.000000", "00.000000", "00.000000", "01.000000",
    ]  # fmt: skip
    assert [event.unix_seconds for event in events] == [0, 0, 1, 0, 0, 1]


def filled(value):
    return b"".join(piece if isinstance(piece, bytes) else piece.name.encode() for piece in json_pieces(value))


@pytest.mark.parametrize(
    "value, text",
    [
        ({}, "{}"),
        ([], "[]"),
        (Pattern(()), '""'),
        ({"n": Variable("7"), "t": Pattern(('"', Variable("x"), "\n"))}, '{"n":7,"t":"\\"x\\n"}'),
        ([1, [Variable("2")], {"a": [Variable("3"), None]}], '[1,[2],{"a":[3,null]}]'),
        ({"half": "a\ud800", "whole": "\ud83d\ude00"}, '{"half":"a\ufffd","whole":"\U0001f600"}'),
    ],
)
def test_variables_may_stand_anywhere_in_json(value, text):
    assert filled(value).decode() == text


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))  # NUL is not writable, see events.text
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)  # fmt: skip


@given(JSON_VALUES, JSON_VALUES)
def test_json_around_a_variable_is_the_same_json(before, after):
    whole = [before, {"a": Variable("1"), "b": after}]
    assert json.loads(filled(whole)) == [before, {"a": 1, "b": after}]
