"""The broker goes away: stopped, killed again and again, its connections closed."""

import time

import pytest

from support.faults.measurements import Measured
from support.faults.stage import FULL, Stage, span
from support.faults.witness import scrape
from support.parts.rabbitmq import RabbitMQ

BUSY = {"interval": "10ms", "eventsPerInterval": 10}  # 1,000/s


@pytest.mark.row(1)
@pytest.mark.timeout(600)
def test_a_stopped_broker_costs_time_and_nothing_else(stage: Stage, own_rabbitmq: RabbitMQ, saw: Measured) -> None:
    stage.start()
    stage.stream("busy", **BUSY)
    stage.stream("calm", stage.queue("calm"), interval="500ms")
    with stage.watched() as witness:
        stage.wait_published("busy", 1000)
        own_rabbitmq.stop()
        stopped = time.monotonic()
        for name in ("busy", "calm"):
            stage.resources.wait_ready(name, "False", "BrokerUnreachable", timeout_seconds=45)
        noticed = time.monotonic() - stopped
        time.sleep(max(0.0, span(300, 8) - noticed))  # the outage itself
        own_rabbitmq.start()
        started = time.monotonic()
        for name in ("busy", "calm"):
            stage.resources.wait_ready(name, "True", "Publishing", timeout_seconds=35)
        back = time.monotonic() - started
        stage.operator.wait_until(
            lambda: stage.operator.status_of("/healthz") == 200, timeout_seconds=60, what="/healthz to recover"
        )
        skipped = stage.value("events_skipped_total", "busy")
        stage.calm()
    assert skipped > 0
    assert witness.health_seen() == [200, 503, 200]
    saw(f"False after {noticed:.0f} s, True {back:.0f} s after the start, {skipped:.0f} skipped; {stage.verdict()}")


@pytest.mark.row(2)
@pytest.mark.timeout(600)
def test_a_broker_that_is_killed_ten_times_loses_no_published_event(
    stage: Stage, own_rabbitmq: RabbitMQ, saw: Measured
) -> None:
    kills, load = (10, 5000) if FULL else (4, 1000)
    stage.start()
    stage.stream("busy", **BUSY)
    with stage.watched():
        for _ in range(kills):
            stage.wait_published("busy", load)
            own_rabbitmq.kill()
            stage.operator.wait_until(lambda: stage.operator.status_of("/healthz") == 503, what="the loss to be seen")
            own_rabbitmq.start()
        stage.wait_published("busy", load)
        dropped = scrape(stage.operator).each("events_dropped_total", "busy")
        stage.calm()
    assert dropped == 0
    saw(f"{kills} kills at 1,000/s, at least {load:,} published before each: {stage.verdict()}")
