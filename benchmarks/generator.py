"""One generator of ours, from spec to confirm, as the operator runs it; only the cap is raised."""

import asyncio
import os
import random
import sys
from fractions import Fraction

from audit_event_operator.brokers.rabbitmq.brokers import RabbitMQBrokers
from audit_event_operator.brokers.rabbitmq.dial import Dialer
from audit_event_operator.brokers.rabbitmq.places import Places
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import Progress
from audit_event_operator.targets.destination import RabbitMQDestination
from audit_event_operator.targets.hosts import HostPolicy
from audit_event_operator.targets.reference import TargetReference
from audit_event_operator.targets.target import Target
from benchmarks.common import measure, spec, target


class OneTarget:
    def destination(self, namespace: str, spec: GeneratorSpec) -> RabbitMQDestination:
        return RabbitMQDestination.of(namespace, spec)

    async def resolve(self, reference: TargetReference) -> Target:
        return target()


async def main(queue: str, seconds: float) -> None:
    totals, targets = Totals(), OneTarget()
    timing = Timing()
    dialer = Dialer(timing, HostPolicy.of(None, in_pod=False))
    brokers = RabbitMQBrokers(
        targets, dialer, totals=totals, timing=timing, connections=Places(100), rng=random.Random()
    )
    fleet = Fleet(EngineContext(brokers, targets, totals=totals, cap=Fraction(1_000_000)))
    fleet.start()
    fleet.apply(Ref("bench", "bench"), "bench", 1, spec(queue), Progress(), preexisting=False)
    await measure(lambda: totals.published, seconds)
    sys.stdout.flush()
    os._exit(0)  # there is nothing to take leave of


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
