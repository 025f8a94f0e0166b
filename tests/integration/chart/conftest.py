"""Helm without a cluster, for tests of what the chart renders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.parts.helm import Helm


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm that knows no cluster."""
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture
def render(helm: Helm, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """render(values, release=…): the objects of the chart."""
    return lambda values=None, **more: helm.template(tmp_path, values, **more)


@pytest.fixture
def refusal(helm: Helm, tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    """refusal(values): what Helm says of values that it refuses."""
    return lambda values: helm.refusal(tmp_path, values)
