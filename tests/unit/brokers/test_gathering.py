"""The connection's own reading of confirms and gathering of writes, without a network."""

import asyncio
import struct

import pika
import pytest
from pika import spec
from pika.adapters.utils.connection_workflow import AMQPConnectorAMQPHandshakeError
from pika.exceptions import BodyTooLongError, InvalidFrameError
from pika.frame import Header, Heartbeat, Method

from audit_event_operator.brokers.rabbitmq.connection import CONTENT_LIMIT_BYTES, GatheringConnection


class Wire(list[bytes]):
    """A transport whose line takes `takes` bytes at once; what it is left to write itself is in the list."""

    _STATE_ACTIVE = 1

    def __init__(self):
        super().__init__()
        self._state, self._sock, self.takes, self.waiting = self._STATE_ACTIVE, self, 0, 0
        self.sent = b""

    write = list.append

    def get_write_buffer_size(self):
        return self.waiting

    def send(self, data):
        if not self.takes:
            raise BlockingIOError
        self.sent += data[: self.takes]
        return min(self.takes, len(data))


@pytest.fixture
async def connection():
    made = GatheringConnection(None, internal_connection_workflow=False)
    made._transport = Wire()
    return made


def ack(tag, *, multiple=False, channel=1):
    return bytes(Method(channel, spec.Basic.Ack(tag, multiple)).marshal())


@pytest.mark.parametrize("size", [1, 2, 7, 20, 21, 22, 1_000])
async def test_acks_are_read_however_the_input_is_cut(connection, size):
    seen = []
    connection.watch(1, lambda tag, multiple: seen.append((tag, multiple)), lambda: None)
    data = ack(1) + ack(2**40, multiple=True) + Heartbeat().marshal() + ack(3)
    for start in range(0, len(data), size):
        connection._on_data_available(data[start : start + size])
    assert seen == [(1, False), (2**40, True), (3, False)]
    assert connection.bytes_received == len(data)
    assert connection._frame_buffer == b""


async def test_a_piece_of_input_is_reported_once(connection):
    reads = []
    connection.watch(1, lambda _tag, _multiple: None, lambda: reads.append(1))
    connection._on_data_available(ack(1) + ack(2) + ack(3))
    assert reads == [1]


async def test_an_attempt_that_reports_its_end_twice_is_over_after_the_first_time():
    told = []
    attempt = GatheringConnection(
        pika.ConnectionParameters(host="127.0.0.1", port=1), on_open_error_callback=lambda _, error: told.append(error)
    )
    workflow = attempt._connection_workflow
    workflow._on_connector_done(AMQPConnectorAMQPHandshakeError(ConnectionResetError()))
    workflow._on_connector_done(AMQPConnectorAMQPHandshakeError(ConnectionResetError()))
    assert len(told) == 1


async def test_broken_input_raises_as_pika_does(connection):
    with pytest.raises(InvalidFrameError):
        connection._on_data_available(struct.pack(">BHI", 1, 1, 1) + b"xx")


@pytest.mark.parametrize("kind", [1, 2, 3, 8, 77])
async def test_a_frame_larger_than_agreed_is_refused_before_it_fills_the_memory(connection, kind):
    connection.params.frame_max = 4096
    connection._on_data_available(struct.pack(">BHI", kind, 1, 4088))
    connection._frame_buffer = b""
    with pytest.raises(InvalidFrameError, match="4089 bytes"):
        connection._on_data_available(struct.pack(">BHI", kind, 1, 4089))


async def test_the_head_of_another_protocol_is_waited_for(connection):
    connection._on_data_available(b"AMQP\x00\x00\x09")
    assert connection._frame_buffer == b"AMQP\x00\x00\x09"


async def test_a_content_that_nobody_can_have_sent_is_refused(connection):
    with pytest.raises(BodyTooLongError):
        connection._on_data_available(bytes(Header(1, CONTENT_LIMIT_BYTES + 1, spec.BasicProperties()).marshal()))


async def test_writes_of_one_turn_are_one_write_in_order(connection):
    connection._adapter_emit_data(b"first")
    connection.write([b"second", b"third"])
    assert connection._transport == []
    await asyncio.sleep(0)
    assert connection._transport == [b"firstsecondthird"]
    connection.write([b"more"])
    await asyncio.sleep(0)
    assert connection._transport[1:] == [b"more"]


@pytest.mark.parametrize(("takes", "sent", "left"), [(100, b"firstsecond", []), (3, b"fir", [b"stsecond"])])
async def test_what_the_line_takes_is_sent_at_once_and_only_the_rest_waits(connection, takes, sent, left):
    connection._transport.takes = takes
    connection._adapter_emit_data(b"first")
    connection.send([b"sec", b"ond"])
    await asyncio.sleep(0)
    assert (connection._transport.sent, connection._transport) == (sent, left)


async def test_nothing_overtakes_what_waits(connection):
    connection._transport.takes, connection._transport.waiting = 100, 1
    connection.send([b"data"])
    assert (connection._transport.sent, connection._transport) == (b"", [b"data"])


async def test_a_line_that_is_broken_is_left_to_pika(connection, monkeypatch):
    def send(_data):
        raise ConnectionResetError

    monkeypatch.setattr(connection._transport, "send", send)
    connection.send([b"data"])
    assert connection._transport == [b"data"]


async def test_a_line_that_is_being_dropped_gets_nothing(connection):
    connection._transport.takes, connection._transport._state = 100, 2
    connection.send([b"data"])
    assert connection._transport.sent == b""


async def test_what_was_not_sent_is_forgotten_with_the_line(connection):
    connection.write([b"data"])
    connection._transport = None
    connection.abort()
    await asyncio.sleep(0)
    connection.write([b"late"])
    await asyncio.sleep(0)
