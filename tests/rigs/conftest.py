"""Real third-party clients: scripts in AEG_RIGS build and start them. Without it these tests are left out, and say so."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

BUILD_SECONDS = 1500


@pytest.fixture(scope="session")
def rigs() -> Path:
    """The folder with the scripts."""
    if found := os.environ.get("AEG_RIGS"):
        return Path(found)
    pytest.skip("AEG_RIGS is not set: there are no third-party clients to test with")


def built(rigs: Path, part: str, binary: str) -> Path:
    """The binary of a part, built first where it is missing."""
    path = Path(os.environ.get("RIGS_BIN", "/tmp/rigs/bin")) / binary
    if not path.exists():
        subprocess.run([rigs / part / "build.sh", path.parent], check=True, timeout=BUILD_SECONDS)
    return path


@pytest.fixture(scope="session")
def kstatus(rigs: Path) -> Path:
    """The command that asks the status library of Flux, Helm and kpt."""
    return built(rigs, "kstatus", "kstatus")


class ArgoCD(NamedTuple):
    """Where its scripts are, and its one binary."""

    scripts: Path
    binary: Path


@pytest.fixture(scope="session")
def argocd(rigs: Path) -> ArgoCD:
    """The real Argo CD, built."""
    return ArgoCD(rigs / "argocd", built(rigs, "argocd", "argocd"))


class PrometheusOperator(NamedTuple):
    """Where its scripts are, and the folder of its binaries."""

    scripts: Path
    binaries: Path


@pytest.fixture(scope="session")
def prometheus_operator(rigs: Path) -> PrometheusOperator:
    """The real Prometheus Operator, its webhook, and a Prometheus that discovers in Kubernetes, built."""
    return PrometheusOperator(rigs / "prometheus-operator", built(rigs, "prometheus-operator", "promtool").parent)
