"""The broker goes away: stopped, killed again and again, its connections closed."""

import time

import pytest

from support.faults.harness import FULL, span
from support.faults.scraper import scrape

BUSY = {"interval": "10ms", "eventsPerInterval": 10}  # 1,000/s


@pytest.mark.row(1)
@pytest.mark.timeout(600)
def test_a_stopped_broker_costs_time_and_nothing_else(harness, own_rabbitmq, measured) -> None:
    harness.start()
    harness.stream("busy", **BUSY)
    harness.stream("calm", harness.queue("calm"), interval="500ms")
    with harness.watched() as scraper:
        harness.wait_published("busy", 1000)
        own_rabbitmq.stop()
        stopped = time.monotonic()
        for name in ("busy", "calm"):
            harness.resources.wait_ready(name, "False", "BrokerUnreachable", timeout_seconds=45)
        noticed = time.monotonic() - stopped
        scraper.look()
        time.sleep(max(0.0, span(300, 8) - noticed))  # the outage itself
        own_rabbitmq.start()
        started = time.monotonic()
        for name in ("busy", "calm"):
            harness.resources.wait_ready(name, "True", "Publishing", timeout_seconds=35)
        back = time.monotonic() - started
        harness.wait_healthy()
        skipped = harness.value("events_skipped_total", "busy")
        harness.settle()
    assert skipped > 0
    assert scraper.health_seen() == [200, 503, 200]
    measured(
        f"False after {noticed:.0f} s, True {back:.0f} s after the start, {skipped:.0f} skipped; {harness.check_delivery()}"
    )


@pytest.mark.row(2)
@pytest.mark.timeout(600)
def test_a_broker_that_is_killed_ten_times_loses_no_published_event(harness, own_rabbitmq, measured) -> None:
    kills, load = (10, 5000) if FULL else (4, 1000)
    harness.start()
    harness.stream("busy", **BUSY)
    with harness.watched():
        for _ in range(kills):
            harness.wait_published("busy", load)
            own_rabbitmq.kill()
            harness.operator.wait_until(
                lambda: harness.operator.status_of("/healthz") == 503, what="the loss to be seen"
            )
            own_rabbitmq.start()
        harness.wait_published("busy", load)
        dropped = scrape(harness.operator).each("events_dropped_total", "busy")
        harness.settle()
    assert dropped == 0
    measured(f"{kills} kills at 1,000/s, at least {load:,} published before each: {harness.check_delivery()}")
