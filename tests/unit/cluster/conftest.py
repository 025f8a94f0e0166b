"""An API server, and a fleet that runs nothing."""

import pytest

from support.doubles.fleet import FakeFleet
from support.doubles.kubernetes import FakeCluster


@pytest.fixture
def cluster():
    return FakeCluster()


@pytest.fixture
def fleet():
    return FakeFleet()
