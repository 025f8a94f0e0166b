"""pika's asyncio connection, made fit for many small messages: gathered writes, confirms read without detours.

pika hands every frame to the system on its own and decodes every confirm through its callback registry; both cost more than
the event itself. Everything else stays pika's. Knows nothing of events.
"""

import asyncio
import logging
import struct
from collections.abc import Callable
from typing import Any, Final

import pika.exceptions
from pika import spec
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.frame import decode_frame

logger = logging.getLogger(__name__)

_ACK_BYTES: Final = 21
_ACK_PAYLOAD_BYTES: Final = 13
_TAG: Final = struct.Struct(">Q")
_FRAME_HEAD: Final = struct.Struct(">BHI")
_FRAME_OVERHEAD_BYTES: Final = 8

CONTENT_LIMIT_BYTES: Final = 1024 * 1024
"""Far above anything that is sent here, and only that can come back. pika collects a content without a limit."""


class GatheringConnection(AsyncioConnection):  # type: ignore[misc]
    """An AMQP connection on the running loop.

    `on_confirm(tag, multiple)` is called for each basic.ack on the channel given to `watch`, `on_read` after each piece of
    input that was worked through; neither may raise.
    """

    def __init__(self, parameters: Any, **callbacks: Any) -> None:
        self._frame_buffer: bytes
        self._pieces: list[bytes] = []
        self._flush_due = False
        self._ack_prefix: bytes | None = None
        self._on_confirm: Callable[[int, bool], None] = lambda _tag, _multiple: None
        self._on_read: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self.ending = False
        """The line is being dropped, though pika calls it open until the close callbacks have run, a turn later."""
        super().__init__(parameters, custom_ioloop=self._loop, **callbacks)

    def watch(self, channel_number: int, on_confirm: Callable[[int, bool], None], on_read: Callable[[], None]) -> None:
        """Report the acks of one channel here instead of through pika's callbacks."""
        self._ack_prefix = struct.pack(
            ">BHII", spec.FRAME_METHOD, channel_number, _ACK_PAYLOAD_BYTES, spec.Basic.Ack.INDEX
        )
        self._on_confirm, self._on_read = on_confirm, on_read

    @property
    def body_max(self) -> int:
        """Most bytes of body in one frame."""
        return int(self._body_max_length)

    def write(self, pieces: list[bytes]) -> None:
        """Send complete frames at the end of this loop turn, behind what pika has to send."""
        self._pieces += pieces
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def send(self, pieces: list[bytes]) -> None:
        """Send complete frames now, behind what pika has to send."""
        self._pieces += pieces
        self._flush()

    async def take_leave(self, seconds: float) -> None:
        """Close as AMQP asks, and drop the line if the broker has not answered within `seconds` (0: drop it at once)."""
        if self.is_closed:
            return
        gone = asyncio.Event()
        self.add_on_close_callback(lambda _connection, _error: gone.set())
        try:
            if self.is_open and seconds > 0:
                self.close()
                async with asyncio.timeout(seconds):  # wait_for can swallow a cancellation before Python 3.12
                    await gone.wait()
        except (TimeoutError, pika.exceptions.AMQPError) as error:
            logger.debug("A connection did not close: %r", error)
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop the line without a word; the close callbacks follow."""
        self._pieces.clear()
        if self._transport is not None and not self.is_closed:
            self._terminate_stream(pika.exceptions.ConnectionClosedByClient(320, "aborted"))

    def _adapter_connect_stream(self) -> None:
        super()._adapter_connect_stream()
        # pika 1.4 lets an attempt report its end once more when its line is lost while it is given up; nobody listens then.
        workflow: Any = self._connection_workflow
        ended = workflow._on_connector_done  # noqa: SLF001 - see above
        workflow._on_connector_done = lambda result: None if workflow._on_done is None else ended(result)  # noqa: SLF001

    def _on_connection_workflow_done(self, conn_or_exc: Any) -> None:
        # pika 1.4 says that the handshake was given up by the class of the exception, and then fails on its own word.
        super()._on_connection_workflow_done(conn_or_exc() if isinstance(conn_or_exc, type) else conn_or_exc)

    def _terminate_stream(self, error: Exception | None) -> None:
        self.ending = True
        super()._terminate_stream(error)

    def _adapter_emit_data(self, data: bytes) -> None:
        self.write([data])

    def _flush(self) -> None:
        self._flush_due = False
        pieces, self._pieces = self._pieces, []
        if pieces and self._transport is not None:
            data = b"".join(pieces)
            sent = _sent_at_once(self._transport, data)
            if sent < len(data):
                self._transport.write(data[sent:] if sent else data)

    def _on_data_available(self, data_in: bytes) -> None:
        data = self._frame_buffer + data_in if self._frame_buffer else data_in
        offset, end, prefix = 0, len(data), self._ack_prefix
        while offset < end:
            if prefix is not None and end - offset >= _ACK_BYTES and data.startswith(prefix, offset):
                self._on_confirm(_TAG.unpack_from(data, offset + 11)[0], data[offset + 19] & 1 == 1)
                offset += _ACK_BYTES
                continue
            # pika's own way: it changes its state by what it reads, which is why it must see the rest as its buffer.
            consumed, frame = decode_frame(data[offset:])
            if frame is None:
                self._refuse_oversized(data, offset)
                break
            offset += consumed
            if frame.frame_type == spec.FRAME_HEADER and frame.body_size > CONTENT_LIMIT_BYTES:
                raise pika.exceptions.BodyTooLongError(frame.body_size, CONTENT_LIMIT_BYTES)
            self._process_frame(frame)
            prefix = self._ack_prefix
        self._frame_buffer = data[offset:]
        self.bytes_received += offset
        self._on_read()

    def _refuse_oversized(self, data: bytes, offset: int) -> None:
        """Do not wait for the rest of a frame that is larger than agreed: it would be kept in memory until it is there.

        Raises:
            InvalidFrameError: pika's transport then ends the connection.
        """
        if len(data) - offset < _FRAME_HEAD.size or data.startswith(b"AMQP", offset):
            return
        size = _FRAME_HEAD.unpack_from(data, offset)[2]
        if size > self.params.frame_max - _FRAME_OVERHEAD_BYTES:
            raise pika.exceptions.InvalidFrameError(f"a frame of {size} bytes, and {self.params.frame_max} were agreed")


def _sent_at_once(transport: Any, data: bytes) -> int:
    """Offer the system data in front of which nothing waits; returns how many bytes it took.

    pika waits first until the loop says that the socket is writable, which it nearly always is: two system calls and a turn
    of the loop more for each write. What goes wrong here goes wrong again in pika's own write, which knows what to do.
    """
    if transport.get_write_buffer_size() or transport._state != transport._STATE_ACTIVE:  # noqa: SLF001
        return 0
    try:
        return int(transport._sock.send(data))  # noqa: SLF001
    except OSError:
        return 0
