"""Where events go and with which promise: the delivery, queueDeclaration and rabbitmq parts of a spec.

Only the user's words; what a reference resolves to, and whether it may be used, is decided elsewhere.
"""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from audit_event_operator.resource.fields import DNS_SUBDOMAIN, NO_CONTROL_CHARACTERS, Text
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.rules import Rule


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


class TLSMode(StrEnum):
    """When the connection is encrypted. A certificate, once asked for, is always verified."""

    AUTO = "Auto"
    VERIFY = "Verify"
    DISABLED = "Disabled"


class QueueDeclaration(SpecModel):
    """What to do about the queue."""

    mode: DeclarationMode = Field(
        default=DeclarationMode.CREATE_IF_MISSING,
        description="CreateIfMissing: a queue that exists is used as it is, a missing one is created, durable."
        " MustExist: a missing queue is never created; the resource says QueueNotFound until somebody else creates it.",
    )
    type: QueueType = Field(
        default=QueueType.CLASSIC,
        description="The type of a queue that is created. Classic: a durable queue without any argument, which every"
        " consumer that declares it plainly can open. Quorum: replicated. An existing queue is never changed.",
    )


class LocalReference(SpecModel):
    """The name of an object in the namespace of the resource."""

    name: Annotated[
        str,
        Text(
            253,
            DNS_SUBDOMAIN,
            "must be the name of a Kubernetes object: at most 253 lower-case letters, digits, - and ., beginning and"
            " ending with a letter or digit",
        ),
    ] = Field(description="Name of the object, which must be in the namespace of this resource.")


class TLS(SpecModel):
    """Encryption of the connection."""

    mode: TLSMode = Field(
        default=TLSMode.AUTO,
        description="Auto: TLS when the port is 5671 or the Secret holds ca.crt, and then never in plain text. Verify:"
        " always TLS. Disabled: never TLS. With TLS the broker's certificate is always verified, against ca.crt of the"
        " Secret or else the system's authorities. Needs secretRef or clusterRef when it is not Auto.",
    )


class RabbitMQ(SpecModel):
    """The broker of one resource."""

    secret_ref: LocalReference | None = Field(
        default=None,
        description="Secret with the address and credentials of the broker: keys host, port, username, password,"
        " vhost, ca.crt,"
        ' tls.crt, tls.key. It must carry the label auditflow.jojees.net/broker-credentials: "true". Excludes'
        " clusterRef.",
    )
    cluster_ref: LocalReference | None = Field(
        default=None,
        description="RabbitmqCluster of the RabbitMQ cluster operator, whose default user and CA are used. Excludes"
        " secretRef.",
    )
    vhost: (
        Annotated[
            str,
            Text(255, NO_CONTROL_CHARACTERS, "must be 1 to 255 characters without control characters"),
            Rule(
                message="vhost must be at most 255 bytes long in UTF-8",
                cel="size(bytes(self)) <= 255",
                holds=lambda vhost: len(vhost.encode("utf-8", "surrogatepass")) <= 255,
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Virtual host; when left out, the one in the Secret, else /. Needs secretRef or clusterRef.",
    )
    tls: TLS = Field(
        default=TLS(), json_schema_extra={"default": {}}, description="Encryption of the connection to the broker."
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="rabbitmq may have secretRef or clusterRef, not both",
            cel="!(has(self.secretRef) && has(self.clusterRef))",
            holds=lambda rabbitmq: rabbitmq.secret_ref is None or rabbitmq.cluster_ref is None,
        ),
        Rule(
            message="vhost needs secretRef or clusterRef; without them the operator's own broker and virtual host are"
            " used",
            cel="!has(self.vhost) || has(self.secretRef) || has(self.clusterRef)",
            holds=lambda rabbitmq: rabbitmq.vhost is None or rabbitmq.has_reference,
            field="vhost",
        ),
        Rule(
            message="tls.mode other than Auto needs secretRef or clusterRef; the operator's own broker has its own"
            " setting",
            cel="!has(self.tls) || !has(self.tls.mode) || self.tls.mode == 'Auto' || has(self.secretRef) ||"
            " has(self.clusterRef)",
            holds=lambda rabbitmq: rabbitmq.tls.mode is TLSMode.AUTO or rabbitmq.has_reference,
            field="tls",
        ),
    )

    @property
    def has_reference(self) -> bool:
        """Whether the broker is the resource's own choice, and not the operator's."""
        return self.secret_ref is not None or self.cluster_ref is not None
