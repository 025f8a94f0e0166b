"""Everything that one namespace can do to another, at once: large refused events, mute brokers, too many queues."""

import socket
import time
from collections import Counter

import pytest

from faults.test_isolation_memory import LARGE
from support.faults.harness import SLACK, span

GREEDY, MUTE, QUEUES = 20, 120, 160  # 300 in all


@pytest.mark.row(49)
@pytest.mark.row(50)
@pytest.mark.row(53)
@pytest.mark.timeout(400)
def test_all_of_it_at_once_leaves_another_namespace_its_rate_its_state_and_its_reconnect(
    harness, neighbour, own_rabbitmq, measured
) -> None:
    harness.start(prefix=("prlimit", "--nofile=256:256"), AEG_CONNECT_SECONDS="20")
    full, free = harness.queue("full"), harness.queue("free")
    harness.broker.declare(full, {"x-max-length": 1, "x-overflow": "reject-publish"})
    neighbour.create("steady", queue=free, interval="10ms")
    neighbour.wait_for("steady", "Publishing")
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as mute, harness.watched():
        secret = harness.broker.secret("mute", harness.namespace, port=str(mute.getsockname()[1]))
        assert harness.plane.request("POST", f"/api/v1/namespaces/{harness.namespace}/secrets", secret).status == 201
        for number in range(GREEDY):
            harness.stream(f"greedy-{number}", full, until=None, **LARGE)
        for number in range(MUTE):
            reference = {"secretRef": {"name": "mute"}}
            harness.stream(f"mute-{number}", f"mute-{number}", until=None, rabbitmq=reference)
        for number in range(QUEUES):
            harness.stream(f"many-{number}", harness.queue(f"q{number}"), until=None, interval="1s")
        harness.wait_for(f"many-{QUEUES - 1}", "ConnectionLimit", "Publishing", "WaitingForTurn")
        began, published = time.monotonic(), harness.value("events_published_total", "steady")
        states = Counter()
        while time.monotonic() - began < span(60, 10):  # the window of the measurement
            states[neighbour.ready("steady")] += 1
            time.sleep(0.5)
        rate = (harness.value("events_published_total", "steady") - published) / (time.monotonic() - began)
        own_rabbitmq.close_all_connections()
        began, published = time.monotonic(), harness.value("events_published_total", "steady")
        harness.operator.wait_until(
            lambda: harness.value("events_published_total", "steady") > published + 50, what="the stream to go on"
        )
        back_after = time.monotonic() - began
    assert rate == pytest.approx(100, rel=SLACK)
    assert set(states) == {("True", "Publishing")}
    assert back_after < span(5, 15)
    measured(
        f"all at once, {GREEDY + MUTE + QUEUES} resources: {rate:.1f}/s of 100/s, reconnected after {back_after:.1f} s"
    )
