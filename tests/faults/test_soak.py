"""Random faults, one after the other, for as long as AEG_SOAK_SECONDS says (`make soak`): the rules hold, nothing grows.

AEG_SOAK_SEED repeats the order of an earlier run.
"""

import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import pytest

from faults.test_many import lag_p99_seconds
from support.faults.harness import FULL
from support.parts.tcp_proxy import TcpProxy

SECONDS = float(os.environ.get("AEG_SOAK_SECONDS", "600" if FULL else "45"))
SEED = int(os.environ.get("AEG_SOAK_SEED", str(random.randrange(10**6))))
STEADY = {"interval": "10ms", "eventsPerInterval": 5}  # 500/s


class Sample(NamedTuple):
    at: float
    memory_mib: float


def slope_per_hour(samples: list[Sample]) -> float:
    """MiB per hour, by least squares over the second half: the first one warms up."""
    later = samples[len(samples) // 2 :]
    slope, _ = statistics.linear_regression([each.at for each in later], [each.memory_mib for each in later])
    return slope * 3600


@pytest.mark.row(47)
@pytest.mark.row(3)
@pytest.mark.timeout(SECONDS * 2 + 240)
def test_whatever_happens_in_whatever_order_the_rules_hold(harness, own_rabbitmq, measured) -> None:
    rng = random.Random(SEED)
    with TcpProxy(own_rabbitmq.host, own_rabbitmq.port) as proxy:
        harness.start(RABBITMQ_PORT=str(proxy.port))
        harness.stream("one", **STEADY)
        harness.stream("two", harness.queue("second"), **STEADY)

        def close() -> None:
            own_rabbitmq.close_all_connections()

        def kill() -> None:
            own_rabbitmq.kill()
            time.sleep(rng.uniform(0, 3))
            own_rabbitmq.start()

        def alarm() -> None:
            own_rabbitmq.raise_memory_alarm()
            time.sleep(rng.uniform(1, 4))
            own_rabbitmq.clear_memory_alarm()

        def pause() -> None:
            own_rabbitmq.pause()
            time.sleep(rng.uniform(1, 4))
            own_rabbitmq.resume()

        def deafen() -> None:
            proxy.pass_downstream = False
            time.sleep(rng.uniform(0.5, 2))
            proxy.cut()
            proxy.pass_downstream = True

        def crawl() -> None:
            proxy.bytes_per_second = 4096
            time.sleep(rng.uniform(1, 3))
            proxy.bytes_per_second = None

        faults: list[Callable[[], None]] = [close, proxy.cut, deafen, crawl, alarm, pause, kill]
        done: Counter[str] = Counter()
        samples: list[Sample] = []
        with harness.watched() as scraper:
            first, began = harness.operator.metrics_text(), time.monotonic()
            while time.monotonic() - began < SECONDS:
                fault = rng.choice(faults)
                fault()
                done[fault.__name__] += 1
                for name in ("one", "two"):
                    harness.wait_published(name, 100)
                samples.append(Sample(time.monotonic(), harness.memory_bytes() / 2**20))
            lag = lag_p99_seconds(first, harness.operator.metrics_text())
            harness.settle()
        assert scraper.scrapes
    delivery = harness.check_delivery()
    grown = samples[-1].memory_mib - samples[0].memory_mib
    assert grown < 25, samples
    trend = f", {slope_per_hour(samples):+.1f} MiB/h in the second half" if SECONDS >= 600 else ""
    told = ", ".join(f"{count} {name}" for name, count in sorted(done.items()))
    measured(
        f"{SECONDS:.0f} s (seed {SEED}): {told}; memory {grown:+.1f} MiB{trend}, loop lag p99 ≤ {lag * 1000:g} ms; {delivery}"
    )
