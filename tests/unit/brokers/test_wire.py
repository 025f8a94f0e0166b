"""Our frames, read by pika."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import spec
from pika.frame import decode_frame

from audit_event_operator.brokers.rabbitmq.address import Address
from audit_event_operator.brokers.rabbitmq.wire import PublishFrames
from audit_event_operator.events.event import Mark
from support.doubles.events import make_event

shorts = st.text(max_size=60)


def decoded(data):
    frames = []
    while data:
        consumed, frame = decode_frame(data)
        assert frame is not None
        frames.append(frame)
        data = data[consumed:]
    return frames


EVENTS = st.builds(
    make_event, shorts, st.binary(max_size=300), event_type=shorts, unix_seconds=st.integers(0, 2**33), content_type=shorts,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(shorts, EVENTS, st.integers(1, 100_000), st.integers(1, 65_535), st.integers(1, 400), st.booleans())
def test_pika_reads_what_we_write(queue, event, attempt, channel, body_max, durable):
    frames = PublishFrames(channel, Address.of_queue(queue), persistent=durable, mandatory=durable, body_max=body_max)
    pieces = []
    frames.encode(event, 1, pieces)
    first_length = len(b"".join(pieces))
    frames.encode(event, attempt, pieces)
    method, header, *bodies = decoded(b"".join(pieces)[first_length:])
    assert {frame.channel_number for frame in (method, header, *bodies)} == {channel}
    publish = method.method
    assert isinstance(publish, spec.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("", queue, durable)
    assert header.body_size == len(event.body)
    assert all(len(each.fragment) <= body_max for each in bodies)
    assert b"".join(each.fragment for each in bodies) == event.body
    of = header.properties
    assert (of.content_type, of.app_id) == (event.content_type, "audit-event-operator")
    assert of.delivery_mode == (2 if durable else 1)
    assert (of.message_id, of.type, of.timestamp) == (event.event_id, event.event_type, event.unix_seconds)
    assert of.headers == ({"x-aeg-attempt": attempt} if attempt > 1 else None)


@pytest.mark.parametrize(
    "attempt, header, headers",
    [
        (1, False, None),
        (1, True, {"x-aeg-truth": "brute/0f/3"}),
        (2, False, {"x-aeg-attempt": 2}),
        (2, True, {"x-aeg-attempt": 2, "x-aeg-truth": "brute/0f/3"}),
    ],
)
def test_an_event_of_a_scenario_tells_so_in_a_header_where_that_is_asked_for(attempt, header, headers):
    frames, pieces = PublishFrames(1, Address.of_queue("q"), persistent=True, mandatory=True, body_max=100), []
    frames.encode(make_event(), 1, [])
    frames.encode(make_event()._replace(mark=Mark("brute", "0f", 3, 7, header)), attempt, pieces)
    assert decoded(b"".join(pieces))[1].properties.headers == headers
    plain = []
    frames.encode(make_event(), 1, plain)
    assert decoded(b"".join(plain))[1].properties.headers is None


@pytest.mark.parametrize("field", ["event_id", "event_type"])
def test_what_does_not_fit_a_short_string_raises_and_writes_nothing(field):
    event = make_event(**{field: "é" * 128})
    pieces = []
    with pytest.raises(ValueError, match="255 bytes"):
        PublishFrames(1, Address.of_queue("q"), persistent=True, mandatory=True, body_max=100).encode(event, 1, pieces)
    assert pieces == []
