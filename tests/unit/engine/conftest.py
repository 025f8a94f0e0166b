"""A fleet on a clock that jumps, over brokers that obey."""

import asyncio
from dataclasses import dataclass

import pytest

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.ports import TargetKind, TargetReference, TargetUnavailable
from audit_event_operator.resource.conditions import Reason
from support.doubles.memory_broker import MemoryBrokers


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
def brokers() -> MemoryBrokers:
    return MemoryBrokers()


@pytest.fixture
def targets() -> FakeTargets:
    return FakeTargets()


@pytest.fixture
def context(brokers, targets) -> EngineContext:
    """The wall clock follows the loop's, so that both jump together."""

    def wall_ns() -> int:
        return 1_700_000_000_000_000_000 + int(asyncio.get_running_loop().time() * 1e9)

    return EngineContext(brokers=brokers, targets=targets, wall_ns=wall_ns)
