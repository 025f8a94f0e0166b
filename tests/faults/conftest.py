"""Fixtures of the fault tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.stage import FULL, Stage
from realparts.controlplane import ControlPlane
from realparts.rabbitmq import RabbitMQ
from streams import must_be_free_of_bugs

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
def stage(
    cluster: ControlPlane, own_rabbitmq: RabbitMQ, namespace: str, tmp_path: Path, operator_kubeconfig: Path
) -> Iterator[Stage]:
    """A stage whose broker the test may do anything to."""
    stage = Stage(cluster, own_rabbitmq, namespace, tmp_path, operator_kubeconfig)
    yield stage
    stage.close()
    for operator in stage.operators:
        must_be_free_of_bugs(operator)
