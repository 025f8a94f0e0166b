"""Producers on a real RabbitMQ, with short pauses, so that tests are about one thing each."""

from collections import Counter
from dataclasses import replace
from typing import Any, Self

from audit_event_operator.brokers.rabbitmq.places import Places
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.ledger import DropReason, Totals
from audit_event_operator.targets.destination import RabbitMQDestination
from audit_event_operator.targets.hosts import HostPolicy
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target, TLSMaterial
from support.doubles.producer import EVERYWHERE, FakeGate, Producer, Targets, destination, rabbitmq_brokers
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
DEFAULT = TargetReference(TargetKind.DEFAULT)


def target_of(broker: Broker, **changed: Any) -> Target:
    found = Target(broker.host, broker.port, broker.vhost, broker.user, broker.password)
    return replace(found, **changed)


def tls_target(broker: Broker, port: int, ca_pem: str | None, **material: Any) -> Target:
    return target_of(broker, port=port, tls=TLSMaterial(ca_pem=ca_pem, **material))


class Producers:
    """The brokers under test, and producers on them; closed at the end of the test."""

    def __init__(
        self,
        answer: Target | Exception,
        *,
        timing: Timing = QUICK,
        allowed: HostPolicy = EVERYWHERE,
        connections: Places | None = None,
    ) -> None:
        self.targets = Targets(answer)
        self.gate = FakeGate()
        self.totals = Totals()
        self.budget = Budget()
        self.opened: list[Producer] = []
        self.brokers = rabbitmq_brokers(
            self.targets, timing, totals=self.totals, allowed=allowed, connections=connections
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for producer in self.opened:
            producer.outbox.close(DropReason.SHUTDOWN_DEADLINE)
            producer.outlet.close(0)
            producer.assert_conserved()
        await self.brokers.aclose()

    def open(self, queue: str, *, window: int = 64, namespace: str = "default", **terms: Any) -> Producer:
        """A producer for `destination(queue, **terms)`."""
        return self.open_to(destination(queue, **terms), window=window, namespace=namespace)

    def open_to(self, where: RabbitMQDestination, *, window: int = 64, namespace: str = "default") -> Producer:
        """A producer for this destination."""
        how = {
            "window": window,
            "gate": self.gate,
            "totals": self.totals,
            "budget": self.budget,
            "namespace": namespace,
        }
        producer = Producer(self.brokers, where, **how)
        self.opened.append(producer)
        return producer

    async def ready(self, queue: str, **how: Any) -> Producer:
        """A producer that may write; see `open`."""
        producer = self.open(queue, **how)
        await producer.ready()
        return producer

    @property
    def attempts(self) -> Counter[Any]:
        return self.totals.attempts
