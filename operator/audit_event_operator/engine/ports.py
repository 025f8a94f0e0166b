"""What the engine needs from outside: destinations, brokers that carry events there, and what is ours to generate.

Brokers implement `Brokers` and `Outlet`; cluster and files implement `Destinations`; whoever competes for the work implements
`Assignment` and `Gate`. The consumer owns the port, so the arrows of the house keep pointing down.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from audit_event_operator.engine.outbox import Note, Outbox
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import GeneratorSpec


class Destination(Protocol):
    """Where a generator's events go. Hashable; equal destinations need no new outlet."""

    @property
    def label(self) -> str:
        """Its name for people."""

    @property
    def broker(self) -> Hashable:
        """What takes its events and those of other destinations; only compared."""

    def same_place(self, other: "Destination") -> bool:
        """Whether events that wait for the one may go to the other; if not, they drain first."""


class Destinations(Protocol):
    """Knows where a resource's events go."""

    def destination(self, namespace: str, spec: GeneratorSpec) -> Destination:
        """The destination of a resource of `namespace`.

        Raises:
            DestinationUnavailable: the resource may not go there, or there is nowhere to go.
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
    """One generator's way to its destination: writes what its outbox holds and reports each outcome to the outbox."""

    @property
    def health(self) -> OutletHealth:
        """How it fares now."""

    def resize(self) -> None:
        """The outbox's window changed."""

    def retry_now(self) -> None:
        """The resource's spec changed: do not wait for the backoff of what only the user can fix."""

    def adopt(self, destination: Destination) -> bool:
        """Write for this destination from now on, if it is the same place but for what goes with each event; whether it does.

        Nothing on its way is affected. False asks for a new outlet.
        """

    def close(self, grace_seconds: float) -> None:
        """Write nothing more. In-flight events may be confirmed for `grace_seconds`, then they end as the outbox says.

        Idempotent; returns at once. The caller closes the outbox first.
        """


class Gate(Protocol):
    """Whether this process may generate and write right now (see the Lease)."""

    def is_open(self) -> bool:
        """Asked before each tick and before each write; must be cheap."""


class Assignment(Protocol):
    """Which resources are this process's to serve."""

    def gate(self, uid: str) -> Gate:
        """The gate of the resource with this UID, or of what belongs to none (an empty UID); it lives as the process does."""


class AlwaysOurs:
    """The assignment of a process that nobody competes with, and the gate of each of its resources."""

    def gate(self, uid: str) -> Gate:
        """An open one."""
        return self

    def is_open(self) -> bool:
        """Always."""
        return True


class OutletOwner(Protocol):
    """The generator, as its outlet sees it."""

    @property
    def namespace(self) -> str:
        """Whose events they are; empty for posts that name no generator."""

    @property
    def name(self) -> str:
        """The name of the resource."""

    @property
    def gate(self) -> Gate:
        """Asked before each write."""

    def outlet_changed(self) -> None:
        """`Outlet.health` changed; cheap, called on the loop."""


class ConnectionState(StrEnum):
    """How a connection to a broker fares, as metrics count it."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    BLOCKED = "blocked"
    FAILING = "failing"


class Brokers(Protocol):
    """Opens outlets; outlets of one place share a connection."""

    def open(self, destination: Destination, outbox: Outbox, owner: OutletOwner) -> Outlet:
        """A new outlet; connecting goes on in the background. Never raises for what only time or the user can fix."""

    def connections(self) -> dict[ConnectionState, int]:
        """Connections by state; a missing state has none."""

    def connect_results(self) -> dict[str, int]:
        """Connection attempts since the start, by result (a small fixed set of words)."""

    async def aclose(self) -> None:
        """Close all connections: gracefully within 2 s, else by aborting the transport."""


class Journal(Protocol):
    """Writes down what became of each single event, which the ledger only counts."""

    def keep(self, ref: Ref) -> Note:
        """What the outbox of this resource calls for every outcome, on the loop; must be cheap."""
