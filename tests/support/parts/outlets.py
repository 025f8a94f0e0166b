"""Outlets to a real RabbitMQ as the engine has them, with short pauses: one producer each, and what it sees."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

from audit_event_operator.brokers.rabbitmq.brokers import RabbitMQBrokers
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.ledger import DropReason, Ledger, Totals
from audit_event_operator.engine.outbox import Budget, Outbox
from audit_event_operator.engine.ports import AlwaysOpen, Gate, Outlet, OutletHealth
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.resource.spec import DeclarationMode, Delivery, QueueType
from audit_event_operator.targets.destination import RabbitMQDestination
from audit_event_operator.targets.hosts import HostPolicy
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target, TLSMaterial
from support.doubles.events import make_event
from support.parts.rabbitmq import Broker

QUICK = Timing(
    connect_seconds=5,
    rpc_seconds=5,
    confirm_seconds=20,
    heartbeat_seconds=15,
    backoff_min_seconds=0.05,
    backoff_max_seconds=0.3,
    slow_retry_min_seconds=0.2,
    slow_retry_max_seconds=0.4,
    secret_failing_seconds=0.3,
    secret_connected_seconds=0.3,
)
SECRET = TargetReference(TargetKind.SECRET, "team-a", "broker")
DEFAULT = TargetReference(TargetKind.DEFAULT)

_numbers = itertools.count(1)


def event(text: str = "", *, event_type: str = "user_login") -> AuditEvent:
    """An event that no other test has."""
    number = next(_numbers)
    return make_event(f"event-{number}", f"{number}{text}".encode(), event_type=event_type)


def events(count: int) -> list[AuditEvent]:
    return [event() for _ in range(count)]


def target_of(broker: Broker, **changed: Any) -> Target:
    found = Target(broker.host, broker.port, broker.vhost, broker.user, broker.password)
    return replace(found, **changed)


def destination(
    queue: str,
    *,
    mode: DeclarationMode = DeclarationMode.CREATE_IF_MISSING,
    queue_type: QueueType = QueueType.CLASSIC,
    delivery: Delivery = Delivery.AT_LEAST_ONCE,
    reference: TargetReference = SECRET,
) -> RabbitMQDestination:
    return RabbitMQDestination(reference, queue, mode, queue_type, delivery)


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


@dataclass
class Producer:
    """An outlet with its outbox, and what the engine sees of it."""

    outbox: Outbox
    ledger: Ledger
    changes: list[OutletHealth] = field(default_factory=list)
    settled: int = 0
    outlet: Outlet | None = None
    gate: Gate = field(default_factory=AlwaysOpen)
    _stir: asyncio.Event = field(default_factory=asyncio.Event)

    def outlet_changed(self) -> None:
        if self.outlet is not None:
            self.changes.append(self.outlet.health)
        self._stir.set()

    def on_settled(self) -> None:
        self.settled += 1
        self._stir.set()

    @property
    def health(self) -> OutletHealth:
        assert self.outlet is not None
        return self.outlet.health

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

    async def trouble(self, reason: Reason, seconds: float = 20) -> str:
        await self.until(lambda: self.health.trouble is not None and self.health.trouble.reason is reason, seconds)
        assert self.health.trouble is not None
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


class Producers:
    """The brokers under test, and the producers that use them; closed at the end of the test."""

    def __init__(
        self,
        answer: Target | Exception,
        *,
        timing: Timing = QUICK,
        allowed: HostPolicy | None = None,
    ) -> None:
        self.targets = Targets(answer)
        self.gate = FakeGate()
        self.totals = Totals()
        self.budget = Budget()
        self.opened: list[Producer] = []
        self.brokers = RabbitMQBrokers(
            self.targets,
            gate=self.gate,
            totals=self.totals,
            timing=timing,
            allowed=allowed or HostPolicy.of(None, in_pod=False),
            rng=random.Random(7),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for producer in self.opened:
            if producer.outlet is not None:
                producer.outbox.close(DropReason.SHUTDOWN_DEADLINE)
                producer.outlet.close(0)
                producer.assert_conserved()
        await self.brokers.aclose()

    def open(
        self,
        queue: str,
        *,
        delivery: Delivery = Delivery.AT_LEAST_ONCE,
        window: int = 64,
        **terms: Any,
    ) -> Producer:
        """An outlet to `destination(queue, delivery=delivery, **terms)`."""
        ledger = Ledger(self.totals)
        resend = delivery is Delivery.AT_LEAST_ONCE
        outbox = Outbox(ledger, self.budget, window=window, resend=resend, wall_ns=time.time_ns)
        producer = Producer(outbox, ledger)
        outbox.on_settled = producer.on_settled
        producer.outlet = self.brokers.open(destination(queue, delivery=delivery, **terms), outbox, producer)
        self.opened.append(producer)
        return producer

    @property
    def attempts(self) -> Counter[Any]:
        return self.totals.attempts


def tls_target(broker: Broker, port: int, ca_pem: str | None, **material: Any) -> Target:
    return target_of(broker, port=port, tls=TLSMaterial(ca_pem=ca_pem, **material))
