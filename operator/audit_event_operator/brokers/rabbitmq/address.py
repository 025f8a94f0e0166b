"""What to write on the envelope of each event of one resource: the spec's texts, with their tokens filled from the event.

A text is compiled once; a text without tokens of the event costs nothing for each. Knows no bytes and no connection.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, Self

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.targets.destination import RabbitMQDestination

_TOKEN: Final = re.compile(r"\$\{(\w+)\}")
_FIELDS: Final = {
    "event_type": "event_type",
    "severity": "severity",
    "action_result": "action_result",
    "host": "host",
    "user": "user",
}
"""Tokens that each event fills, and the field that it fills them from."""

Text = str | Callable[[AuditEvent], str]
"""One and the same for all events, or made for each."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where one resource's messages go, and with which properties; see `Envelope` of the destination.

    `exchange` is empty for RabbitMQ's default exchange, whose routing keys are names of queues.
    """

    exchange: str
    routing_key: Text
    headers: tuple[tuple[str, Text], ...] = ()
    priority: int | None = None
    expiration_ms: int | None = None

    @classmethod
    def of(cls, destination: RabbitMQDestination, *, namespace: str, name: str) -> Self:
        """The address of a resource's destination; `namespace` and `name` are the resource's."""
        recipient, envelope = destination.recipient, destination.envelope
        headers = tuple((key, compiled(text, namespace, name)) for key, text in envelope.headers)
        if recipient.is_exchange:
            exchange, routing_key = recipient.name, compiled(envelope.routing_key, namespace, name)
        else:
            exchange, routing_key = "", recipient.name
        return cls(exchange, routing_key, headers, envelope.priority, envelope.expiration_ms)

    @classmethod
    def of_queue(cls, queue: str) -> Self:
        """A queue, and nothing on the envelope."""
        return cls("", queue)

    def key_of(self, event: AuditEvent) -> str:
        """The routing key of this event."""
        return self.routing_key if isinstance(self.routing_key, str) else self.routing_key(event)


def compiled(text: str, namespace: str, name: str) -> Text:
    """Fill what is the resource's; what is the event's is left to be filled for each."""
    pieces = _TOKEN.split(text)  # text, token, text, token, …, text
    form, fields = [pieces[0].replace("%", "%%")], []
    for token, after in zip(pieces[1::2], pieces[2::2], strict=True):
        if token in _FIELDS:
            form.append("%s")
            fields.append(AuditEvent._fields.index(_FIELDS[token]))
        else:
            form.append({"namespace": namespace, "name": name}[token].replace("%", "%%"))
        form.append(after.replace("%", "%%"))
    filled = "".join(form)
    if not fields:
        return filled % ()
    select = itemgetter(*fields)
    return lambda event: filled % select(event)
