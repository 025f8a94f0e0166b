"""The bytes of one publish: basic.publish, content header and body as AMQP 0-9-1 frames, in pieces to be joined.

What is equal for all events of one outlet is encoded once, by pika itself. Through `Channel.basic_publish` a publish costs
three times as much. Knows no connection.
"""

import struct
from typing import Final

from pika import spec
from pika.data import encode_short_string, encode_table

from audit_event_operator.events.event import AuditEvent, Mark

APP_ID: Final = "audit-event-operator"
ATTEMPT_HEADER: Final = "x-aeg-attempt"
TRUTH_HEADER: Final = "x-aeg-truth"

_END: Final = bytes([spec.FRAME_END])
_FRAME: Final = struct.Struct(">BHI")
_HEADER: Final = struct.Struct(">BHIHHQ")  # frame header, then class, weight and size of the body
_CLASS_AND_SIZE_BYTES: Final = 12
_TIMESTAMP: Final = struct.Struct(">Q")
_LENGTH: Final = tuple(bytes([length]) for length in range(256))
_TYPES_KEPT: Final = 256


class PublishFrames:
    """Encodes the events of one outlet for one channel: to a queue, by the default exchange.

    `persistent` is delivery mode 2, else 1. `mandatory`: the broker shall return what it cannot route. `body_max` is the most
    bytes of body in one frame, as negotiated.
    """

    def __init__(self, channel_number: int, queue: str, *, persistent: bool, mandatory: bool, body_max: int) -> None:
        method = spec.Basic.Publish(exchange="", routing_key=queue, mandatory=mandatory)
        payload = struct.pack(">I", method.INDEX) + b"".join(method.encode())
        self._channel = channel_number
        self._method = _FRAME.pack(spec.FRAME_METHOD, channel_number, len(payload)) + payload + _END
        self._delivery_mode = bytes([2 if persistent else 1])
        self._starts: dict[str, bytes] = {}
        self._tails: dict[str, bytes] = {}
        self._body_max = body_max

    def encode(self, event: AuditEvent, attempt: int, into: list[bytes]) -> None:
        """Append the frames of one publish to `into`.

        Raises:
            ValueError: the event's id or type has more than 255 bytes; nothing was appended.
        """
        identity = event.event_id.encode()
        if len(identity) > 255:
            raise ValueError("an event's id may have at most 255 bytes")
        tail = self._tails.get(event.event_type) or self._tail(event.event_type)
        start = self._starts.get(event.content_type) if attempt == 1 and event.mark is None else None
        if start is None:
            start = self._start(event.content_type, attempt, event.mark)
        body = event.body
        size = len(body)
        channel = self._channel
        payload_bytes = _CLASS_AND_SIZE_BYTES + len(start) + 1 + len(identity) + 8 + len(tail) - 1
        into += (
            self._method,
            _HEADER.pack(spec.FRAME_HEADER, channel, payload_bytes, spec.BasicProperties.INDEX, 0, size),
            start,
            _LENGTH[len(identity)],
            identity,
            _TIMESTAMP.pack(event.unix_seconds),
            tail,
        )
        if size <= self._body_max:
            if size:
                into += (_FRAME.pack(spec.FRAME_BODY, channel, size), body, _END)
            return
        for begin in range(0, size, self._body_max):
            part = body[begin : begin + self._body_max]
            into += (_FRAME.pack(spec.FRAME_BODY, channel, len(part)), part, _END)

    def _start(self, content_type: str, attempt: int, mark: Mark | None) -> bytes:
        """The properties before the message id, with their flags."""
        of = spec.BasicProperties
        flags = of.FLAG_CONTENT_TYPE | of.FLAG_DELIVERY_MODE | of.FLAG_MESSAGE_ID | of.FLAG_TIMESTAMP | of.FLAG_TYPE
        flags |= of.FLAG_APP_ID
        pieces: list[bytes] = []
        encode_short_string(pieces, content_type)
        headers: dict[str, int | str] = {ATTEMPT_HEADER: attempt} if attempt > 1 else {}
        if mark is not None and mark.header:
            headers[TRUTH_HEADER] = str(mark)
        if headers:
            flags |= of.FLAG_HEADERS
            encode_table(pieces, headers)
        start = b"".join((struct.pack(">H", flags), *pieces, self._delivery_mode))
        if not headers:
            self._starts[content_type] = start  # as many as there are formats
        return start

    def _tail(self, event_type: str) -> bytes:
        """The properties after the timestamp, and the end of the frame."""
        if len(event_type.encode()) > 255:
            raise ValueError("an event's type may have at most 255 bytes")
        pieces: list[bytes] = []
        encode_short_string(pieces, event_type)
        encode_short_string(pieces, APP_ID)
        tail = b"".join((*pieces, _END))
        if len(self._tails) < _TYPES_KEPT:
            self._tails[event_type] = tail
        return tail
