"""A quorum queue on three nodes loses its majority, and its leader: what no single broker can do."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faults.harness import Harness, span
from support.parts.controlplane import ControlPlane
from support.parts.operator_process import must_be_free_of_bugs
from support.parts.rabbitmq_cluster import NAMES, RabbitMQCluster
from support.parts.rabbitmq_node import Installation

STEADY = {"interval": "20ms", "eventsPerInterval": 4, "queueDeclaration": {"type": "Quorum"}}  # 200/s


@pytest.fixture(scope="module")
def three_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQCluster]:
    """Started once: it takes longer than a test."""
    with RabbitMQCluster(tmp_path_factory.mktemp("rabbitmq-cluster"), Installation.chosen(os.environ)) as running:
        yield running


@pytest.fixture
def harness(
    cluster: ControlPlane, three_nodes: RabbitMQCluster, namespace: str, tmp_path: Path, operator_kubeconfig: Path
) -> Iterator[Harness]:
    """The harness of the other tests, in front of three running nodes."""
    three_nodes.start(*(name for name, node in three_nodes.nodes.items() if not node.server.running))
    harness = Harness(cluster, three_nodes, namespace, tmp_path, operator_kubeconfig)
    yield harness
    harness.close()
    for operator in harness.operators:
        must_be_free_of_bugs(operator)


@pytest.mark.row(15)
@pytest.mark.timeout(600)
def test_a_quorum_queue_without_its_majority_confirms_nothing_and_loses_nothing(harness, three_nodes, measured) -> None:
    harness.start(AEG_CONFIRM_SECONDS=str(int(span(60, 4))))
    harness.stream("steady", **STEADY)
    leader = three_nodes.leader(harness.queue())
    three_nodes.lead_to(leader)  # so that no line is broken: the broker only stops to confirm
    for node in three_nodes.nodes.values():
        node.close_all_connections()
    harness.wait_published("steady", 400)
    harness.wait_healthy()
    with harness.watched() as scraper:
        three_nodes.stop(*(name for name in NAMES if name != leader))
        stopped = time.monotonic()
        message = harness.wait_for("steady", "ConfirmTimeout", timeout_seconds=span(60, 4) + 30)
        noticed = time.monotonic() - stopped
        assert harness.resources.ready("steady")[0] == "False"
        assert harness.queue() in message
        time.sleep(span(180, 8))
        silent = harness.value("events_published_total", "steady")
        three_nodes.start(*(name for name in NAMES if name != leader))
        started = time.monotonic()
        harness.wait_for("steady", "Publishing", timeout_seconds=60)
        back = time.monotonic() - started
        assert harness.value("events_published_total", "steady") > silent
        harness.wait_published("steady", 400)
        dropped = harness.value("events_dropped_total", "steady")
        harness.settle()
        harness.wait_healthy()
    assert dropped == 0
    assert scraper.health_seen()[0] == scraper.health_seen()[-1] == 200
    outcomes = dict(harness.account().outcomes)
    measured(
        f"two of three stopped: False after {noticed:.0f} s, True {back:.0f} s after the start; {outcomes}; "
        f"{harness.check_delivery()}"
    )


@pytest.mark.row(15)
@pytest.mark.timeout(600)
def test_a_quorum_queue_whose_leader_is_killed_goes_on_with_another_one(harness, three_nodes, measured) -> None:
    kills = int(span(6, 3))
    harness.start()
    harness.stream("steady", **STEADY)
    longest = 0.0
    with harness.watched():
        for turn in range(kills):
            leader = three_nodes.leader(harness.queue())
            # In turns: the operator is connected with the leader and sees its line break, or with another one and sees nothing.
            connected = leader if turn % 2 == 0 else next(name for name in NAMES if name != leader)
            three_nodes.lead_to(connected)
            for node in three_nodes.nodes.values():
                node.close_all_connections()
            harness.wait_published("steady", 200)
            three_nodes.kill(leader)
            killed = time.monotonic()
            harness.wait_published("steady", 1)
            longest = max(longest, time.monotonic() - killed)
            harness.wait_published("steady", 200)
            assert three_nodes.leader(harness.queue()) != leader
            three_nodes.start(leader)
        harness.wait_for("steady", "Publishing", timeout_seconds=30)
        dropped = harness.value("events_dropped_total", "steady")
        harness.settle()
    assert dropped == 0
    outcomes = dict(harness.account().outcomes)
    measured(f"{kills} leaders killed: first confirm ≤{longest:.1f} s after it; {outcomes}; {harness.check_delivery()}")
