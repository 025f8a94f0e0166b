"""A generator as its outlet sees it, and what an outlet needs beside it: events, a gate, a destination, a target."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterable

from audit_event_operator.brokers.rabbitmq.brokers import RabbitMQBrokers
from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.brokers.rabbitmq.dial import Dialer
from audit_event_operator.brokers.rabbitmq.places import Places
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.ledger import Ledger, Totals
from audit_event_operator.engine.outbox import Note, Outbox
from audit_event_operator.engine.ports import Brokers, Destination, Outlet, OutletHealth
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery, QueueType
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.targets.destination import Envelope, RabbitMQDestination, Recipient
from audit_event_operator.targets.hosts import HostPolicy
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target
from support.doubles.events import make_event

SECRET = TargetReference(TargetKind.SECRET, "team-a", "broker")
EVERYWHERE = HostPolicy.of(None, in_pod=False)

PLAIN = Envelope()

_numbers = itertools.count(1)


def event(text: str = "", *, event_type: str = "user_login") -> AuditEvent:
    """An event that no other test has."""
    number = next(_numbers)
    return make_event(f"event-{number}", f"{number}{text}".encode(), event_type=event_type)


def events(count: int) -> list[AuditEvent]:
    return [event() for _ in range(count)]


def destination(
    queue: str, *, mode=DeclarationMode.CREATE_IF_MISSING, queue_type=QueueType.CLASSIC, delivery=Delivery.AT_LEAST_ONCE,
    reference=SECRET, envelope=PLAIN,
) -> RabbitMQDestination:  # fmt: skip
    return RabbitMQDestination(reference, Recipient(queue), mode, queue_type, delivery, envelope)


def exchange(
    name: str, routing_key: str = "", *, delivery=Delivery.AT_LEAST_ONCE, reference=SECRET, **envelope: object
) -> RabbitMQDestination:
    """An exchange in place of a queue."""
    recipient, how = Recipient(name, is_exchange=True), (DeclarationMode.CREATE_IF_MISSING, QueueType.CLASSIC)
    return RabbitMQDestination(reference, recipient, *how, delivery, Envelope(routing_key, **envelope))


def rabbitmq_brokers(
    targets: "Targets",
    timing: Timing,
    *,
    totals=None,
    allowed=EVERYWHERE,
    connect=GatheringConnection,
    connections=None,
) -> RabbitMQBrokers:
    """The brokers under test; their jitter is the same each time."""
    dialer = Dialer(timing, allowed, connect)
    return RabbitMQBrokers(
        targets, dialer, totals=totals or Totals(), timing=timing, connections=connections or Places(1_000),
        rng=random.Random(7),
    )  # fmt: skip


class Targets:
    """Gives the answer that a test sets, and counts the questions."""

    def __init__(self, answer: Target | Exception) -> None:
        self.answer = answer
        self.asked = 0

    async def resolve(self, reference: TargetReference) -> Target:
        self.asked += 1
        if isinstance(self.answer, DestinationUnavailable):
            raise DestinationUnavailable(self.answer.reason, self.answer.message)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class FakeGate:
    """A gate that a test opens and closes."""

    def __init__(self) -> None:
        self.opened = True

    def is_open(self) -> bool:
        return self.opened


class Producer:
    """One outlet with its outbox, opened at once. `changes` are the healths that it was told of."""

    def __init__(
        self, brokers: Brokers, where: Destination, *, window=64, gate: FakeGate | None = None,
        totals: Totals | None = None, budget: Budget | None = None, note: Note | None = None,
        namespace: str = "default",
    ) -> None:  # fmt: skip
        self.namespace = namespace
        self.name = "producer"
        self.gate = gate or FakeGate()
        self.ledger = Ledger(totals or Totals())
        resend = getattr(where, "delivery", None) is not Delivery.AT_MOST_ONCE
        how = {"window": window, "resend": resend, "wall_ns": time.time_ns, "note": note}
        self.outbox = Outbox(self.ledger, (budget or Budget()).open(namespace, where.broker), **how)
        self.outbox.event_bytes = 1024
        self.changes: list[OutletHealth] = []
        self.outlet: Outlet | None = None
        self._brokers = brokers
        self._where = where
        self._stir = asyncio.Event()
        self.outbox.on_settled = self._stir.set
        self.open()

    def open(self) -> None:
        """An outlet for the same outbox."""
        self.outlet = self._brokers.open(self._where, self.outbox, self)

    def outlet_changed(self) -> None:
        if self.outlet is not None:
            self.changes.append(self.outlet.health)
        self._stir.set()

    @property
    def health(self) -> OutletHealth:
        return self.outlet.health

    def reasons(self) -> set[Reason]:
        """Of all troubles that it was told of."""
        return {health.trouble.reason for health in self.changes if health.trouble is not None}

    async def until(self, condition: Callable[[], object], seconds: float = 20) -> None:
        """Wait for something that follows from a change of health or from a settled event."""
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"not within {seconds} s: {self.health}, {self.describe()}"
            self._stir.clear()
            try:
                await asyncio.wait_for(self._stir.wait(), min(left, 0.2))
            except TimeoutError:
                continue

    async def ready(self, seconds: float = 20) -> None:
        await self.until(lambda: self.health.ready_since is not None, seconds)

    async def published(self, count: int, seconds: float = 20) -> None:
        await self.until(lambda: self.ledger.published >= count, seconds)
        assert self.ledger.published == count

    async def deliver(self, count: int) -> None:
        """So many events more, until all that was put in is published."""
        self.put(events(count))
        await self.published(self.ledger.generated)

    async def trouble(self, reason: Reason, seconds: float = 20) -> str:
        await self.until(lambda: self.health.trouble is not None and self.health.trouble.reason is reason, seconds)
        return self.health.trouble.message

    def put(self, made: Iterable[AuditEvent]) -> list[AuditEvent]:
        made = list(made)
        self.outbox.put(made)
        return made

    def describe(self) -> str:
        ledger, outbox = self.ledger, self.outbox
        return (
            f"generated {ledger.generated}, published {ledger.published}, retried {ledger.retried}, dropped {ledger.dropped}, "
            f"buffered {outbox.buffered}, in flight {outbox.in_flight}, attempts {ledger.totals.attempts}"
        )

    def assert_conserved(self) -> None:
        ledger, outbox = self.ledger, self.outbox
        known = ledger.published + ledger.dropped_total + outbox.buffered + outbox.in_flight
        assert ledger.generated == known, self.describe()
