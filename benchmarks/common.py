"""What both sides of the comparison share: the broker, the spec, and how a run is measured."""

import asyncio
import json
import os
import time
from collections.abc import Callable

from audit_event_operator.resource.spec import GeneratorSpec, parse_spec
from audit_event_operator.targets.target import Target

WARM_UP_SECONDS = 1.0


def target() -> Target:
    host, port, vhost, user, password = json.loads(os.environ["BENCH_BROKER"])
    return Target(host, port, vhost, user, password)


def spec(queue: str) -> GeneratorSpec:
    """More than any broker takes, so that it is the broker or we that set the pace."""
    activity = os.environ.get("BENCH_ACTIVITY", "Independent")
    return parse_spec(
        {"queue": queue, "interval": "100ms", "eventsPerInterval": 10_000, "randomSeed": 1, "activity": activity}
    )


async def measure(confirmed: Callable[[], int], seconds: float) -> None:
    """Print confirmed events per second and CPU microseconds per event, as JSON."""
    deadline = time.monotonic() + 30
    while not confirmed():
        assert time.monotonic() < deadline, "nothing was confirmed"
        await asyncio.sleep(0.01)
    await asyncio.sleep(WARM_UP_SECONDS)
    count, clock, cpu = confirmed(), time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    count = confirmed() - count
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    print(json.dumps({"rate": count / clock, "cpu": cpu / max(1, count) * 1e6}))
