"""Events posted by hand: completed, kept, and never poison."""

import json
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.events.poison import PostedEventError
from audit_event_operator.events.posted import posted_event
from audit_event_operator.resource.entities import Entities, Hosts, Users
from support.doubles.consumer import read

HOSTS, USERS = ("web-1", "web-2", "web-3"), ("ann", "bob", "eve")
SHORT_TEXTS = ["event_type", "server_hostname", "user_id", "action_result", "severity", "resource"]
SENTENCE = re.compile(r".+ .+\.", re.DOTALL)


def post(body, *, seed=1, users=USERS):
    entities = Entities(hosts=Hosts(names=HOSTS), users=Users(names=users))
    moment = {"unix_ns": 1_767_268_800_000_042_999, "entropy": lambda length: b"\xab" * length}
    return posted_event(body, entities, rng=random.Random(seed), **moment)


def outcome(body):
    """The event, or why there is none."""
    try:
        return post(body)
    except PostedEventError as error:
        return str(error)


def refusal(body):
    message = outcome(body)
    assert isinstance(message, str)
    assert SENTENCE.fullmatch(message)
    return message


def test_the_rest_of_a_posted_event_type_is_filled_in():
    body = read(post({"event_type": "user_login"}))
    assert body.pop("server_hostname") in HOSTS
    assert body.pop("user_id") in USERS
    assert body == {
        "event_id": "abababab-abab-4bab-abab-abababababab", "timestamp": "2026-01-01T12:00:00.000042Z",
        "source_service": "audit-event-generator-api", "event_type": "user_login", "severity": "INFO",
        "action_result": "SUCCESS", "details": {},
    }  # fmt: skip


def test_host_and_user_are_drawn_from_all_there_are():
    bodies = [json.loads(post({"event_type": "x"}, seed=seed).body) for seed in range(100)]
    assert {body["server_hostname"] for body in bodies} == set(HOSTS)
    assert {body["user_id"] for body in bodies} == set(USERS)
    assert len({(body["server_hostname"], body["user_id"]) for body in bodies}) == 9


def test_posted_fields_are_kept_and_ours_are_set_by_us():
    body = {
        "event_type": "user_login", "server_hostname": "prod-web-01", "user_id": "attacker_bob",
        "action_result": "FAILURE", "severity": "CRITICAL", "session": {"id": 7}, "nothing": None,
        "details": {"ip_address": "2001:db8::1", "resource": "sshd", "deep": [{"a": None, "b": [1.5, True]}]},
        "note": 'Ünï "%s" \u2028', "event_id": "mine", "timestamp": None, "source_service": ["x"],
    }  # fmt: skip
    before = json.dumps(body)
    event = post(body)
    seen = read(event)
    ours = ("event_id", "timestamp", "source_service")
    assert {key: seen[key] for key in body if key not in ours} == {key: body[key] for key in body if key not in ours}
    assert seen["source_service"] == "audit-event-generator-api"
    assert (seen["client_ip"], seen["resource"]) == ("2001:db8::1", "sshd")
    assert set(seen) == {*body, "client_ip", "resource"}
    assert event[1:4] == ("user_login", "prod-web-01", "FAILURE")
    assert json.dumps(body) == before


def test_resource_and_address_at_top_level_win_over_the_details():
    details = {"resource": "inner", "ip_address": "10.0.0.1"}
    body = read(post({"event_type": "x", "resource": "outer", "client_ip": "10.0.0.2", "details": details}))
    assert (body["resource"], body["client_ip"], body["details"]) == ("outer", "10.0.0.2", details)


def test_a_drawn_name_that_cannot_be_written_is_mended_because_the_post_is_not_to_blame():
    assert read(post({"event_type": "x"}, users=("a\ud800",)))["user_id"] == "a\ufffd"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        *(
            (body, "'event_type' is required")
            for body in ({}, {"event_type": None}, {"event_type": ""}, {"user_id": "x"})
        ),
        *(({"event_type": "x", "details": details}, "'details'") for details in (None, [], "x", 1)),
        *(
            ({"event_type": "x", "details": {"resource": value}}, "details.resource")
            for value in (None, 5, {}, "x" * 256, "a\tb")
        ),
    ],
)
def test_a_refusal_names_what_is_missing_or_of_the_wrong_kind(body, named):
    assert named in refusal(body)


@pytest.mark.parametrize("key", SHORT_TEXTS)
@pytest.mark.parametrize("value", [None, 1, True, ["x"], {"a": "b"}, "x" * 256, "a\nb", "a\x00b", "\x7f", "\udc00"])
def test_a_field_that_consumers_read_is_a_short_text(key, value):
    assert f"'{key}'" in refusal({"event_type": "x", key: value})


@pytest.mark.parametrize("key", SHORT_TEXTS)
def test_texts_of_255_characters_are_short_enough(key):
    assert read(post({"event_type": "x", key: "x" * 255}))[key] == "x" * 255


def test_an_event_type_fits_into_a_property_of_a_message():
    # AMQP bounds it in bytes, not in characters.
    assert post({"event_type": "é" * 127}).event_type == "é" * 127
    assert "'event_type'" in refusal({"event_type": "é" * 128})


@pytest.mark.parametrize("value", [None, 5, "", "unknown", "10.0.0.1:22", "10.0.0.256", "fe80::1%eth0", "010.0.0.1"])
def test_addresses_are_addresses(value):
    assert "client_ip" in refusal({"event_type": "x", "client_ip": value})
    assert "ip_address" in refusal({"event_type": "x", "details": {"ip_address": value}})


@pytest.mark.parametrize(
    "body, named",
    [
        ({"note": "a\x00"}, "'note'"),
        ({"note": "x" * 256}, "'note'"),
        ({"a\x00": 1}, "a"),
        ({"\ud800": 1}, "'"),
        ({"details": {"a": {"b": ["ok", "\x00"]}}}, "details.a.b[1]"),
        ({"details": {"a": float("nan")}}, "details.a"),
        ({"details": {"a": float("inf")}}, "details.a"),
        ({"details": {"a": -float("inf")}}, "details.a"),
        ({"details": {"a": 2**63}}, "details.a"),
        ({"details": {"a": -(2**63) - 1}}, "details.a"),
        ({"details": {"k\x00": 1}}, "details.k"),
    ],
)
def test_poison_is_refused_wherever_it_stands(body, named):
    assert named in refusal({"event_type": "x", **body})


def nested(levels, wrap):
    value = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
def test_deep_nesting_is_refused_before_it_hurts(wrap):
    assert "nested" in refusal({"event_type": "x", "deep": nested(100_000, wrap)})
    assert read(post({"event_type": "x", "deep": nested(10, wrap)}))["deep"] == nested(10, wrap)


def test_a_long_or_broken_name_does_not_make_a_long_or_broken_message():
    message = refusal({"event_type": "x", "details": {"k" * 5000 + "\ud800": "\x00"}})
    assert len(message) < 300
    message.encode()


KNOWN = st.sampled_from(
    ["event_type", "server_hostname", "user_id", "action_result", "severity", "details", "resource", "client_ip",
     "ip_address", "event_id", "timestamp", "source_service"]
)  # fmt: skip
ANY_TEXT = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["x" * 255, "x" * 256, "é" * 128, "\x00", "\ud800", "10.0.0.1", "::1", "::1%x", "%s", "", "\n"]
)
EDGES = st.sampled_from([2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1])
ANY_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), EDGES, st.floats(), ANY_TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KNOWN | ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
PLAUSIBLE = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["user_login", "x"]) | ANY_TEXT},
    optional={
        "user_id": ANY_TEXT,
        "resource": ANY_TEXT,
        "client_ip": ANY_TEXT,
        "details": st.dictionaries(KNOWN | ANY_TEXT, ANY_VALUE, max_size=3),
    },
)
BODIES = st.dictionaries(KNOWN | ANY_TEXT, ANY_VALUE, max_size=5) | PLAUSIBLE


@settings(max_examples=400, deadline=None)
@given(body=BODIES)
def test_any_object_is_either_refused_in_a_sentence_or_free_of_poison(body):
    event = outcome(body)
    if isinstance(event, str):
        assert SENTENCE.fullmatch(event)
        assert len(event.encode()) < 600
        return
    seen = read(event)
    assert len(event.event_type.encode()) <= 255
    for key in body.keys() - {"event_id", "timestamp", "source_service"}:
        assert seen[key] == body[key]
