"""A fleet on a clock that jumps, over brokers that obey."""

import asyncio
from dataclasses import dataclass, field

import pytest

from audit_event_operator.engine.ledger import Outcome
from audit_event_operator.engine.outbox import Outbox, Parcel
from audit_event_operator.engine.ports import (
    OutletHealth,
    OutletRequest,
    TargetKind,
    TargetReference,
    TargetUnavailable,
)
from audit_event_operator.engine.tools import Tools
from audit_event_operator.resource.conditions import Reason


class FakeOutlet:
    """Writes on the loop turn after it is told to, and answers as its broker says."""

    def __init__(self, brokers: "FakeBrokers", request: OutletRequest, outbox: Outbox, listener) -> None:
        self.brokers, self.request, self.outbox, self.listener = brokers, request, outbox, listener
        self.health = OutletHealth()
        self.written: list[Parcel] = []
        self.in_flight: list[Parcel] = []
        self.retries = 0
        self.closed_after: float | None = None
        outbox.on_put = self.pump

    def set(self, **health) -> None:
        self.health = OutletHealth(**health)
        self.listener.outlet_changed()
        self.pump()

    def ready(self) -> None:
        now = asyncio.get_running_loop().time()
        self.set(ready_since=now, connected=True, broker="broker.test:5672/%2F")

    def resize(self) -> None: ...

    def retry_now(self) -> None:
        self.retries += 1

    def close(self, grace_seconds: float) -> None:
        self.closed_after = grace_seconds
        self.outbox.on_put = None
        if grace_seconds == 0:
            for parcel in self.in_flight:
                self.outbox.fail(parcel, Outcome.UNKNOWN)
            self.in_flight.clear()

    def pump(self) -> None:
        if self.closed_after is not None or self.health.ready_since is None or not self.brokers.taking:
            return
        while self.outbox.writable > 0:
            parcel = self.outbox.take()
            self.written.append(parcel)
            self.in_flight.append(parcel)
        if self.brokers.answering and self.in_flight:
            asyncio.get_running_loop().call_soon(self.answer)

    def answer(self, outcome: Outcome = Outcome.ACK) -> None:
        parcels, self.in_flight = self.in_flight, []
        for parcel in parcels:
            if outcome is Outcome.ACK:
                self.outbox.ack(parcel)
            else:
                self.outbox.fail(parcel, outcome)
        self.outbox.notify_settled()
        self.pump()


@dataclass
class FakeBrokers:
    """Every outlet is ready at once unless `connecting` is off."""

    connecting: bool = True
    taking: bool = True
    answering: bool = True
    outlets: list[FakeOutlet] = field(default_factory=list)

    def open(self, request, outbox, listener) -> FakeOutlet:
        outlet = FakeOutlet(self, request, outbox, listener)
        self.outlets.append(outlet)
        if self.connecting:
            asyncio.get_running_loop().call_soon(outlet.ready)
        return outlet

    def connections(self) -> dict[str, int]:
        return {}

    def connect_results(self) -> dict[str, int]:
        return {}

    async def aclose(self) -> None: ...


@dataclass
class FakeTargets:
    """The default broker, unless `refused` says otherwise."""

    refused: TargetUnavailable | None = None

    def reference(self, namespace, rabbitmq) -> TargetReference:
        if self.refused is not None:
            raise self.refused
        if rabbitmq is not None and rabbitmq.secret_ref is not None:
            return TargetReference(TargetKind.SECRET, namespace, rabbitmq.secret_ref.name)
        return TargetReference(TargetKind.DEFAULT)

    async def resolve(self, reference):
        raise TargetUnavailable(Reason.NO_BROKER, "nowhere")


@pytest.fixture
def brokers() -> FakeBrokers:
    return FakeBrokers()


@pytest.fixture
def targets() -> FakeTargets:
    return FakeTargets()


@pytest.fixture
def tools(brokers, targets) -> Tools:
    """The wall clock follows the loop's, so that both jump together."""

    def wall_ns() -> int:
        return 1_700_000_000_000_000_000 + int(asyncio.get_running_loop().time() * 1e9)

    return Tools(brokers=brokers, targets=targets, wall_ns=wall_ns)
