"""The real Argo CD on an API server, its Applications, and the Git repositories they come from.

Only what its users have: kubectl (here plain requests), git, and argocd-server.
"""

import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from support.parts.build import find_binaries
from support.parts.controlplane import GENERATORS, REPOSITORY, ControlPlane, Resource
from support.parts.helm import find_helm
from support.parts.processes import free_port
from support.waiting import wait_until

MANIFESTS = REPOSITORY / "manifests" / "argocd"
APPLICATIONS = Resource("argoproj.io", "v1alpha1", "applications")
MERGE = "application/merge-patch+json"
RESYNC_SECONDS = 5

# Argo CD wants a command of this name; kubectl has all of it inside.
KUSTOMIZE = """#!/bin/sh
[ "$1" = build ] && shift
exec kubectl kustomize "$@"
"""


class ArgoCD(NamedTuple):
    """Where its scripts are, and its one binary."""

    scripts: Path
    binary: Path


class Repository:
    """A Git repository: a folder `streams` with one resource, and whatever else is put into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "streams").mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def commit(self, **spec: Any) -> None:
        """The resource, with this spec from now on."""
        found = {"apiVersion": "auditflow.jojees.net/v1alpha1", "kind": "AuditEventGenerator"}
        found |= {"metadata": {"name": "stream"}, "spec": spec}
        (self.folder / "streams" / "stream.yaml").write_text(yaml.safe_dump(found))
        self.commit_all()

    def commit_all(self) -> None:
        """Everything that is in the folder."""
        self._git("add", ".")
        self._git("-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "-m", "Change it")

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", self.folder, *arguments], check=True, capture_output=True, timeout=30)


@dataclass(frozen=True)
class Application:
    """One Application of manifests/argocd, made with another repository (and another name where tests share a cluster)."""

    plane: ControlPlane
    name: str

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any]:
        answer = self.plane.request("GET", resource.path(namespace, name))
        return answer.body if answer.status == 200 and isinstance(answer.body, dict) else {}

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get(APPLICATIONS, "argocd", self.name).get("status", {})
        return found

    @property
    def state(self) -> tuple[str, str]:
        """Sync and health, as `argocd app list` shows them."""
        status = self.status
        return status.get("sync", {}).get("status", ""), status.get("health", {}).get("status", "")

    def create(self, manifest: str, url: str, namespace: str | None = None, path: str | None = None) -> None:
        """From manifests/argocd, with the repository and the destination's namespace replaced; a chart becomes a folder."""
        found = yaml.safe_load((MANIFESTS / f"{manifest}.yaml").read_text())
        found["metadata"]["name"] = self.name
        found["spec"]["source"]["repoURL"] = url
        if path is not None:
            del found["spec"]["source"]["chart"]
            found["spec"]["source"] |= {"path": path, "targetRevision": "HEAD"}
        found["spec"]["destination"]["namespace"] = namespace or found["spec"]["destination"]["namespace"]
        answer = self.plane.request("POST", APPLICATIONS.path("argocd"), found)
        assert answer.status == 201, answer

    def delete(self) -> None:
        """Ask for it; Argo CD takes the resources away first."""
        answer = self.plane.request("DELETE", APPLICATIONS.path("argocd", self.name))
        assert answer.status == 200, answer

    @property
    def exists(self) -> bool:
        return self.plane.request("GET", APPLICATIONS.path("argocd", self.name)).status != 404

    def wait_for(self, sync: str, health: str, *, timeout_seconds: float = 60) -> None:
        wait_until(
            lambda: self.state == (sync, health),
            timeout_seconds=timeout_seconds,
            what=f"{sync} and {health}",
            every_seconds=0.2,
            explain=self.explain,
        )

    def wait_gone(self, *, timeout_seconds: float = 60) -> None:
        wait_until(
            lambda: not self.exists,
            timeout_seconds=timeout_seconds,
            what=f"the end of {self.name}",
            every_seconds=0.2,
            explain=lambda: self.plane.request("GET", APPLICATIONS.path("argocd", self.name)).body,
        )

    def explain(self) -> object:
        return self.status

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


@dataclass(frozen=True)
class Team(Application):
    """The Application of a team: its repository, and its namespace with one resource."""

    repository: Repository
    namespace: str

    @property
    def stream(self) -> dict[str, Any]:
        return self.get(GENERATORS, self.namespace, "stream")

    @property
    def interval(self) -> str:
        return str(self.stream.get("spec", {}).get("interval"))

    def patch(self, **spec: Any) -> None:
        path = GENERATORS.path(self.namespace, "stream")
        answer = self.plane.request("PATCH", path, {"spec": spec}, content_type=MERGE)
        assert answer.status == 200, answer

    def explain(self) -> object:
        return self.status, self.stream.get("status")


class Server:
    """argocd-server, which asks for no password here."""

    def __init__(self, argocd: ArgoCD, port: int, home: Path) -> None:
        self._binary = argocd.binary
        self._address = f"127.0.0.1:{port}"
        self._environment = {"HOME": str(home), "PATH": os.environ["PATH"]}

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The argocd command; what it says and how it ended."""
        return subprocess.run(
            [self._binary, "--server", self._address, "--plaintext", *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def actions(self, team: Team) -> set[str]:
        """The names of the actions that are offered for the team's resource now."""
        said = self.cli("app", "actions", "list", team.name, "--kind", "AuditEventGenerator", "--out", "json")
        assert said.returncode == 0, said
        return {each["Action"] for each in json.loads(said.stdout) if not each["Disabled"]}

    def run(self, team: Team, action: str) -> "subprocess.CompletedProcess[str]":
        """An action on the team's resource, as a person types it."""
        which = ("--kind", "AuditEventGenerator", "--resource-name", "stream")
        return self.cli("app", "actions", "run", team.name, action, *which)

    def run_with(self, team: Team, action: str, **parameters: str) -> tuple[int, str]:
        """The same with parameters, as the web page does it (the command knows none): HTTP status and text of the answer."""
        body = {
            "name": team.name,
            "appNamespace": "argocd",
            "namespace": team.namespace,
            "resourceName": "stream",
            "group": GENERATORS.group,
            "version": GENERATORS.version,
            "kind": "AuditEventGenerator",
            "action": action,
            "resourceActionParameters": [{"name": name, "value": value} for name, value in parameters.items()],
        }
        request = urllib.request.Request(
            f"http://{self._address}/api/v1/applications/{team.name}/resource/actions/v2",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextmanager
def running(argocd: ArgoCD, plane: ControlPlane, folder: Path) -> Iterator[Server]:
    """All of Argo CD on that API server, with our part of argocd-cm, on free ports."""
    commands = folder / "commands"
    commands.mkdir()
    (commands / "kustomize").write_text(KUSTOMIZE)
    (commands / "kustomize").chmod(0o755)
    ports = {
        name: free_port()
        for name in ("REDIS_PORT", "REPO_PORT", "REPO_METRICS", "CTRL_METRICS", "SERVER_PORT", "SERVER_METRICS")
    }
    environment = os.environ | {name: str(port) for name, port in ports.items()}
    path = [str(commands), str(find_binaries()), str(find_helm()), os.environ["PATH"]]
    environment |= {"PATH": os.pathsep.join(path), "APP_RESYNC": str(RESYNC_SECONDS)}
    up = [argocd.scripts / "up.sh", plane.kubeconfig, MANIFESTS / "argocd-cm-patch.yaml", folder / "run"]
    down = [argocd.scripts / "down.sh", folder / "run"]
    with (folder / "up.log").open("w") as log:
        try:
            subprocess.run(up, env=environment, check=True, timeout=180, stdout=log, stderr=log)
            yield Server(argocd, ports["SERVER_PORT"], folder)
        finally:
            subprocess.run(down, env=environment, check=True, timeout=60, stdout=log, stderr=log)


def operator_repository(folder: Path) -> Repository:
    """A Git repository with all that the operator's Application refers to, as in a copy of ours."""
    repository = Repository(folder)
    for part in ("manifests", "crds", "charts"):
        shutil.copytree(REPOSITORY / part, folder / part)
    repository.commit_all()
    return repository
