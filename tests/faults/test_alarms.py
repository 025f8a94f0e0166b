"""The broker blocks its publishers: memory and disk alarms, before, during and at the end of a stream."""

import re
import time
from collections.abc import Iterator

import pytest

from support.faults.measurements import Measured
from support.faults.stage import Stage, span
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
def test_a_memory_alarm_costs_no_memory_no_connection_and_no_event(
    stage: Stage, alarming: RabbitMQ, saw: Measured
) -> None:
    stage.start()
    stage.stream("busy", **BUSY)
    with stage.watched():
        stage.wait_published("busy", 3000)
        memory, connects = stage.memory_bytes(), stage.connects()
        alarming.raise_memory_alarm()
        stage.resources.wait_ready("busy", "False", "BrokerBlocked", timeout_seconds=60)
        time.sleep(span(180, 10))  # the alarm itself
        grown = stage.memory_bytes() - memory
        alarming.clear_memory_alarm()
        cleared = time.monotonic()
        stage.wait_published("busy", 1, timeout_seconds=10)
        resumed = time.monotonic() - cleared
        stage.wait_for("busy", "Publishing")
        stage.wait_published("busy", 1000)
        assert stage.connects() == connects, "no reconnect"
        stage.calm()
    assert grown < 20 * MIB
    assert resumed <= 2
    saw(
        f"{span(180, 10):.0f} s of alarm at 1,000/s: memory {grown / MIB:+.1f} MiB, no reconnect, "
        f"resumed after {resumed:.1f} s; {stage.verdict()}"
    )


@pytest.mark.row(8)
def test_an_alarm_that_was_there_first_blocks_from_the_first_publish_on(
    stage: Stage, alarming: RabbitMQ, saw: Measured
) -> None:
    alarming.raise_memory_alarm()
    stage.start()
    stage.stream("busy", until="BrokerBlocked", **BUSY)
    assert stage.value("events_published_total", "busy") == 0
    waiting = stage.value("events_buffered", "busy") + stage.value("events_in_flight", "busy")
    alarming.clear_memory_alarm()
    stage.wait_for("busy", "Publishing")
    stage.calm()
    saw(f"BrokerBlocked with {waiting:.0f} events waiting, then Publishing; {stage.verdict()}")


@pytest.mark.row(9)
@pytest.mark.parametrize("blocked", [True, False], ids=["blocked broker", "healthy broker"])
def test_at_sigterm_every_event_is_accounted_for(
    blocked: bool, stage: Stage, alarming: RabbitMQ, saw: Measured
) -> None:
    operator = stage.start(AEG_SHUTDOWN_DRAIN_SECONDS=str(span(20, 3)))
    stage.stream("busy", **BUSY)
    stage.wait_published("busy", 2000)
    if blocked:
        alarming.raise_memory_alarm()
        stage.wait_for("busy", "BrokerBlocked")
    stopped = operator.stop()
    assert stopped.exit_code == 0
    assert stopped.seconds <= 30
    told = re.search(
        r"Stopped: (\d+) events generated, (\d+) published, (\d+) dropped, 0 in flight, 0 buffered", operator.log
    )
    assert told is not None, operator.process.log_tail()
    generated, published, dropped = map(int, told.groups())
    assert generated == published + dropped
    account = stage.account()
    assert account.ended == generated
    assert len(account.published) == published
    assert set(account.dropped.values()) == ({"shutdown_deadline"} if blocked else set())
    if blocked:
        alarming.clear_memory_alarm()
        time.sleep(1)  # the broker takes in what it had read from the line, and nobody waits for a confirm
    verdict = stage.verdict()
    how = "blocked" if blocked else "healthy"
    saw(f"{how}: exit 0 after {stopped.seconds:.1f} s, {dropped} of {generated} `shutdown_deadline`; {verdict}")


@pytest.mark.row(10)
def test_a_resource_that_is_deleted_during_a_disk_alarm_is_gone_at_once(
    stage: Stage, alarming: RabbitMQ, saw: Measured
) -> None:
    stage.start(AEG_DEPARTED_SERIES_SECONDS="2")
    stage.stream("busy", **BUSY)
    stage.wait_published("busy", 1000)
    alarming.rabbitmqctl("set_disk_free_limit", "900000GB")
    stage.wait_for("busy", "BrokerBlocked")
    generated = stage.value("events_generated_total", "busy")
    began = time.monotonic()
    stage.resources.delete("busy")
    stage.operator.wait_until(
        lambda: stage.operator.status_of(f"/generators/{stage.namespace}/busy") == 404, what="the generator's end"
    )
    ended = time.monotonic() - began
    stage.operator.wait_until(
        lambda: stage.connections() == 1, what="the end of its connection: the operator's own is left"
    )
    stage.operator.wait_until(lambda: stage.account().ended == generated, what="the end of every event")
    assert set(stage.account().dropped.values()) == {"resource_deleted"}
    alarming.rabbitmqctl("set_disk_free_limit", "1MB")
    time.sleep(1)  # the broker takes in what it had read from the line, and nobody waits for a confirm
    assert ended <= 6
    saw(f"gone after {ended:.1f} s, {len(stage.account().dropped)} `resource_deleted`; {stage.verdict()}")
