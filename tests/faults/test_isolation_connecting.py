"""Connecting to brokers: one namespace's brokers that never answer keep nobody else waiting."""

import socket
import time
from collections.abc import Iterator

import pytest

from support.faults.harness import SLACK, span

MUTE = 300 if span(1, 0) else 120
STEADY = {"interval": "10ms"}  # 100/s


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port on which connections are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        yield server.getsockname()[1]


@pytest.mark.row(50)
@pytest.mark.timeout(300)
def test_many_brokers_that_never_answer_keep_no_other_namespace_waiting(
    harness, neighbour, own_rabbitmq, mute_port, measured
) -> None:
    harness.start(AEG_CONNECT_SECONDS="20")
    secret = harness.broker.secret("mute", harness.namespace, port=str(mute_port))
    assert harness.plane.request("POST", f"/api/v1/namespaces/{harness.namespace}/secrets", secret).status == 201
    neighbour.create("steady", queue=harness.queue("free"), **STEADY)
    neighbour.wait_for("steady", "Publishing")
    with harness.watched():
        for number in range(MUTE):
            reference = {"secretRef": {"name": "mute"}}
            harness.stream(f"mute-{number}", f"mute-{number}", until=None, rabbitmq=reference)
        harness.wait_for(f"mute-{MUTE - 1}", "WaitingForTurn")
        began = time.monotonic()
        neighbour.create("newcomer", queue=harness.queue("new"), interval="100ms")
        neighbour.wait_for("newcomer", "Publishing")
        newcomer_took = time.monotonic() - began
        own_rabbitmq.close_all_connections()
        began, published = time.monotonic(), harness.value("events_published_total", "steady")
        harness.operator.wait_until(
            lambda: harness.value("events_published_total", "steady") > published + 50, what="the stream to go on"
        )
        back_after = time.monotonic() - began
        waiting = sum(
            harness.resources.ready(f"mute-{number}")[1] in {"", "WaitingForTurn", "BrokerUnreachable", "Starting"}
            for number in range(MUTE)
        )
        began, published = time.monotonic(), harness.value("events_published_total", "steady")
        time.sleep(span(60, 6))  # the window of the measurement
        rate = (harness.value("events_published_total", "steady") - published) / (time.monotonic() - began)
        assert neighbour.ready("steady") == ("True", "Publishing")
    assert newcomer_took < span(5, 15)
    assert back_after < span(5, 15)
    assert waiting == MUTE
    assert rate == pytest.approx(100, rel=SLACK)
    measured(
        f"beside {MUTE} mute streams another namespace's new stream publishes after {newcomer_took:.1f} s, its old one "
        f"{back_after:.1f} s after all connections were closed; {rate:.1f}/s of 100/s"
    )
