"""Our frames, read by pika."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import spec
from pika.frame import Body, Header, Method, decode_frame

from audit_event_operator.brokers.rabbitmq.wire import PublishFrames
from support.doubles.events import make_event

shorts = st.text(max_size=60)


def decoded(data: bytes) -> list[Method | Header | Body]:
    frames = []
    while data:
        consumed, frame = decode_frame(data)
        assert frame is not None
        frames.append(frame)
        data = data[consumed:]
    return frames


@settings(max_examples=60, deadline=None)
@given(
    queue=shorts,
    event_id=shorts,
    event_type=shorts,
    content_type=shorts,
    seconds=st.integers(0, 2**33),
    body=st.binary(max_size=300),
    attempt=st.integers(1, 100_000),
    channel=st.integers(1, 65_535),
    body_max=st.integers(1, 400),
    durable=st.booleans(),
)
def test_pika_reads_what_we_write(
    queue: str,
    event_id: str,
    event_type: str,
    content_type: str,
    seconds: int,
    body: bytes,
    attempt: int,
    channel: int,
    body_max: int,
    durable: bool,
) -> None:
    frames = PublishFrames(channel, queue, persistent=durable, mandatory=durable, body_max=body_max)
    event = make_event(event_id, body, event_type=event_type, unix_seconds=seconds, content_type=content_type)
    pieces: list[bytes] = []
    frames.encode(event, 1, pieces)
    first_length = len(b"".join(pieces))
    frames.encode(event, attempt, pieces)
    method, header, *bodies = decoded(b"".join(pieces)[first_length:])
    assert {frame.channel_number for frame in (method, header, *bodies)} == {channel}
    publish = method.method
    assert isinstance(publish, spec.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("", queue, durable)
    assert header.body_size == len(body)
    assert all(len(each.fragment) <= body_max for each in bodies)
    assert b"".join(each.fragment for each in bodies) == body
    of = header.properties
    assert (of.content_type, of.app_id, of.delivery_mode) == (
        content_type,
        "audit-event-operator",
        2 if durable else 1,
    )
    assert (of.message_id, of.type, of.timestamp) == (event_id, event_type, seconds)
    assert of.headers == ({"x-aeg-attempt": attempt} if attempt > 1 else None)


@pytest.mark.parametrize("field", ["event_id", "event_type"])
def test_what_does_not_fit_a_short_string_raises_and_writes_nothing(field: str) -> None:
    event = make_event(**{field: "é" * 128})
    pieces: list[bytes] = []
    with pytest.raises(ValueError, match="255 bytes"):
        PublishFrames(1, "q", persistent=True, mandatory=True, body_max=100).encode(event, 1, pieces)
    assert pieces == []
