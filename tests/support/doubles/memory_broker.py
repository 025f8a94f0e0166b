"""A broker inside of the process: queues are lists, and every answer can be had by asking for it.

For tests of what stands above brokers. It keeps the contract of the real one (confirms after writing, failed attempts back to
the outbox, nothing written after close), so that a test against it means something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from audit_event_operator.engine.ledger import Outcome
from audit_event_operator.engine.outbox import Outbox, Parcel
from audit_event_operator.engine.ports import ConnectionState, Destination, OutletHealth, OutletOwner, Trouble
from audit_event_operator.events.event import AuditEvent

BROKER: str = "memory:0/%2F"


@dataclass(frozen=True, slots=True)
class Place:
    """A destination of no kind: `terms` is whatever else an outlet would be opened anew for, `envelope` what it adopts."""

    label: str
    broker: str = ""
    terms: Hashable = None
    envelope: Hashable = None

    def same_place(self, other: object) -> bool:
        return isinstance(other, Place) and (self.label, self.broker) == (other.label, other.broker)


class MemoryOutlet:
    """One outlet; tests may set its health and give its answers by hand."""

    def __init__(self, brokers: MemoryBrokers, destination: Destination, outbox: Outbox, owner: OutletOwner) -> None:
        self.destination = destination
        self.outbox = outbox
        self.health = OutletHealth()
        self.in_flight: list[Parcel] = []
        self.written: list[Parcel] = []
        self.closed_after: float | None = None
        self._brokers = brokers
        self._owner = owner
        self._answer_due = False
        outbox.attach(self)

    def ready(self) -> None:
        self.set_health(OutletHealth(ready_since=asyncio.get_running_loop().time(), connected=True, broker=BROKER))

    def trouble(self, trouble: Trouble) -> None:
        self.set_health(replace(self.health, ready_since=None, connected=False, trouble=trouble))

    def set_health(self, health: OutletHealth) -> None:
        if self.closed_after is None:
            self.health = health
            self._owner.outlet_changed()
            self.poke()

    def resize(self) -> None:
        """The window is the outbox's own; there is nothing to do."""

    retry_now = resize

    def adopt(self, destination: Destination) -> bool:
        if (
            not isinstance(self.destination, Place)
            or replace(self.destination, envelope=destination.envelope) != destination
        ):
            return False
        self.destination = destination
        return True

    def close(self, grace_seconds: float) -> None:
        if self.closed_after is not None:
            return
        self.closed_after = grace_seconds
        self.outbox.detach(self)
        if grace_seconds <= 0:
            self.answer(Outcome.UNKNOWN)
        else:
            asyncio.get_running_loop().call_later(grace_seconds, self.answer, Outcome.UNKNOWN)

    def poke(self) -> None:
        if self.closed_after is not None or self.health.ready_since is None or not self._brokers.taking:
            return
        if self.destination.label in self._brokers.deaf:
            return
        while self.outbox.writable > 0:
            self.in_flight.append(self.outbox.take())
            self.written.append(self.in_flight[-1])
        if self.in_flight and self._brokers.answering and not self._answer_due:
            self._answer_due = True
            asyncio.get_running_loop().call_soon(self._answer_as_asked)

    def answer(self, outcome: Outcome = Outcome.ACK) -> None:
        parcels, self.in_flight = self.in_flight, []
        for parcel in parcels:
            if outcome is Outcome.ACK:
                self._brokers.queues.setdefault(self.destination.label, []).append(parcel.event)
                self.outbox.ack(parcel)
            else:
                self.outbox.fail(parcel, outcome)
        if parcels:
            self.outbox.notify_settled()
        self.poke()

    def _answer_as_asked(self) -> None:
        self._answer_due = False
        self.answer()


@dataclass(slots=True)
class MemoryBrokers:
    """Implements `Brokers`.

    `connecting`: new outlets are ready at once. `taking`: the broker reads what is sent. `answering`: it acknowledges.
    `deaf`: labels of destinations from which nothing is read. `queues` holds what was acknowledged, by the destination's label.
    """

    connecting: bool = True
    taking: bool = True
    answering: bool = True
    deaf: set[str] = field(default_factory=set)
    outlets: list[MemoryOutlet] = field(default_factory=list)
    queues: dict[str, list[AuditEvent]] = field(default_factory=dict)

    def open(self, destination: Destination, outbox: Outbox, owner: OutletOwner) -> MemoryOutlet:
        outlet = MemoryOutlet(self, destination, outbox, owner)
        self.outlets.append(outlet)
        if self.connecting:
            asyncio.get_running_loop().call_soon(outlet.ready)
        return outlet

    def connections(self) -> dict[ConnectionState, int]:
        live = [outlet for outlet in self.outlets if outlet.closed_after is None]
        connected = sum(outlet.health.connected for outlet in live)
        return {ConnectionState.CONNECTING: len(live) - connected, ConnectionState.CONNECTED: connected}

    def connect_results(self) -> dict[str, int]:
        return {}

    async def aclose(self) -> None:
        """Nothing is open."""
