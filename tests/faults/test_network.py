"""The network between operator and broker: cut one way, silent, crawling; and the operator itself stopped for a while."""

import time
from collections.abc import Iterator

import pytest

from support.faults.harness import FULL, span
from support.parts.rabbitmq import RabbitMQ
from support.parts.tcp_proxy import TcpProxy

HEARTBEAT_SECONDS = 15 if FULL else 3
STEADY = {"interval": "20ms", "eventsPerInterval": 2}  # 100/s


@pytest.fixture
def proxy(own_rabbitmq: RabbitMQ) -> Iterator[TcpProxy]:
    with TcpProxy(own_rabbitmq.host, own_rabbitmq.port) as proxy:
        yield proxy


@pytest.mark.row(4)
def test_confirms_that_are_lost_make_copies_under_the_same_id(harness, proxy, measured) -> None:
    harness.start(RABBITMQ_PORT=str(proxy.port))
    harness.stream("steady", **STEADY)
    with harness.watched():
        for _ in range(3):
            harness.wait_published("steady", 50)
            proxy.pass_downstream = False
            floor = harness.broker.queue_depth(harness.queue())
            harness.operator.wait_until(
                lambda floor=floor: harness.broker.queue_depth(harness.queue()) >= floor + 50,
                what="what nobody confirms",
            )
            proxy.cut()
            proxy.pass_downstream = True
        harness.wait_published("steady", 50)
        harness.settle()
    delivery = harness.check_delivery()
    assert delivery.copies > 0
    assert delivery.uncounted == 0, "all of it was sent again, and counts once"
    measured(delivery)


@pytest.mark.row(5)
@pytest.mark.timeout(300)
def test_a_silent_network_is_noticed_by_heartbeats(harness, proxy, measured) -> None:
    harness.start(RABBITMQ_PORT=str(proxy.port), AEG_HEARTBEAT_SECONDS=str(HEARTBEAT_SECONDS))
    harness.stream("steady", **STEADY)
    with harness.watched():
        harness.wait_published("steady", 100)
        proxy.silence()
        began = time.monotonic()
        harness.operator.wait_until(
            lambda: harness.operator.status_of("/healthz") == 503,
            timeout_seconds=2 * (HEARTBEAT_SECONDS + 5) + 5,
            what="the silence to be noticed",
        )
        noticed = time.monotonic() - began
        harness.resources.wait_ready("steady", "False", "BrokerUnreachable", timeout_seconds=60)
        proxy.restore()
        harness.wait_for("steady", "Publishing")
        harness.wait_published("steady", 50)
        harness.settle()
    measured(f"noticed after {noticed:.0f} s at a heartbeat of {HEARTBEAT_SECONDS} s; {harness.check_delivery()}")


@pytest.mark.row(6)
@pytest.mark.timeout(300)
def test_a_crawling_network_is_back_pressure_for_its_stream_alone(harness, proxy, measured) -> None:
    operator = harness.start(RABBITMQ_PORT=str(proxy.port))
    secret = harness.broker.secret("direct", harness.namespace)
    assert harness.plane.request("POST", f"/api/v1/namespaces/{harness.namespace}/secrets", secret).status == 201
    harness.stream("crawling", **STEADY)
    harness.stream("free", harness.queue("free"), **STEADY, rabbitmq={"secretRef": {"name": "direct"}})
    with harness.watched():
        proxy.bytes_per_second = 2048
        harness.wait_for("crawling", "Backpressure", timeout_seconds=120)
        before, at, memory = harness.value("events_published_total", "free"), time.monotonic(), harness.memory_bytes()
        time.sleep(span(60, 6))  # how fast the other one is meanwhile
        rate = (harness.value("events_published_total", "free") - before) / (time.monotonic() - at)
        grown = harness.memory_bytes() - memory
        slow = harness.value("events_skipped_total", "crawling")
        proxy.bytes_per_second = None
        harness.wait_for("crawling", "Publishing")
        harness.settle()
    assert rate == pytest.approx(100, rel=0.05 if FULL else 0.1)
    assert slow > 0
    assert grown < 20 * 1024 * 1024
    assert operator.running
    measured(
        f"the other stream at {rate:.1f}/s of 100/s, {slow:.0f} skipped, memory +{grown / 2**20:.1f} MiB; "
        f"{harness.check_delivery()}"
    )


@pytest.mark.row(43)
@pytest.mark.timeout(300)
def test_a_process_that_was_stopped_goes_on_without_a_burst(harness, measured) -> None:
    operator = harness.start(AEG_LEASE_DURATION_SECONDS="8", AEG_LEASE_RENEW_SECONDS="5", AEG_LEASE_RETRY_SECONDS="1")
    harness.stream("steady", **STEADY)
    harness.wait_published("steady", 100)
    operator.pause()
    time.sleep(span(120, 12))  # longer than Lease and heartbeats
    operator.resume()
    after = harness.value("events_generated_total", "steady")
    began = time.monotonic()
    harness.wait_for("steady", "Publishing")
    harness.wait_published("steady", 100)
    generated = harness.value("events_generated_total", "steady") - after
    took = time.monotonic() - began
    assert generated <= 100 * took + 100, "what was missed is skipped, not made up for"
    assert harness.value("events_skipped_total", "steady") > 0
    harness.settle()
    measured(f"stopped {span(120, 12):.0f} s, then {generated / took:.0f}/s of 100/s; {harness.check_delivery()}")
