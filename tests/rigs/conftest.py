"""Real third-party clients: scripts in AEG_RIGS build and start them. Without it these tests are left out, and say so."""

import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rigs import live_argocd
from rigs.live_argocd import ArgoCD, Repository, Team
from support.parts.controlplane import ControlPlane

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


@pytest.fixture(scope="session")
def argocd(rigs: Path) -> ArgoCD:
    """The real Argo CD, built."""
    return ArgoCD(rigs / "argocd", built(rigs, "argocd", "argocd"))


@pytest.fixture(scope="module")
def argocd_server(
    argocd: ArgoCD, cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[live_argocd.Server]:
    """The real Argo CD on our API server, with our part of argocd-cm; garbage is collected as in any cluster."""
    if not cluster.controller_manager.running:
        cluster.start_controller_manager()
    with live_argocd.running(argocd, cluster, tmp_path_factory.mktemp("argocd")) as server:
        yield server


@pytest.fixture
def team(argocd_server: live_argocd.Server, cluster: ControlPlane, tmp_path: Path) -> Iterator[Callable[..., Team]]:
    """team("application-generators", **spec): makes that Application, with a repository and a namespace of its own."""
    made: list[Team] = []

    def make(manifest: str, **spec: Any) -> Team:
        name = f"team-{uuid.uuid4().hex[:8]}"
        repository = Repository(tmp_path / name)
        repository.commit(**spec)
        made.append(Team(cluster, name, repository, namespace=name))
        made[-1].create(manifest, repository.url, name)
        return made[-1]

    yield make
    for one in made:
        if one.exists:
            one.delete()


class PrometheusOperator(NamedTuple):
    """Where its scripts are, and the folder of its binaries."""

    scripts: Path
    binaries: Path


@pytest.fixture(scope="session")
def prometheus_operator(rigs: Path) -> PrometheusOperator:
    """The real Prometheus Operator, its webhook, and a Prometheus that discovers in Kubernetes, built."""
    return PrometheusOperator(rigs / "prometheus-operator", built(rigs, "prometheus-operator", "promtool").parent)
