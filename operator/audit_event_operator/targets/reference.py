"""What a resource says about its broker, before anything is looked up."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from audit_event_operator.resource.broker_spec import RabbitMQ, TLSMode


class TargetKind(StrEnum):
    """Who knows where the broker is."""

    DEFAULT = "default"
    SECRET = "secret"  # noqa: S105 - a kind, not a secret
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class TargetReference:
    """A resource's broker by name. Equal references share connections.

    `namespace` and `name` are empty for the default target; `virtual_host` None means: the Secret's, else `/`.
    """

    kind: TargetKind
    namespace: str = ""
    name: str = ""
    virtual_host: str | None = None
    tls_mode: TLSMode = TLSMode.AUTO

    @classmethod
    def of(cls, namespace: str, rabbitmq: RabbitMQ | None) -> Self:
        """The broker of a resource of `namespace`, never one of another namespace."""
        if rabbitmq is not None and rabbitmq.secret_ref is not None:
            return cls(TargetKind.SECRET, namespace, rabbitmq.secret_ref.name, rabbitmq.vhost, rabbitmq.tls.mode)
        if rabbitmq is not None and rabbitmq.cluster_ref is not None:
            return cls(TargetKind.CLUSTER, namespace, rabbitmq.cluster_ref.name, rabbitmq.vhost, rabbitmq.tls.mode)
        return cls(TargetKind.DEFAULT)
