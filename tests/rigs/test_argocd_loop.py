"""The whole loop: Git, the real Argo CD with the Applications of manifests/, the operator as a process, a real RabbitMQ.

AEG_TEST_QUIET_SECONDS says how long the Application is watched while nothing happens in Git.
"""

import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from realparts.build import find_binaries
from realparts.controlplane import GENERATORS, ControlPlane, Resource
from realparts.operator_process import OperatorProcess
from realparts.processes import wait_until
from realparts.rabbitmq import RabbitMQ
from rigs.conftest import ArgoCD

pytestmark = pytest.mark.timeout(1800)  # with a build from nothing

MANIFESTS = Path(__file__).parents[2] / "manifests" / "argocd"
APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications")
MERGE = "application/merge-patch+json"
RESYNC_SECONDS = 5
QUIET_SECONDS = float(os.environ.get("AEG_TEST_QUIET_SECONDS", "20"))


class Repository:
    """A Git repository with one folder of resources."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "streams").mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def commit(self, **spec: Any) -> None:
        found = {"apiVersion": "auditflow.jojees.net/v1alpha1", "kind": "AuditEventGenerator"}
        found |= {"metadata": {"name": "stream"}, "spec": spec}
        (self.folder / "streams" / "stream.yaml").write_text(yaml.safe_dump(found))
        self._git("add", "streams")
        self._git("-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", "Change it")

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", self.folder, *arguments], check=True, capture_output=True, timeout=30)


@dataclass(frozen=True)
class Team:
    """One Application of manifests/argocd, its repository and its namespace."""

    plane: ControlPlane
    repository: Repository
    application: str
    namespace: str

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        answer = self.plane.request("GET", resource.path(namespace, name))
        return answer.body if answer.status == 200 and isinstance(answer.body, dict) else {}

    @property
    def state(self) -> tuple[str, str]:
        """Sync and health, as `argocd app list` shows them."""
        status = self.get(APPLICATIONS, "argocd", self.application).get("status", {})
        return status.get("sync", {}).get("status", ""), status.get("health", {}).get("status", "")

    @property
    def stream(self) -> dict[str, Any]:
        return self.get(GENERATORS, self.namespace, "stream")

    @property
    def interval(self) -> str:
        return str(self.stream.get("spec", {}).get("interval"))

    def patch(self, **spec: Any) -> None:
        answer = self.plane.request(
            "PATCH", GENERATORS.path(self.namespace, "stream"), {"spec": spec}, content_type=MERGE
        )
        assert answer.status == 200, answer

    def wait_for(self, sync: str, health: str, *, timeout_seconds: float = 60) -> None:
        def explain() -> object:
            return self.get(APPLICATIONS, "argocd", self.application).get("status"), self.stream.get("status")

        wait_until(
            lambda: self.state == (sync, health),
            timeout_seconds=timeout_seconds,
            what=f"{sync} and {health}",
            every_seconds=0.2,
            explain=explain,
        )

    @contextmanager
    def always_synced(self) -> Iterator[None]:
        """Nobody but the operator and the broker does anything: it must not be OutOfSync for a moment."""
        seen: set[str] = set()
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.2):
                seen.add(self.state[0])

        looking = threading.Thread(target=look)
        looking.start()
        try:
            yield
        finally:
            over.set()
            looking.join()
        assert seen == {"Synced"}


@pytest.fixture(scope="module")
def running_argocd(argocd: ArgoCD, cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The real Argo CD on our API server, with our part of argocd-cm; garbage is collected as in any cluster."""
    cluster.start_controller_manager()
    folder = tmp_path_factory.mktemp("argocd") / "run"
    path = f"{find_binaries()}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "APP_RESYNC": str(RESYNC_SECONDS), "SERVER": "0"}
    patch = MANIFESTS / "argocd-cm-patch.yaml"
    up, down = [argocd.scripts / "up.sh", cluster.kubeconfig, patch, folder], [argocd.scripts / "down.sh", folder]
    with (folder.parent / "up.log").open("w") as log:
        try:
            subprocess.run(up, env=environment, check=True, timeout=180, stdout=log, stderr=log)
            yield
        finally:
            subprocess.run(down, env=environment, check=True, timeout=60, stdout=log, stderr=log)


@pytest.fixture
def team(running_argocd: None, cluster: ControlPlane, tmp_path: Path) -> Iterator[Callable[..., Team]]:
    """team("application-generators", **spec): a function that makes the Application and gives it a repository of its own."""
    mark = uuid.uuid4().hex[:8]
    made: list[Team] = []

    def make(manifest: str, **spec: Any) -> Team:
        repository = Repository(tmp_path / "repository")
        repository.commit(**spec)
        found = yaml.safe_load((MANIFESTS / f"{manifest}.yaml").read_text())
        found["metadata"]["name"] = found["spec"]["destination"]["namespace"] = f"team-{mark}"
        found["spec"]["source"]["repoURL"] = repository.url
        answer = cluster.request("POST", APPLICATIONS.path("argocd"), found)
        assert answer.status == 201, answer
        made.append(Team(cluster, repository, f"team-{mark}", f"team-{mark}"))
        return made[0]

    yield make
    for one in made:
        cluster.request("DELETE", APPLICATIONS.path("argocd", one.application))


def events_in(operator: OperatorProcess, seconds: float) -> float:
    def published() -> float:
        return operator.metric("audit_event_operator_generator_events_published_total", generator="stream") or 0

    before, began = published(), time.monotonic()
    time.sleep(seconds)
    return (published() - before) / (time.monotonic() - began)


def test_the_loop_from_git_to_the_broker(
    team: Callable[..., Team], own_rabbitmq: RabbitMQ, start_operator: Callable[..., OperatorProcess]
) -> None:
    queue = f"argocd-{uuid.uuid4().hex[:8]}"
    ours = team("application-generators", queue=queue, interval="500ms")
    ours.wait_for("Synced", "Progressing")
    assert not own_rabbitmq.exists(queue)

    operator = start_operator(AEG_UNREACHABLE_SECONDS="3", AEG_BACKOFF_MAX_SECONDS="2")
    ours.wait_for("Synced", "Healthy")
    assert own_rabbitmq.queue_depth(queue) > 0
    assert events_in(operator, 5) == pytest.approx(2, abs=0.5)

    with ours.always_synced():
        time.sleep(QUIET_SECONDS)
        own_rabbitmq.stop()
        ours.wait_for("Synced", "Degraded")
        own_rabbitmq.start()
        ours.wait_for("Synced", "Healthy")

    ours.repository.commit(queue=queue, interval="50ms")
    wait_until(lambda: ours.interval == "50ms", timeout_seconds=60, what="the commit in the cluster")
    ours.wait_for("Synced", "Healthy")
    assert events_in(operator, 5) == pytest.approx(20, rel=0.2)

    ours.patch(interval="1s")
    wait_until(lambda: ours.interval == "50ms", timeout_seconds=60, what="the patch reverted")

    ours.repository.commit(queue=queue, interval="50ms", suspend=True)
    ours.wait_for("Synced", "Suspended")

    cluster = ours.plane
    cluster.request("DELETE", APPLICATIONS.path("argocd", ours.application))
    wait_until(lambda: not ours.stream, timeout_seconds=60, what="the resource gone with its Application")
    wait_until(
        lambda: cluster.request("GET", APPLICATIONS.path("argocd", ours.application)).status == 404,
        timeout_seconds=60,
        what="the Application gone",
    )
    own_rabbitmq.delete(queue)


def test_a_live_rate_survives_syncs_and_self_heal(
    team: Callable[..., Team], own_rabbitmq: RabbitMQ, start_operator: Callable[..., OperatorProcess]
) -> None:
    queue = f"argocd-{uuid.uuid4().hex[:8]}"
    ours = team("application-live-rates", queue=queue, interval="500ms", randomSeed=1)
    start_operator()
    ours.wait_for("Synced", "Healthy")

    with ours.always_synced():
        ours.patch(interval="100ms", eventsPerInterval=2)
        time.sleep(3 * RESYNC_SECONDS)
    assert ours.interval == "100ms"

    ours.repository.commit(queue=queue, interval="500ms", randomSeed=2)
    wait_until(lambda: ours.stream["spec"]["randomSeed"] == 2, timeout_seconds=60, what="the commit in the cluster")
    ours.wait_for("Synced", "Healthy")
    assert (ours.interval, ours.stream["spec"]["eventsPerInterval"]) == ("100ms", 2)

    ours.patch(randomSeed=3)
    wait_until(lambda: ours.stream["spec"]["randomSeed"] == 2, timeout_seconds=60, what="the other field healed")
    assert ours.interval == "100ms"
    own_rabbitmq.delete(queue)
