"""The line between operator and broker: cut one way, silent, crawling, and the operator itself stopped for a while."""

import time
from collections.abc import Iterator

import pytest

from support.faults.measurements import Measured
from support.faults.stage import FULL, Stage, span
from support.parts.line import Line
from support.parts.rabbitmq import RabbitMQ

HEARTBEAT_SECONDS = 15 if FULL else 3
STEADY = {"interval": "20ms", "eventsPerInterval": 2}  # 100/s


@pytest.fixture
def line(own_rabbitmq: RabbitMQ) -> Iterator[Line]:
    with Line(own_rabbitmq.host, own_rabbitmq.port) as line:
        yield line


@pytest.mark.row(4)
def test_confirms_that_are_lost_make_copies_under_the_same_id(stage: Stage, line: Line, saw: Measured) -> None:
    stage.start(RABBITMQ_PORT=str(line.port))
    stage.stream("steady", **STEADY)
    with stage.watched():
        for _ in range(3):
            stage.wait_published("steady", 50)
            line.to_near = False
            floor = stage.broker.queue_depth(stage.queue())
            stage.operator.wait_until(
                lambda floor=floor: stage.broker.queue_depth(stage.queue()) >= floor + 50, what="what nobody confirms"
            )
            line.cut()
            line.to_near = True
        stage.wait_published("steady", 50)
        stage.calm()
    verdict = stage.verdict()
    assert verdict.copies > 0
    assert verdict.uncounted == 0, "all of it was sent again, and counts once"
    saw(verdict)


@pytest.mark.row(5)
@pytest.mark.timeout(300)
def test_a_silent_line_is_noticed_by_heartbeats(stage: Stage, line: Line, saw: Measured) -> None:
    stage.start(RABBITMQ_PORT=str(line.port), AEG_HEARTBEAT_SECONDS=str(HEARTBEAT_SECONDS))
    stage.stream("steady", **STEADY)
    with stage.watched():
        stage.wait_published("steady", 100)
        line.silence()
        began = time.monotonic()
        stage.operator.wait_until(
            lambda: stage.operator.status_of("/healthz") == 503,
            timeout_seconds=2 * (HEARTBEAT_SECONDS + 5) + 5,
            what="the silence to be noticed",
        )
        noticed = time.monotonic() - began
        stage.resources.wait_ready("steady", "False", "BrokerUnreachable", timeout_seconds=60)
        line.speak()
        stage.wait_for("steady", "Publishing")
        stage.wait_published("steady", 50)
        stage.calm()
    saw(f"noticed after {noticed:.0f} s at a heartbeat of {HEARTBEAT_SECONDS} s; {stage.verdict()}")


@pytest.mark.row(6)
@pytest.mark.timeout(300)
def test_a_crawling_line_is_back_pressure_for_its_stream_alone(stage: Stage, line: Line, saw: Measured) -> None:
    operator = stage.start(RABBITMQ_PORT=str(line.port))
    secret = stage.broker.secret("direct", stage.namespace)
    assert stage.plane.request("POST", f"/api/v1/namespaces/{stage.namespace}/secrets", secret).status == 201
    stage.stream("crawling", **STEADY)
    stage.stream("free", stage.queue("free"), **STEADY, rabbitmq={"secretRef": {"name": "direct"}})
    with stage.watched():
        line.bytes_per_second = 2048
        stage.wait_for("crawling", "Backpressure", timeout_seconds=120)
        before, at, memory = stage.value("events_published_total", "free"), time.monotonic(), stage.memory_bytes()
        time.sleep(span(60, 6))  # how fast the other one is meanwhile
        rate = (stage.value("events_published_total", "free") - before) / (time.monotonic() - at)
        grown = stage.memory_bytes() - memory
        slow = stage.value("events_skipped_total", "crawling")
        line.bytes_per_second = None
        stage.wait_for("crawling", "Publishing")
        stage.calm()
    assert rate == pytest.approx(100, rel=0.05 if FULL else 0.1)
    assert slow > 0
    assert grown < 20 * 1024 * 1024
    assert operator.running
    saw(
        f"the other stream at {rate:.1f}/s of 100/s, {slow:.0f} skipped, memory +{grown / 2**20:.1f} MiB; {stage.verdict()}"
    )


@pytest.mark.row(43)
@pytest.mark.timeout(300)
def test_a_process_that_was_stopped_goes_on_without_a_burst(stage: Stage, saw: Measured) -> None:
    operator = stage.start(AEG_LEASE_DURATION_SECONDS="8", AEG_LEASE_RENEW_SECONDS="5", AEG_LEASE_RETRY_SECONDS="1")
    stage.stream("steady", **STEADY)
    stage.wait_published("steady", 100)
    operator.pause()
    time.sleep(span(120, 12))  # longer than Lease and heartbeats
    operator.resume()
    after = stage.value("events_generated_total", "steady")
    began = time.monotonic()
    stage.wait_for("steady", "Publishing")
    stage.wait_published("steady", 100)
    generated = stage.value("events_generated_total", "steady") - after
    took = time.monotonic() - began
    assert generated <= 100 * took + 100, "what was missed is skipped, not made up for"
    assert stage.value("events_skipped_total", "steady") > 0
    stage.calm()
    saw(f"stopped {span(120, 12):.0f} s, then {generated / took:.0f}/s of 100/s; {stage.verdict()}")
