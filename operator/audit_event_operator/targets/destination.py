"""Where the events of one resource go in RabbitMQ: opaque to the engine; only brokers look inside."""

from dataclasses import dataclass
from typing import Self

from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery, QueueType
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.targets.reference import TargetReference


@dataclass(frozen=True, slots=True)
class RabbitMQDestination:
    """Broker, queue, how the queue is declared, and the delivery guarantee."""

    reference: TargetReference
    queue: str
    declaration_mode: DeclarationMode
    queue_type: QueueType
    delivery: Delivery

    @classmethod
    def of(cls, namespace: str, spec: GeneratorSpec) -> Self:
        """The destination of a resource of `namespace`."""
        declaration = spec.queue_declaration
        reference = TargetReference.of(namespace, spec.rabbitmq)
        return cls(reference, spec.queue, declaration.mode, declaration.type, spec.delivery)

    @property
    def label(self) -> str:
        """The queue's name."""
        return self.queue

    @property
    def broker(self) -> TargetReference:
        """The broker."""
        return self.reference

    def same_place(self, other: object) -> bool:
        """Whether a change between the two needs no draining: same broker, same queue."""
        if not isinstance(other, RabbitMQDestination):
            return False
        return (self.reference, self.queue) == (other.reference, other.queue)
