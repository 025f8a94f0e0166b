"""Where events go, and with which promise: the delivery, queueDeclaration and rabbitmq parts of a spec.

Must not know what a reference resolves to, or whether it may be used.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from audit_event_operator.resource.fields import DNS_SUBDOMAIN, NO_CONTROL_CHARACTERS, Text
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.rules import Rule

_OBJECT_NAME: Final = Text(
    253,
    DNS_SUBDOMAIN,
    "must be the name of a Kubernetes object: at most 253 lower-case letters, digits, - and ., beginning and ending with a"
    " letter or digit",
)
BROKER_NAME: Final = Text(255, NO_CONTROL_CHARACTERS, "must be 1 to 255 characters without control characters")


def at_most_255_bytes(field: str) -> Rule:
    """Return the rule that a name fits into an AMQP short string."""
    return Rule(
        message=f"{field} must be at most 255 bytes long in UTF-8",
        cel="size(bytes(self)) <= 255",
        holds=lambda name: len(name.encode("utf-8", "surrogatepass")) <= 255,
    )


QueueName = Annotated[
    str,
    BROKER_NAME,
    at_most_255_bytes("queue"),
    Rule(
        message="queue must not begin with amq. because RabbitMQ reserves these names",
        cel="!self.startsWith('amq.')",
        holds=lambda queue: not queue.startswith("amq."),
    ),
]


class Delivery(StrEnum):
    """The promise about each event."""

    AT_LEAST_ONCE = "AtLeastOnce"
    AT_MOST_ONCE = "AtMostOnce"


class DeclarationMode(StrEnum):
    """Whether a missing queue is created."""

    CREATE_IF_MISSING = "CreateIfMissing"
    MUST_EXIST = "MustExist"


class QueueType(StrEnum):
    """The kind of queue that is created."""

    CLASSIC = "Classic"
    QUORUM = "Quorum"
    STREAM = "Stream"


class TLSMode(StrEnum):
    """When the connection is encrypted. The broker's certificate is always verified."""

    AUTO = "Auto"
    VERIFY = "Verify"
    DISABLED = "Disabled"


class QueueDeclaration(SpecModel):
    """How to declare the queue."""

    mode: DeclarationMode = Field(
        default=DeclarationMode.CREATE_IF_MISSING,
        description="CreateIfMissing: an existing queue is used as it is; a missing one is created, durable. MustExist:"
        " the operator never creates the queue; while it is missing, the reason is QueueNotFound.",
    )
    type: QueueType = Field(
        default=QueueType.CLASSIC,
        description="Type of a queue that the operator creates. Classic: durable and without arguments, so that every"
        " consumer that declares it plainly can open it. Quorum: replicated. Stream: a log that keeps events after they were"
        " read; bound its length by a policy. An existing queue is never changed.",
    )


class LocalReference(SpecModel):
    """The name of an object in the namespace of the resource."""

    name: Annotated[str, _OBJECT_NAME] = Field(
        description="Name of the object. It must be in the namespace of this resource."
    )


class TLS(SpecModel):
    """Encryption of the connection."""

    mode: TLSMode = Field(
        default=TLSMode.AUTO,
        description="Auto: TLS if the port is 5671 or the Secret has ca.crt, without falling back to plaintext. Verify:"
        " always TLS. Disabled: never TLS. With TLS, the broker's certificate is always verified, against the Secret's"
        " ca.crt or else the system's authorities. Values other than Auto require secretRef or clusterRef.",
    )


class RabbitMQ(SpecModel):
    """The broker of one resource."""

    secret_ref: LocalReference | None = Field(
        default=None,
        description="Secret with the broker's address and credentials: keys host, port, username, password, vhost,"
        ' ca.crt, tls.crt, tls.key. It must have the label auditflow.jojees.net/broker-credentials: "true". Excludes'
        " clusterRef.",
    )
    cluster_ref: LocalReference | None = Field(
        default=None,
        description="RabbitmqCluster of the RabbitMQ cluster operator. Its default user and CA are used. Excludes"
        " secretRef.",
    )
    vhost: Annotated[str, BROKER_NAME, at_most_255_bytes("vhost")] | None = Field(
        default=None,
        description="Virtual host. If unset, the Secret's, else /. Requires secretRef or clusterRef.",
    )
    tls: TLS = Field(
        default=TLS(), json_schema_extra={"default": {}}, description="Encryption of the connection to the broker."
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="rabbitmq may set secretRef or clusterRef, not both",
            cel="!(has(self.secretRef) && has(self.clusterRef))",
            holds=lambda rabbitmq: rabbitmq.secret_ref is None or rabbitmq.cluster_ref is None,
        ),
        Rule(
            message="vhost requires secretRef or clusterRef; the operator's own broker has a virtual host of its own",
            cel="!has(self.vhost) || has(self.secretRef) || has(self.clusterRef)",
            holds=lambda rabbitmq: rabbitmq.vhost is None or rabbitmq.has_reference,
            field="vhost",
        ),
        Rule(
            message="tls.mode other than Auto requires secretRef or clusterRef; the operator's own broker has a setting"
            " of its own",
            cel="!has(self.tls) || !has(self.tls.mode) || self.tls.mode == 'Auto' || has(self.secretRef) ||"
            " has(self.clusterRef)",
            holds=lambda rabbitmq: rabbitmq.tls.mode is TLSMode.AUTO or rabbitmq.has_reference,
            field="tls",
        ),
    )

    @property
    def has_reference(self) -> bool:
        """Whether the resource names a broker, rather than using the operator's."""
        return self.secret_ref is not None or self.cluster_ref is not None
