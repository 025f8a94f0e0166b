"""Routing keys and headers are filled from each event, and read by pika as they were meant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.brokers.rabbitmq.address import Address, compiled
from audit_event_operator.brokers.rabbitmq.wire import PublishFrames
from audit_event_operator.resource.message import MESSAGE_TOKENS
from support.doubles.events import make_event
from support.doubles.producer import destination, exchange
from unit.brokers.test_wire import decoded

EVENT = make_event(severity="CRITICAL", user="ann", host="web-1", action_result="FAILURE")
FILLED = {
    "${event_type}": "user_login", "${severity}": "CRITICAL", "${action_result}": "FAILURE", "${host}": "web-1",
    "${user}": "ann", "${namespace}": "team%s", "${name}": "$1",
}  # fmt: skip


def fill(text: str, event=EVENT) -> str:
    made = compiled(text, "team%s", "$1")
    return made if isinstance(made, str) else made(event)


@given(st.lists(st.one_of(st.sampled_from(MESSAGE_TOKENS), st.text("ab.%{}$s ", max_size=5)), max_size=6))
def test_every_token_becomes_what_it_stands_for_and_nothing_else_changes(pieces):
    text = "".join(pieces)
    expected, rest = "", text
    while rest:  # the obvious way, one character at a time
        token = next((token for token in MESSAGE_TOKENS if rest.startswith(token)), None)
        if token is None and rest.startswith("${"):
            return  # no spec has that
        expected += FILLED[token] if token else rest[0]
        rest = rest[len(token or rest[0]) :]
    assert fill(text) == expected


def test_a_value_is_never_filled_again():
    assert fill("${user}|${host}", EVENT._replace(user="${host}%s", host="${user}")) == "${host}%s|${user}"


def test_a_text_without_tokens_of_the_event_is_made_once():
    assert compiled("a.${namespace}.${name}", "team", "demo") == "a.team.demo"


def encoded(address: Address, *events, attempt=1, body_max=100_000) -> list[tuple]:
    """The method and properties of each event, as pika reads them."""
    frames, pieces = PublishFrames(1, address, persistent=True, mandatory=True, body_max=body_max), []
    for event in events:
        frames.encode(event, attempt, pieces)
    read = decoded(b"".join(pieces))
    return [(read[at].method, read[at + 1].properties) for at in range(0, len(read), 3)]


def address(where) -> Address:
    return Address.of(where, namespace="team", name="demo")


short = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.builds(lambda user, severity: EVENT._replace(user=user, severity=severity), short, short),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(0, 255)),
    st.one_of(st.none(), st.integers(1, 2_592_000_000)),
)
def test_pika_reads_the_envelope_of_each_event(events, attempt, priority, expiration_ms):
    headers = (("who", "${user}"), ("team", "${namespace}"))
    where = exchange("audit", "k.${severity}.${user}", headers=headers, priority=priority, expiration_ms=expiration_ms)
    for event, (method, of) in zip(events, encoded(address(where), *events, attempt=attempt), strict=True):
        assert (method.exchange, method.routing_key) == ("audit", f"k.{event.severity}.{event.user}")
        ours = {"x-aeg-attempt": attempt} if attempt > 1 else {}
        assert of.headers == {"who": event.user, "team": "team", **ours}
        assert of.priority == priority
        assert of.expiration == (None if expiration_ms is None else str(expiration_ms))
        assert (of.message_id, of.type, of.app_id) == (event.event_id, event.event_type, "audit-event-operator")


def test_events_to_a_queue_go_by_the_default_exchange():
    ((method, of),) = encoded(address(destination("q")), EVENT)
    assert (method.exchange, method.routing_key, of.headers, of.priority, of.expiration) == ("", "q", None, None, None)


def test_a_stream_with_more_keys_than_are_kept_has_the_right_one_all_the_same():
    events = [EVENT._replace(user=f"u{number % 700}") for number in range(1_400)]
    read = encoded(address(exchange("audit", "${user}")), *events)
    assert [method.routing_key for method, _ in read] == [event.user for event in events]


def test_half_a_surrogate_pair_is_replaced_as_in_bodies():
    where = exchange("audit", "${user}", headers=(("who", "${user}"),))
    ((method, of),) = encoded(address(where), EVENT._replace(user="a\ud800b"))
    assert (method.routing_key, of.headers) == ("a\ufffdb", {"who": "a\ufffdb"})


@pytest.mark.parametrize("key", ["${user}", "${user}.x"])
def test_a_filled_key_above_255_bytes_is_refused_and_writes_nothing(key):
    frames = PublishFrames(1, address(exchange("audit", key)), persistent=True, mandatory=True, body_max=100_000)
    pieces: list[bytes] = []
    with pytest.raises(ValueError, match="255 bytes"):
        frames.encode(EVENT._replace(user="é" * 128), 1, pieces)
    assert pieces == []


def test_headers_that_do_not_fit_into_a_frame_are_refused_and_write_nothing():
    headers = tuple((f"h{number}", "${user}" * 30) for number in range(8))
    frames = PublishFrames(
        1, address(exchange("audit", "", headers=headers)), persistent=True, mandatory=True, body_max=4_088
    )
    pieces: list[bytes] = []
    with pytest.raises(ValueError, match="fit into one frame"):
        frames.encode(EVENT._replace(user="u" * 255), 1, pieces)
    assert pieces == []
