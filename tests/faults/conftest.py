"""Fixtures of the fault tests."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faults.harness import FULL, Harness
from support.faults.http import Start
from support.faults.secrets import Secrets
from support.parts.controlplane import ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs
from support.parts.rabbitmq import RabbitMQ

FULL_SECONDS = 3600
"""The longest that one test may take at full length; what users must mend is tried again after up to five minutes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "faults" in item.path.parts and FULL:
            item.add_marker(pytest.mark.timeout(FULL_SECONDS), append=False)
        if "faults" in item.path.parts and item.get_closest_marker("row") is None:
            raise pytest.UsageError(
                f"{item.nodeid} is in tests/faults and names no row of the matrix (pytest.mark.row)."
            )


@pytest.fixture
def harness(
    cluster: ControlPlane, own_rabbitmq: RabbitMQ, namespace: str, tmp_path: Path, operator_kubeconfig: Path
) -> Iterator[Harness]:
    """A harness whose broker the test may stop, kill and administer."""
    harness = Harness(cluster, own_rabbitmq, namespace, tmp_path, operator_kubeconfig)
    yield harness
    harness.close()
    for operator in harness.operators:
        must_be_free_of_bugs(operator)


@pytest.fixture
def policy(own_rabbitmq: RabbitMQ, harness: Harness) -> Iterator[str]:
    """The name of a policy for this test's queues; gone afterwards."""
    name = f"policy-{harness.namespace}"
    yield name
    if name in own_rabbitmq.rabbitmqctl("list_policies"):
        own_rabbitmq.rabbitmqctl("clear_policy", name)


@pytest.fixture
def neighbour(harness: Harness) -> Iterator[Generators]:
    """Another team, with a namespace of its own."""
    team = Generators(harness.plane, harness.plane.create_namespace(f"neighbour-{uuid.uuid4().hex[:8]}"))
    yield team
    team.delete_all()


@pytest.fixture
def secrets(harness: Harness) -> Secrets:
    return Secrets(harness)


@pytest.fixture
def start(tmp_path: Path, own_rabbitmq: RabbitMQ, queue: str) -> Iterator[Start]:
    """start(*arguments, **env): `standalone` on the broker, with a default target and nearly no stream of its own."""
    started: list[OperatorProcess] = []

    def start(*arguments: str | Path, **env: str) -> OperatorProcess:
        environment = own_rabbitmq.environment() | {
            "RABBITMQ_QUEUE": queue,
            "EVENT_GENERATION_INTERVAL_SECONDS": "86400",
            **env,
        }
        operator = OperatorProcess(tmp_path, "standalone", *arguments, env=environment, name=f"operator-{len(started)}")
        started.append(operator)
        operator.start()
        operator.wait_until(lambda: operator.status_of("/healthz") == 200, what="the default target")
        return operator

    yield start
    for operator in started:
        operator.end()
        must_be_free_of_bugs(operator)
