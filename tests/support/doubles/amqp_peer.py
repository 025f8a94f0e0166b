"""The broker's end of one AMQP connection, without any I/O: it is fed bytes and gives bytes, and does what a script says.

It keeps its own count of delivery tags from what it reads, so that what tests conclude from it owes nothing to the code under
test. `Line` puts it on the other end of a real pika connection without a network, `serve` behind a real socket.
"""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from pika import spec
from pika.frame import Body, Header, Heartbeat, Method, ProtocolHeader, decode_frame

FRAME_MAX = 131_072
CHANNEL_MAX = 2_047
CAPABILITIES = {"publisher_confirms": True, "basic.nack": True, "connection.blocked": True}


@dataclass
class Published:
    """A message as it arrived: its delivery tag on its channel, and whether the peer gave it back."""

    tag: int
    queue: str
    message_id: str
    attempt: int
    body: bytes
    returned: bool = False


Reply = bytes | None
"""What the peer sends; None for what a broker would."""


@dataclass
class Peer:
    """Reads one client.

    `on_method(name, channel, method)` may answer each method itself (b"" means silence); `on_publish` hears of each message.
    `queues` None: every queue exists.
    """

    on_method: Callable[[str, int, Any], Reply] = lambda _name, _channel, _method: None
    on_publish: Callable[[Published], bytes] = lambda _message: b""
    queues: set[str] | None = None
    frame_max: int = FRAME_MAX
    channel_max: int = CHANNEL_MAX
    publishing_channel: int = 0
    messages: list[Published] = field(default_factory=list)
    """In the order of their tags, from 1."""
    over: bool = False
    _buffer: bytes = b""
    _method: Any = None
    _header: Any = None
    _body: bytes = b""

    def feed(self, data: bytes) -> bytes:
        """What the client said; the answer."""
        self._buffer += data
        said = b""
        while self._buffer and not self.over:
            consumed, frame = decode_frame(self._buffer)
            if frame is None:
                break
            self._buffer = self._buffer[consumed:]
            said += self._frame(frame)
        return said

    # -- what a broker may say -----------------------------------------------------------------------------------------

    def answer(self, tag: int, *, multiple: bool = False, ack: bool = True) -> bytes:
        made = spec.Basic.Ack if ack else spec.Basic.Nack
        return self.method(made(tag, multiple), self.publishing_channel)

    def give_back(self, message: Published) -> bytes:
        """The message comes back unroutable; its ack is to follow."""
        message.returned = True
        return self.returned(message.message_id, message.queue, message.body)

    def returned(self, message_id: str, queue: str = "q", body: bytes = b"{}") -> bytes:
        channel = self.publishing_channel
        properties = spec.BasicProperties(message_id=message_id)
        method = self.method(spec.Basic.Return(312, "NO_ROUTE", "", queue), channel)
        header, content = Header(channel, len(body), properties).marshal(), Body(channel, body).marshal()
        return method + header + (content if body else b"")

    def close_channel(self, code: int = 406, text: str = "PRECONDITION_FAILED", channel: int | None = None) -> bytes:
        number = self.publishing_channel if channel is None else channel
        return self.method(spec.Channel.Close(code, text, 0, 0), number)

    def close_connection(self, code: int = 320, text: str = "CONNECTION_FORCED") -> bytes:
        return self.method(spec.Connection.Close(code, text, 0, 0))

    def opened(self, channel: int) -> bytes:
        return self.method(spec.Channel.OpenOk(), channel)

    def block(self) -> bytes:
        return self.method(spec.Connection.Blocked("low on memory"))

    def unblock(self) -> bytes:
        return self.method(spec.Connection.Unblocked())

    @staticmethod
    def method(method: Any, channel: int = 0) -> bytes:
        return bytes(Method(channel, method).marshal())

    # -- inside --------------------------------------------------------------------------------------------------------

    def _frame(self, frame: Any) -> bytes:
        match frame:
            case Heartbeat():
                return b""
            case ProtocolHeader():
                return self._say("ProtocolHeader", 0, frame)
            case Method(method=spec.Basic.Publish()):
                self._method, self._body = frame, b""
                return b""
            case Method():
                return self._say(frame.method.NAME, frame.channel_number, frame.method)
            case Header():
                self._header = frame
            case _:
                self._body += frame.fragment
        return self._message() if len(self._body) == self._header.body_size else b""

    def _message(self) -> bytes:
        properties = self._header.properties
        attempt = int((properties.headers or {}).get("x-aeg-attempt", 1))
        queue = self._method.method.routing_key
        message = Published(len(self.messages) + 1, queue, properties.message_id, attempt, self._body)
        self.messages.append(message)
        return self.on_publish(message)

    def _say(self, name: str, channel: int, method: Any) -> bytes:
        if name == "Confirm.Select":
            self.publishing_channel = channel
        if name in {"Connection.Close", "Connection.CloseOk"}:
            self.over = True
        said = self.on_method(name, channel, method)
        return self._as_a_broker(name, channel, method) if said is None else said

    def _as_a_broker(self, name: str, channel: int, method: Any) -> bytes:
        answers: dict[str, Any] = {
            "ProtocolHeader": lambda: spec.Connection.Start(
                server_properties={"capabilities": CAPABILITIES}, mechanisms="PLAIN", locales="en_US"
            ),
            "Connection.StartOk": lambda: spec.Connection.Tune(self.channel_max, self.frame_max, 0),
            "Connection.Open": spec.Connection.OpenOk,
            "Connection.Close": spec.Connection.CloseOk,
            "Channel.Open": spec.Channel.OpenOk,
            "Channel.Close": spec.Channel.CloseOk,
            "Confirm.Select": spec.Confirm.SelectOk,
        }
        if name == "Queue.Declare":
            if self.queues is not None and method.queue not in self.queues:
                if method.passive:
                    return self.close_channel(404, "NOT_FOUND", channel)
                self.queues.add(method.queue)
            return self.method(spec.Queue.DeclareOk(method.queue, 0, 0), channel)
        return self.method(answers[name](), channel) if name in answers else b""


class Line:
    """A pika connection's transport with a peer at its end. What the peer says comes in later turns of the loop.

    The connection is made with `internal_connection_workflow=False`; `on_lost` is called when either end cuts the line.
    """

    def __init__(self, connection: Any, peer: Peer, on_lost: Callable[[], object] = lambda: None) -> None:
        self.connection = connection
        self.peer = peer
        self.cut = False
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] | None = None
        connection._proto_connection_made(self)

    # -- as pika's transport and its socket, which takes all at once ---------------------------------------------------

    _STATE_ACTIVE = 1

    @property
    def _state(self) -> int:
        return 2 if self.cut else self._STATE_ACTIVE

    @property
    def _sock(self) -> Self:
        return self

    def get_write_buffer_size(self) -> int:
        return 0

    def send(self, data: bytes) -> int:
        self.write(data)
        return len(data)

    def write(self, data: bytes) -> None:
        if not self.cut and (said := self.peer.feed(data)):
            self._loop.call_soon(self._reply, said)

    def abort(self) -> None:
        self._end(None)

    # -- the peer's side -----------------------------------------------------------------------------------------------

    def say(self, data: bytes) -> None:
        """One piece of input for the connection; one that it cannot read cuts the line, as pika's own transport does."""
        if self.cut:
            return
        try:
            self.connection._proto_data_received(data)
        except Exception as error:  # noqa: BLE001 - as pika's transport
            self._end(error)

    def hold(self) -> None:
        """What the peer replies waits: a frame is half said."""
        self._held = []

    def release(self) -> None:
        held, self._held = self._held or [], None
        for data in held:
            self.say(data)

    def hang_up(self) -> None:
        """The end of the stream, without a word."""
        if not self.cut:
            self.connection._proto_eof_received()
            self._end(None)

    def reset(self) -> None:
        self._end(ConnectionResetError(104, "Connection reset by peer"))

    def _reply(self, data: bytes) -> None:
        if self._held is None:
            self.say(data)
        else:
            self._held.append(data)

    def _end(self, error: Exception | None) -> None:
        if not self.cut:
            self.cut = True
            self._on_lost()
            self._loop.call_soon(self.connection._proto_connection_lost, error)


def oversized_frame() -> bytes:
    """The beginning of a frame that says it will have 4 GiB."""
    return struct.pack(">BHI", spec.FRAME_METHOD, 1, 0xFFFF_FFFF)
