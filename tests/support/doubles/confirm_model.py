"""What must become of each event, learnt from the bytes written and the answers played, never from the code under test.

One state per event: posted (not yet generated), buffered, in flight, published, dropped, withdrawn.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from audit_event_operator.engine.budget import PARCEL_OVERHEAD_BYTES, Budget
from audit_event_operator.engine.ledger import DropReason, Outcome
from audit_event_operator.engine.outbox import Parcel
from support.doubles.amqp_peer import Published
from support.doubles.producer import Producer


class ModelOutlet(Producer):
    """An outlet, and what its ledger must say."""

    def __init__(self, *opened: Any, **how: Any) -> None:
        self.closed_for: DropReason | None = None
        self.deadline: float | None = None
        self.run = self.run_published = self.retried = self.nacks = self.last_first = 0
        self.unencodable_runs: list[int] = []
        super().__init__(*opened, **how)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(f"an outlet {'closed for ' + self.closed_for if self.closed_for else 'in use'}")


@dataclass(eq=False)
class ModelConnection:
    """One connection."""

    blocked: bool = False
    over: bool = False
    closing: bool | None = None
    """Closed by the broker in the piece of input that is being read: hard or not."""
    returned: set[str] = field(default_factory=set)

    def block(self, blocked: bool) -> None:
        self.blocked = blocked

    def close(self, hard: bool) -> None:
        """It ends after this piece of input; what the broker says in it still counts."""
        self.closing = hard if self.closing is None else self.closing


@dataclass(eq=False)
class ModelEvent:
    """One event."""

    identity: str
    outlet: ModelOutlet
    run: int
    bytes: int
    state: str = "buffered"
    attempts: int = 0
    connection: ModelConnection | None = None
    tag: int = 0
    sole_closes: int = 0
    parcel: Parcel | None = None
    waiter: "asyncio.Future[bool] | None" = None
    expected: bool | None = None
    """What the waiter is told; None while it waits."""

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(f"{self.identity} ({self.state}, tag {self.tag})")

    def tell(self, answer: bool) -> None:
        if self.expected is None:
            self.expected = answer


class Model:
    """All events, and the attempts at them."""

    def __init__(self) -> None:
        self.events: dict[str, ModelEvent] = {}
        self.attempts: Counter[Outcome] = Counter()

    def of(self, outlet: ModelOutlet, *states: str) -> list[ModelEvent]:
        return [each for each in self.events.values() if each.outlet is outlet and each.state in states]

    def in_flight(self, connection: ModelConnection) -> list[ModelEvent]:
        flying = (each for each in self.events.values() if each.state == "in flight" and each.connection is connection)
        return sorted(flying, key=lambda each: each.tag)

    def about(self, connection: ModelConnection, tag: int, *, multiple: bool) -> list[ModelEvent]:
        """The events that an answer is about, by the rules of AMQP."""
        flying = self.in_flight(connection)
        return [each for each in flying if each.tag == tag or (multiple and (each.tag <= tag or tag == 0))]

    # -- what happens ------------------------------------------------------------------------------------------------------

    def written(self, connection: ModelConnection, message: Published) -> None:
        event = self.events[message.message_id]
        outlet = event.outlet
        assert event.state in {"posted", "buffered"}, f"{event.identity} is written while it is {event.state}"
        assert outlet.gate.opened, "written while the gate was closed"
        assert not connection.blocked, "written while the broker had blocked the connection"
        assert not connection.over, "written to a connection that is gone"
        assert outlet.closed_for is None, "written after the outbox was closed"
        event.attempts += 1
        assert message.attempt == event.attempts
        number = int(event.identity.removeprefix("id-"))
        if event.attempts > 1:
            outlet.retried += 1
        elif event.state == "buffered":
            assert number > outlet.last_first, "first attempts are made in the order of generation"
            outlet.last_first = number
        event.state, event.connection, event.tag = "in flight", connection, message.tag

    def failed(self, event: ModelEvent, outcome: Outcome) -> None:
        self.attempts[outcome] += 1
        event.outlet.nacks += outcome is Outcome.NACK
        event.tell(False)
        event.state = "buffered" if event.outlet.outbox.resend and event.outlet.closed_for is None else "dropped"

    def answered(self, connection: ModelConnection, tag: int, *, multiple: bool = False, ack: bool = True) -> None:
        for event in [] if connection.over else self.about(connection, tag, multiple=multiple):
            if ack and event.identity not in connection.returned:
                self.attempts[Outcome.ACK] += 1
                event.outlet.nacks = event.sole_closes = 0
                event.outlet.run_published += event.run == event.outlet.run
                event.state = "published"
                event.tell(True)
            else:
                self.failed(event, Outcome.RETURNED if ack else Outcome.NACK)
            connection.returned.discard(event.identity)

    def came_back(self, connection: ModelConnection, event: ModelEvent) -> None:
        if event in self.in_flight(connection) and not connection.over:
            connection.returned.add(event.identity)

    def ended(self, connection: ModelConnection, *, hard: bool = False) -> list[ModelEvent]:
        """Nothing of this connection counts from now on; returns what was in flight alone on a hard close."""
        if connection.over:
            return []
        connection.over = True
        flying = self.in_flight(connection)
        for event in flying:
            self.failed(event, Outcome.UNKNOWN)
        return flying if hard and len(flying) == 1 else []

    def closed_upon(self, event: ModelEvent, rejections: int) -> None:
        """Only an event that was in flight alone at two hard closes may be given up."""
        event.sole_closes += 1
        assert rejections in {0, 1}
        if rejections:
            assert event.sole_closes >= 2
            self.attempts[Outcome.UNKNOWN] -= 1  # its last attempt is counted as the drop that it is
            event.state = "dropped"

    def closed(self, outlet: ModelOutlet, reason: DropReason, deadline: float) -> None:
        outlet.closed_for, outlet.deadline = reason, deadline
        for event in self.of(outlet, "posted", "buffered"):
            event.tell(False)
            event.state = "withdrawn" if event.state == "posted" else "dropped"

    def grace_is_over(self, outlet: ModelOutlet) -> None:
        for event in self.of(outlet, "in flight"):
            self.failed(event, Outcome.UNKNOWN)

    # -- what must hold ----------------------------------------------------------------------------------------------------

    def check_ledger(self, outlet: ModelOutlet) -> None:
        states = Counter(each.state for each in self.events.values() if each.outlet is outlet)
        outbox, ledger, bad = outlet.outbox, outlet.ledger, len(outlet.unencodable_runs)
        unencodable = ledger.dropped[DropReason.ENCODE_ERROR]
        ends = outlet.closed_for is not None
        outlet.assert_conserved()
        assert ledger.generated == sum(states.values()) - states["posted"] - states["withdrawn"] + bad
        assert ledger.published == states["published"]
        assert ledger.dropped_total == states["dropped"] + (bad if ends else unencodable)
        assert outbox.buffered == states["buffered"] + (0 if ends else bad - unencodable)
        assert outbox.in_flight == states["in flight"]
        assert ledger.run_published == outlet.run_published
        assert ledger.retried == outlet.retried
        assert outbox.consecutive_nacks == outlet.nacks
        pending = sum(each.run == outlet.run for each in self.of(outlet, "buffered", "in flight"))
        left = [] if ends else outlet.unencodable_runs[unencodable:]
        assert outbox.run_pending == pending + left.count(outlet.run)

    def check_budget(self, budget: Budget, live: list[ModelOutlet]) -> None:
        held = sum(each.bytes for each in self.events.values() if each.state in {"posted", "buffered", "in flight"})
        bad = sum(len(each.unencodable_runs) - each.ledger.dropped[DropReason.ENCODE_ERROR] for each in live)
        assert budget.used_bytes == held + bad * PARCEL_OVERHEAD_BYTES

    def check_waiters(self) -> None:
        for event in self.events.values():
            if event.waiter is not None and not event.waiter.cancelled():
                assert (event.waiter.result() if event.waiter.done() else None) == event.expected, event
