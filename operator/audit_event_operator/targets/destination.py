"""Where the events of one resource go in RabbitMQ: opaque to the engine; only brokers look inside."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery, QueueType
from audit_event_operator.resource.message import arrow
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.targets.reference import TargetReference


class Recipient(NamedTuple):
    """A queue, or an exchange, by name: what RabbitMQ's back-pressure is about, and what is looked up."""

    name: str
    is_exchange: bool = False

    def __str__(self) -> str:
        return f'{"exchange" if self.is_exchange else "queue"} "{self.name}"'


@dataclass(frozen=True, slots=True)
class Envelope:
    """What messages carry beside the event. Texts may hold the tokens of `MESSAGE_TOKENS`.

    `routing_key` is unused where events go to a queue. `expiration_ms`, `priority`: None for a message without them.
    """

    routing_key: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    priority: int | None = None
    expiration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RabbitMQDestination:
    """Broker, queue or exchange, how the queue is declared, the delivery guarantee, and the envelope."""

    reference: TargetReference
    recipient: Recipient
    declaration_mode: DeclarationMode
    queue_type: QueueType
    delivery: Delivery
    envelope: Envelope = Envelope()

    @classmethod
    def of(cls, namespace: str, spec: GeneratorSpec) -> Self:
        """The destination of a resource of `namespace`."""
        declaration, exchange, message = spec.queue_declaration, spec.exchange, spec.message
        return cls(
            TargetReference.of(namespace, spec.rabbitmq),
            Recipient(spec.queue) if exchange is None else Recipient(exchange.name, is_exchange=True),
            declaration.mode,
            declaration.type,
            spec.delivery,
            Envelope(
                "" if exchange is None else exchange.routing_key or "",
                tuple(message.headers.items()),
                message.priority,
                message.expiration_ms,
            ),
        )

    @property
    def label(self) -> str:
        """The queue's name, or exchange and routing key."""
        return (
            arrow(self.recipient.name, self.envelope.routing_key) if self.recipient.is_exchange else self.recipient.name
        )

    @property
    def broker(self) -> TargetReference:
        """The broker."""
        return self.reference

    def same_place(self, other: object) -> bool:
        """Whether a change between the two needs no draining: same broker, same queue or exchange."""
        if not isinstance(other, RabbitMQDestination):
            return False
        return (self.reference, self.recipient) == (other.reference, other.recipient)

    def differs_in_envelope(self, other: "RabbitMQDestination") -> bool:
        """Whether the two have all but the envelope in common."""
        return replace(self, envelope=other.envelope) == other
