"""Whatever a valid spec holds, its events are ones that every consumer can read."""

import json
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_event_operator.events.factory import EventFactory
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.templates import ALIASES, BUILT_IN_TEMPLATES, RESERVED_NAMES, TOKENS
from support.doubles.consumer import read
from support.doubles.events import slots

# What breaks naive renderers: quotes, escapes, formats, separators, halves of pairs, and characters beyond the BMP.
NASTY = st.sampled_from(
    ['"', "\\", "%", "%s", "%b", "%(x)s", "{", "}", "$", "\u2028", "\u2029", "\ufeff", "\ufffe", "\x85", "\ud800",
     "\udfff", "\ud83d", "\ude00", "\U0001f600", "\u202e", "é", "e\u0301", "'", "</script>"]
)  # fmt: skip


def weird_text(smallest, largest, forbidden=""):
    anything = st.text(st.characters(exclude_characters=forbidden), max_size=20)
    parts = st.lists(NASTY | anything, max_size=5).map("".join)
    long = st.builds(lambda char: char * largest, st.sampled_from(["x", '"', "\\", "%", "\U0001f600", "\ud83d"]))
    return (parts | long).map(lambda text: text[:largest]).filter(lambda text: len(text) >= smallest)


CONTROLS = "".join(map(chr, [*range(32), 127]))


def words(first, rest, largest):
    long = st.sampled_from(first).map(lambda char: char + rest[-1] * (largest - 1))
    return st.builds(str.__add__, st.sampled_from(first), st.text(rest, max_size=6)) | long


KEYS = words(ascii_letters + "_", "-." + ascii_letters + digits + "_", 63) | st.sampled_from(
    ["event_id", "details", "user_id", "client_ip", "severity"]
)
RESOURCES = weird_text(1, 255, CONTROLS).filter(lambda text: "${" not in text)
ADDRESSES = st.just("${client_ip}") | st.ip_addresses(v=4).map(str)
DETAIL_VALUES = st.lists(weird_text(0, 60, "\x00").filter(lambda t: "${" not in t) | st.sampled_from(TOKENS)).map(
    lambda parts: "".join(parts)[:1024]
)
NAMES = words(ascii_lowercase, ascii_lowercase + digits + "_", 63).filter(lambda name: name not in RESERVED_NAMES)


@st.composite
def event_types(draw, name):
    details = draw(st.dictionaries(KEYS, DETAIL_VALUES.filter(tokens_are_whole), max_size=6))
    if draw(st.booleans()):
        details["ip_address"] = draw(ADDRESSES)
    if draw(st.booleans()):
        details["resource"] = draw(RESOURCES)
    optional = {
        "eventType": words(ascii_letters, ascii_letters + digits + "._-", 63),
        "severity": st.sampled_from(["INFO", "WARNING", "ERROR", "CRITICAL"]),
        "actionResult": words(ascii_uppercase, ascii_uppercase + "_", 32),
        "resource": RESOURCES,
    }
    return {"name": name, "details": details, **draw(st.fixed_dictionaries({}, optional=optional))}


def tokens_are_whole(text):
    for token in TOKENS:
        text = text.replace(token, " ")
    return "${" not in text


@st.composite
def specs(draw):
    own = draw(st.lists(NAMES, max_size=4, unique=True))
    known = [*own, *BUILT_IN_TEMPLATES, *ALIASES]
    weights = st.sampled_from([0, 1, 2, 3, 999_999, 1_000_000]) | st.integers(0, 1_000_000)
    mix = draw(st.none() | st.dictionaries(st.sampled_from(known), weights, min_size=1))
    if mix is not None and not any(mix.values()):
        mix[draw(st.sampled_from(known))] = 1
    hosts = words(ascii_letters + digits, "._-" + ascii_letters + digits, 253).filter(lambda name: name[-1].isalnum())
    users = weird_text(1, 255, CONTROLS)
    return {
        "eventMix": mix,
        "eventTypes": [draw(event_types(name)) for name in own],
        "entities": {
            "users": {"names": draw(st.lists(users, min_size=1, max_size=4))},
            "hosts": {"names": draw(st.lists(hosts, min_size=1, max_size=4))},
        },
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    raw=specs(),
    seed=st.integers(-(2**53) + 1, 2**53 - 1),
    first=st.integers(0, 2**53 - 20),
    unix_ns=st.integers(0, 4 * 10**18),
)
def test_every_event_of_every_valid_spec_can_be_consumed(raw, seed, first, unix_ns):
    factory = EventFactory(parse_spec(raw), seed=seed)
    events = factory.make(slots(first, 15, unix_ns))
    assert len({event.event_id for event in events}) == 15
    for event in events:
        assert len(event.body) <= factory.largest_body_bytes
        body = read(event)
        assert body["server_hostname"] in raw["entities"]["hosts"]["names"]
        for top, detail in (("resource", "resource"), ("client_ip", "ip_address")):
            assert body.get(top) == body["details"].get(detail)


@pytest.mark.parametrize(
    "name, written",
    [
        ("%s %% %(x)d", "%s %% %(x)d"),
        ('"},"event_id":"', '"},"event_id":"'),
        ("\u2028\\u0000\\", "\u2028\\u0000\\"),
        ("${host}", "${host}"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
    ],
)
def test_a_strange_user_name_arrives_as_it_is_but_for_half_surrogates(name, written):
    spec = parse_spec({"eventMix": {"sudo_command": 1}, "entities": {"users": {"names": [name]}}})
    (event,) = EventFactory(spec, seed=1).make(slots(0, 1))
    body = read(event)
    assert body["user_id"] == written
    assert body["details"]["cwd"] == f"/home/{written}"


def said(details, *, user="eve", sequence=41, **event_type):
    spec = parse_spec(
        {
            "eventMix": {"mine": 1},
            "eventTypes": [{"name": "mine", "details": details, **event_type}],
            "entities": {"users": {"names": [user]}, "hosts": {"names": ["web-1"]}},
        }
    )
    (event,) = EventFactory(spec, seed=3).make(slots(sequence, 1))
    return json.loads(event.body)


def test_all_tokens_are_replaced_wherever_they_stand():
    text = "${user}${user} on ${host}: ${sequence}, 100% $ {user} $user ${client_ip}"
    body = said({"text": text, "ip_address": "${client_ip}"})
    assert body["details"]["text"] == f"eveeve on web-1: 41, 100% $ {{user}} $user {body['client_ip']}"
    assert body["client_ip"].startswith("192.168.1.")


@pytest.mark.parametrize("name", ["${user}", "${host}", "${sequence}", "%d ${client_ip}", "$"])
def test_what_replaces_a_token_is_not_searched_for_tokens_again(name):
    body = said({"text": "${user}{host}|${user}"}, user=name)
    assert body["details"]["text"] == f"{name}{{host}}|{name}"


def test_tokens_do_not_grow_together_from_two_pieces():
    assert said({"text": "$${user}{${host}"}, user="x")["details"]["text"] == "$x{web-1"


def test_the_number_of_an_event_is_its_sequence():
    for sequence, written in ((0, "0"), (9, "9"), (2**53 - 1, "9007199254740991")):
        assert said({"n": "${sequence}"}, sequence=sequence)["details"]["n"] == written


def test_one_event_has_one_client_address():
    details = said({"a": "${client_ip}", "b": "${client_ip}", "ip_address": "${client_ip}"})["details"]
    assert len(set(details.values())) == 1


def test_keys_are_not_searched_for_tokens_or_formats():
    assert said({"user": "a", "s.d-": "%s"})["details"] == {"user": "a", "s.d-": "%s"}
