"""Traffic that changes by itself and by patches, seen in a real queue, in the status and in the metrics."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.parts.consumer import Consumer
from support.parts.controlplane import ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import SERIES, OperatorProcess
from support.waiting import wait_until


@pytest.fixture(scope="module")
def operator(run_operator) -> Iterator[OperatorProcess]:
    """One for all: its counters are written often."""
    with run_operator(AEG_STATUS_COUNTER_SECONDS="1") as running:
        yield running


@pytest.fixture
def generators(operator: OperatorProcess, cluster: ControlPlane, namespace: str) -> Generators:
    return Generators(cluster, namespace)


def stages(*percentages: int, seconds: int = 3_600) -> list[dict[str, Any]]:
    return [{"duration": f"{seconds}s", "targetPercent": each, "transition": "Step"} for each in percentages]


def counted(consumer: Consumer, seconds: float) -> int:
    """The events of the next seconds; one tick more or less may fall into them."""
    began = time.monotonic()
    time.sleep(seconds + 1)  # the window of the measurement, and what is still on its way
    return sum(began <= each.at < began + seconds for each in consumer.arrivals)


def following(generators: Generators, name: str, rate: str) -> Callable[[], bool]:
    return lambda: generators.status(name).get("targetRate") == rate


def test_traffic_patched_live_changes_rate_status_and_metric_and_never_ready(
    generators, operator, consumer, queue
) -> None:
    generators.create("shaped", queue=queue, interval="20ms")
    transition = generators.wait_for("shaped", "Publishing")["lastTransitionTime"]
    started = generators.status("shaped")["startTime"]
    generators.patch("shaped", traffic={"stages": stages(300)})
    wait_until(following(generators, "shaped", "150/s"), what="three times the rate in the status")
    assert operator.metric(f"{SERIES}target_events_per_second", generator="shaped") == 150
    assert counted(consumer, 10) == pytest.approx(1_500, abs=30)
    generators.patch("shaped", traffic={"arrival": "Poisson", "stages": None})
    wait_until(following(generators, "shaped", "50/s"), what="the plain rate")
    assert counted(consumer, 10) == pytest.approx(500, abs=100)
    ready = generators.condition("shaped")
    assert (ready["reason"], ready["lastTransitionTime"]) == ("Publishing", transition)
    assert generators.status("shaped")["startTime"] == started


def test_a_stream_without_events_is_idle_and_a_patch_wakes_it(generators, operator, consumer, queue) -> None:
    generators.create("quiet", queue=queue, interval="100ms", eventsPerInterval=0)
    ready = generators.wait_for("quiet", "Idle")
    assert ready["status"] == "True"
    assert generators.status("quiet")["targetRate"] == "0/s"
    assert operator.metric(f"{SERIES}ready", generator="quiet") == 1
    patched = time.monotonic()
    generators.patch("quiet", eventsPerInterval=3)
    consumer.wait_for(3)
    assert time.monotonic() - patched <= 2
    generators.wait_for("quiet", "Publishing")


def test_a_second_apply_of_traffic_changes_nothing_and_silence_for_long_is_warned_of(generators, queue) -> None:
    traffic = {
        "bursts": [{"every": "1h", "duration": "1m", "multiplierPercent": 5}],
        "stages": [{"duration": "1h", "targetPercent": 0}],
    }
    generators.create("silent", queue=queue, traffic=traffic)
    wait_until(lambda: generators.condition("silent", "ConfigurationWarning"), what="the warning")
    assert generators.condition("silent", "ConfigurationWarning")["reason"] == "AsksForNothing"
    (found,) = [each for each in generators.items() if each["metadata"]["name"] == "silent"]
    shown = found["spec"]["traffic"]
    assert {key: shown[key] for key in traffic} == traffic, "nothing was added to the items of lists"
    assert generators.patch("silent", traffic=traffic)["metadata"]["generation"] == 1


def test_an_unknown_time_zone_is_refused_by_the_operator(generators, queue) -> None:
    generators.create("lost", queue=queue, traffic={"profile": {"timeZone": "Europe/Atlantis"}})
    ready = generators.wait_for("lost", "InvalidSpec")
    assert "timeZone is not a time zone of the IANA database" in ready["message"]
