"""What the engine needs from outside: brokers that carry events, and somebody who knows where a broker is.

Brokers implement `Brokers` and `Outlet`; cluster and files implement `BrokerTargets`. The consumer owns the port, so the
arrows of the house keep pointing down. Values here carry credentials: their `repr` never shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import DeclarationMode, Delivery, QueueType, RabbitMQ, TLSMode


class TargetKind(StrEnum):
    """Who says where the broker is."""

    DEFAULT = "default"
    SECRET = "secret"  # noqa: S105 - a kind, not a secret
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class TargetReference:
    """A resource's word on its broker, before anything is looked up. Equal references share links.

    `namespace` and `name` are empty for the default target; `virtual_host` None means: what the Secret says, else `/`.
    """

    kind: TargetKind
    namespace: str = ""
    name: str = ""
    virtual_host: str | None = None
    tls_mode: TLSMode = TLSMode.AUTO


@dataclass(frozen=True, slots=True)
class TLSMaterial:
    """What a verified connection needs; PEM texts. `ca_pem` None means the system's authorities."""

    ca_pem: str | None = None
    certificate_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """One broker as one user: everything a connection needs. `tls` None means plain AMQP."""

    host: str
    port: int
    virtual_host: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    tls: TLSMaterial | None = field(default=None, repr=False)


class TargetUnavailable(Exception):  # noqa: N818 - it is an answer, not a fault
    """There is no usable broker for a reference; carries the condition's reason and a sentence for the user."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class BrokerTargets(Protocol):
    """Knows brokers by reference."""

    def reference(self, namespace: str, rabbitmq: RabbitMQ | None) -> TargetReference:
        """What a resource of `namespace` refers to.

        Raises:
            TargetUnavailable: it may not, or there is no default broker (NoBroker).
        """

    async def resolve(self, reference: TargetReference) -> Target:
        """Look the broker up now (Secrets are read again each time; concurrent look-ups of one Secret are one GET).

        Raises:
            TargetUnavailable: SecretNotFound, SecretNotAllowed, SecretInvalid, ClusterNotFound, NoBroker; or Starting, while
                whoever knows cannot be asked and never could.
        """


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an outlet does not deliver, in the words of the condition table; `since` is the loop's clock in seconds."""

    reason: Reason
    message: str
    since: float


@dataclass(frozen=True, slots=True)
class OutletHealth:
    """How an outlet fares, on the loop's clock in seconds.

    `ready_since`: connected and declared since then (None: not now). `connected`: the broker's connection is open.
    `blocked_since`: the broker said connection.blocked. `trouble` stays until a confirm (or a declare, where it was the
    declare that failed) shows that it is over. `broker` is `host:port/vhost` once known, never the user.
    """

    ready_since: float | None = None
    connected: bool = False
    blocked_since: float | None = None
    trouble: Trouble | None = None
    broker: str = ""


class Outlet(Protocol):
    """One generator's way to one queue: writes what its outbox holds and reports each outcome to the outbox."""

    @property
    def health(self) -> OutletHealth:
        """How it fares now."""

    def resize(self) -> None:
        """The outbox's window changed."""

    def retry_now(self) -> None:
        """The resource's spec changed: do not wait for the backoff of what only the user can mend."""

    def close(self, grace_seconds: float) -> None:
        """Write nothing more. In-flight events may be confirmed for `grace_seconds`, then they end as the outbox says.

        Idempotent; returns at once. The caller closes the outbox first.
        """


@dataclass(frozen=True, slots=True)
class OutletRequest:
    """What an outlet shall do: where to, which queue, how it is declared, with which guarantee.

    Two requests that differ in `reference` or `queue` mean another target (drain first); in the rest, the same target.
    """

    reference: TargetReference
    queue: str
    declaration_mode: DeclarationMode
    queue_type: QueueType
    delivery: Delivery


class OutletListener(Protocol):
    """The generator, as its outlet sees it."""

    def outlet_changed(self) -> None:
        """`Outlet.health` changed; cheap, called on the loop."""


class Brokers(Protocol):
    """Opens outlets; outlets of one (reference, queue) share a connection."""

    def open(self, request: OutletRequest, outbox: Outbox, listener: OutletListener) -> Outlet:
        """A new outlet; connecting goes on in the background. Never raises for what only time or the user can mend."""

    def connections(self) -> dict[str, int]:
        """Connections by state: connecting, connected, blocked, failing."""

    def connect_results(self) -> dict[str, int]:
        """Connection attempts since the start, by result (a small fixed set of words)."""

    async def aclose(self) -> None:
        """Close all connections: gracefully within 2 s, else by aborting the transport."""


class AlwaysOpen:
    """The gate of a process that nobody competes with."""

    def is_open(self) -> bool:
        """Always."""
        return True


class Gate(Protocol):
    """Whether this process may generate and write right now (see the Lease)."""

    def is_open(self) -> bool:
        """Asked before each tick and before each write; must be cheap."""
