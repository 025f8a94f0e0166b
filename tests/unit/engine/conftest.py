"""A fleet on a clock that jumps, over brokers that obey."""

import asyncio
from dataclasses import dataclass

import pytest

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.resource.conditions import DestinationUnavailable
from support.doubles.memory_broker import MemoryBrokers, Place


@dataclass
class FakeDestinations:
    """A place for each broker and queue or exchange, unless `refused` says otherwise."""

    refused: DestinationUnavailable | None = None

    def destination(self, namespace, spec):
        if self.refused is not None:
            raise self.refused
        secret = spec.rabbitmq and spec.rabbitmq.secret_ref
        broker = f"{namespace}/{secret.name}" if secret else ""
        exchange, terms = spec.exchange, (spec.delivery, spec.queue_declaration)
        if exchange is None:
            return Place(spec.queue, broker, terms, spec.message.priority)
        return Place(exchange.name, broker, terms, (exchange.routing_key, spec.message.priority))


@pytest.fixture
def brokers():
    return MemoryBrokers()


@pytest.fixture
def destinations():
    return FakeDestinations()


@pytest.fixture
def context(brokers, destinations):
    """The wall clock follows the loop's, so that both jump together."""

    def wall_ns():
        return 1_700_000_000_000_000_000 + int(asyncio.get_running_loop().time() * 1e9)

    return EngineContext(brokers=brokers, destinations=destinations, wall_ns=wall_ns)
