"""The broker blocks its publishers: memory and disk alarms, before, during and at the end of a stream."""

import re
import time
from collections.abc import Iterator

import pytest

from support.faults.harness import span
from support.parts.rabbitmq import RabbitMQ

BUSY = {"interval": "10ms", "eventsPerInterval": 10}  # 1,000/s
MIB = 2**20


@pytest.fixture
def alarming(own_rabbitmq: RabbitMQ) -> Iterator[RabbitMQ]:
    yield own_rabbitmq
    own_rabbitmq.clear_memory_alarm()
    own_rabbitmq.rabbitmqctl("set_disk_free_limit", "1MB")


@pytest.mark.row(7)
@pytest.mark.timeout(600)
def test_a_memory_alarm_costs_no_memory_no_connection_and_no_event(harness, alarming, measured) -> None:
    harness.start()
    harness.stream("busy", **BUSY)
    with harness.watched():
        harness.wait_published("busy", 3000)
        memory, connects = harness.memory_bytes(), harness.connects()
        alarming.raise_memory_alarm()
        harness.resources.wait_ready("busy", "False", "BrokerBlocked", timeout_seconds=60)
        time.sleep(span(180, 10))  # the alarm itself
        grown = harness.memory_bytes() - memory
        alarming.clear_memory_alarm()
        cleared = time.monotonic()
        harness.wait_published("busy", 1, timeout_seconds=10)
        resumed = time.monotonic() - cleared
        harness.wait_for("busy", "Publishing")
        harness.wait_published("busy", 1000)
        assert harness.connects() == connects, "no reconnect"
        harness.settle()
    assert grown < 20 * MIB
    assert resumed <= 2
    measured(
        f"{span(180, 10):.0f} s of alarm at 1,000/s: memory {grown / MIB:+.1f} MiB, no reconnect, "
        f"resumed after {resumed:.1f} s; {harness.check_delivery()}"
    )


@pytest.mark.row(8)
def test_an_alarm_that_was_there_first_blocks_from_the_first_publish_on(harness, alarming, measured) -> None:
    alarming.raise_memory_alarm()
    harness.start()
    harness.stream("busy", until="BrokerBlocked", **BUSY)
    assert harness.value("events_published_total", "busy") == 0
    waiting = harness.value("events_buffered", "busy") + harness.value("events_in_flight", "busy")
    alarming.clear_memory_alarm()
    harness.wait_for("busy", "Publishing")
    harness.settle()
    measured(f"BrokerBlocked with {waiting:.0f} events waiting, then Publishing; {harness.check_delivery()}")


@pytest.mark.row(9)
@pytest.mark.parametrize("blocked", [True, False], ids=["blocked broker", "healthy broker"])
def test_at_sigterm_every_event_is_accounted_for(blocked, harness, alarming, measured) -> None:
    operator = harness.start(AEG_SHUTDOWN_DRAIN_SECONDS=str(span(20, 3)))
    harness.stream("busy", **BUSY)
    harness.wait_published("busy", 2000)
    if blocked:
        alarming.raise_memory_alarm()
        harness.wait_for("busy", "BrokerBlocked")
    stopped = operator.stop()
    assert stopped.exit_code == 0
    assert stopped.seconds <= 30
    told = re.search(
        r"Stopped: (\d+) events generated, (\d+) published, (\d+) dropped, 0 in flight, 0 buffered", operator.log
    )
    assert told is not None, operator.process.log_tail()
    generated, published, dropped = map(int, told.groups())
    assert generated == published + dropped
    account = harness.account()
    assert account.ended == generated
    assert len(account.published) == published
    assert set(account.dropped.values()) == ({"shutdown_deadline"} if blocked else set())
    if blocked:
        alarming.clear_memory_alarm()
        time.sleep(1)  # the broker takes in what it had read from the line, and nobody waits for a confirm
    delivery = harness.check_delivery()
    how = "blocked" if blocked else "healthy"
    measured(f"{how}: exit 0 after {stopped.seconds:.1f} s, {dropped} of {generated} `shutdown_deadline`; {delivery}")


@pytest.mark.row(10)
def test_a_resource_that_is_deleted_during_a_disk_alarm_is_gone_at_once(harness, alarming, measured) -> None:
    harness.start(AEG_DEPARTED_SERIES_SECONDS="2")
    harness.stream("busy", **BUSY)
    harness.wait_published("busy", 1000)
    alarming.rabbitmqctl("set_disk_free_limit", "900000GB")
    harness.wait_for("busy", "BrokerBlocked")
    generated = harness.value("events_generated_total", "busy")
    began = time.monotonic()
    harness.resources.delete("busy")
    harness.operator.wait_until(
        lambda: harness.operator.status_of(f"/generators/{harness.namespace}/busy") == 404, what="the generator's end"
    )
    ended = time.monotonic() - began
    harness.operator.wait_until(
        lambda: harness.connections() == 1, what="the end of its connection: the operator's own is left"
    )
    harness.operator.wait_until(lambda: harness.account().ended == generated, what="the end of every event")
    assert set(harness.account().dropped.values()) == {"resource_deleted"}
    alarming.rabbitmqctl("set_disk_free_limit", "1MB")
    time.sleep(1)  # the broker takes in what it had read from the line, and nobody waits for a confirm
    assert ended <= 6
    measured(
        f"gone after {ended:.1f} s, {len(harness.account().dropped)} `resource_deleted`; {harness.check_delivery()}"
    )
