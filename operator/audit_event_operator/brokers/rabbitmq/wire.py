"""The bytes of one publish: basic.publish, content header and body as AMQP 0-9-1 frames, in pieces to be joined.

What is equal for all events of one outlet is encoded once, by pika itself. Through `Channel.basic_publish` a publish costs
three times as much. Knows no connection.
"""

import struct
from typing import Final

from pika import spec
from pika.data import encode_short_string, encode_table

from audit_event_operator.brokers.rabbitmq.address import Address
from audit_event_operator.events.event import AuditEvent, Mark
from audit_event_operator.events.text import writable

APP_ID: Final = "audit-event-operator"
ATTEMPT_HEADER: Final = "x-aeg-attempt"
TRUTH_HEADER: Final = "x-aeg-truth"

_END: Final = bytes([spec.FRAME_END])
_FRAME: Final = struct.Struct(">BHI")
_HEADER: Final = struct.Struct(">BHIHHQ")  # frame header, then class, weight and size of the body
_CLASS_AND_SIZE_BYTES: Final = 12
_TIMESTAMP: Final = struct.Struct(">Q")
_LENGTH: Final = tuple(bytes([length]) for length in range(256))
_SHORT_BYTES: Final = 255
_KEPT: Final = 256
"""Types, routing keys and sets of headers that are kept encoded: most streams have few, one with many shall cost no memory."""


class PublishFrames:
    """Encodes the events of one outlet for one channel.

    `persistent` is delivery mode 2, else 1. `mandatory`: the broker shall return what it cannot route. `body_max` is the most
    bytes of body in one frame, as negotiated.
    """

    def __init__(
        self, channel_number: int, address: Address, *, persistent: bool, mandatory: bool, body_max: int
    ) -> None:
        self._channel = channel_number
        self._address = address
        self._mandatory = mandatory
        self._delivery_mode = bytes([2 if persistent else 1])
        self._same_headers = all(isinstance(text, str) for _, text in address.headers)
        self._starts: dict[str | tuple[str, ...], bytes] = {}
        self._methods: dict[str, bytes] = {}
        self._tails: dict[str, bytes] = {}
        self._body_max = body_max
        key = address.routing_key
        self._sole_method = self._method(key) if isinstance(key, str) else None

    def encode(self, event: AuditEvent, attempt: int, into: list[bytes]) -> None:
        """Append the frames of one publish to `into`.

        Raises:
            ValueError: the event's id, type or filled routing key has more than 255 bytes, or its headers do not fit into a
                frame; nothing was appended.
        """
        identity = event.event_id.encode()
        if len(identity) > _SHORT_BYTES:
            raise ValueError("an event's id may have at most 255 bytes")
        method = self._sole_method
        if method is None:
            key = self._address.key_of(event)
            method = self._methods.get(key)
            if method is None:
                method = self._method(writable(key))
                if len(self._methods) < _KEPT:
                    self._methods[key] = method
        tail = self._tails.get(event.event_type) or self._tail(event.event_type)
        if attempt == 1 and event.mark is None:
            kind = event.content_type if self._same_headers else self._filled(event)
            start = self._starts.get(kind)
            if start is None:
                start = self._start(event, attempt, None)
                if len(self._starts) < _KEPT:
                    self._starts[kind] = start
        else:
            start = self._start(event, attempt, event.mark)
        body = event.body
        size = len(body)
        channel = self._channel
        payload_bytes = _CLASS_AND_SIZE_BYTES + len(start) + 1 + len(identity) + 8 + len(tail) - 1
        if self._address.headers and payload_bytes > self._body_max:
            raise ValueError("the headers of an event must fit into one frame")  # or the broker closes the connection
        into += (
            method,
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

    def _method(self, routing_key: str) -> bytes:
        """The frame of basic.publish."""
        if len(routing_key.encode()) > _SHORT_BYTES:
            raise ValueError("a routing key may have at most 255 bytes")
        publish = spec.Basic.Publish(
            exchange=self._address.exchange, routing_key=routing_key, mandatory=self._mandatory
        )
        payload = struct.pack(">I", publish.INDEX) + b"".join(publish.encode())
        return _FRAME.pack(spec.FRAME_METHOD, self._channel, len(payload)) + payload + _END

    def _filled(self, event: AuditEvent) -> tuple[str, ...]:
        """What the properties before the message id depend on, where headers differ from event to event."""
        texts = (text if isinstance(text, str) else text(event) for _, text in self._address.headers)
        return (event.content_type, *texts)

    def _start(self, event: AuditEvent, attempt: int, mark: Mark | None) -> bytes:
        """The properties before the message id, with their flags."""
        of, address = spec.BasicProperties, self._address
        flags = of.FLAG_CONTENT_TYPE | of.FLAG_DELIVERY_MODE | of.FLAG_MESSAGE_ID | of.FLAG_TIMESTAMP | of.FLAG_TYPE
        flags |= of.FLAG_APP_ID
        before: list[bytes] = []
        after: list[bytes] = [self._delivery_mode]
        encode_short_string(before, event.content_type)
        headers: dict[str, int | str] = {
            name: writable(text if isinstance(text, str) else text(event)) for name, text in address.headers
        }
        if attempt > 1:
            headers[ATTEMPT_HEADER] = attempt
        if mark is not None and mark.header:
            headers[TRUTH_HEADER] = str(mark)
        if headers:
            flags |= of.FLAG_HEADERS
            encode_table(before, headers)
        if address.priority is not None:
            flags |= of.FLAG_PRIORITY
            after.append(bytes([address.priority]))
        if address.expiration_ms is not None:
            flags |= of.FLAG_EXPIRATION
            encode_short_string(after, str(address.expiration_ms))
        return b"".join((struct.pack(">H", flags), *before, *after))

    def _tail(self, event_type: str) -> bytes:
        """The properties after the timestamp, and the end of the frame."""
        if len(event_type.encode()) > _SHORT_BYTES:
            raise ValueError("an event's type may have at most 255 bytes")
        pieces: list[bytes] = []
        encode_short_string(pieces, event_type)
        encode_short_string(pieces, APP_ID)
        tail = b"".join((*pieces, _END))
        if len(self._tails) < _KEPT:
            self._tails[event_type] = tail
        return tail
