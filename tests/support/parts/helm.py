"""Helm, helm-unittest and a registry, built from source like the control plane: once, into the same cache.

The versions stand in tests/helm/go.mod alone. By hand, to see the folder: `PYTHONPATH=tests python -m support.parts.helm`.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from support.parts.build import BuildError, find_go, folder_of, go_environment, only_one
from support.parts.controlplane import REPOSITORY

MODULE = Path(__file__).resolve().parents[2] / "helm"
PACKAGES = (
    "helm.sh/helm/v3/cmd/helm",
    "github.com/helm-unittest/helm-unittest/cmd/helm-unittest",
    "github.com/google/go-containerregistry/cmd/registry",
)
CHART = REPOSITORY / "charts" / "audit-event-operator"
HELM_SECONDS = 180


def helm_version() -> str:
    """The version that go.mod asks for, for example "v3.22.0"."""
    (version,) = re.findall(r"helm\.sh/helm/v3 (v\S+)", (MODULE / "go.mod").read_text())
    return str(version)


def build() -> Path:
    """Build what is missing and return the folder of the programs."""
    target = folder_of(MODULE)
    target.parent.mkdir(parents=True, exist_ok=True)
    with only_one(target.parent / "build.lock", "building Go programs for the tests"):
        if target.exists():
            return target
        go = find_go(MODULE)
        print(f"Building Helm {helm_version()} into {target} (2 minutes on two cores, once) ...", file=sys.stderr)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as scratch:
            command = [str(go), "build", "-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", _stamps()]
            command += ["-o", f"{scratch}/", *PACKAGES]
            environment = go_environment() | {"CGO_ENABLED": "0"}
            if subprocess.run(command, cwd=MODULE, env=environment, stdout=sys.stderr, check=False).returncode != 0:
                raise BuildError(f"`go build` in {MODULE} failed; what it said stands above.")
            Path(scratch).chmod(0o755)
            Path(scratch).rename(target)
            Path(scratch).mkdir()  # so that the clean-up finds its folder
        print(f"Built in {time.monotonic() - started:.0f} s.", file=sys.stderr)
    return target


def _stamps() -> str:
    """What Helm's own Makefile sets; else it would render for Kubernetes 1.20."""
    (minor,) = re.findall(r"k8s\.io/client-go v0\.(\d+)", (MODULE / "go.mod").read_text())
    stamps = {"internal/version.version": helm_version()}
    for package in ("pkg/lint/rules", "pkg/chartutil"):
        stamps |= {f"{package}.k8sVersionMajor": "1", f"{package}.k8sVersionMinor": minor}
    return "-s -w " + " ".join(f"-X helm.sh/helm/v3/{name}={value}" for name, value in stamps.items())


def find_helm() -> Path:
    """The folder of the built programs. Raises BuildError where there is none."""
    if not (folder := folder_of(MODULE)).exists():
        raise BuildError(
            f"Helm is not built yet ({folder} is missing): run `make test-integration`, "
            "or `PYTHONPATH=tests python -m support.parts.helm` (two minutes, once)."
        )
    return folder


class Helm:
    """Runs helm with a home of its own, and on a cluster if it is given a kubeconfig."""

    def __init__(self, home: Path, kubeconfig: Path | None = None) -> None:
        self._folder = find_helm()
        self._environment = {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(self._folder), "/usr/bin", "/bin"]),
            "KUBECONFIG": str(kubeconfig or home / "no-cluster"),
        }

    def run(
        self, *arguments: str | Path, program: str = "helm", check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """One call; with check, AssertionError when it fails."""
        done = subprocess.run(
            [str(self._folder / program), *map(str, arguments)],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=HELM_SECONDS,
            check=False,
        )
        if check and done.returncode != 0:
            said = f"{done.stdout}{done.stderr}"
            raise AssertionError(f"{program} {' '.join(map(str, arguments))}: exit code {done.returncode}\n{said}")
        return done

    def template(
        self,
        folder: Path,
        values: dict[str, Any] | None = None,
        *,
        release: str = "audit-event-operator",
        namespace: str = "audit-event-operator",
        chart: Path = CHART,
    ) -> list[dict[str, Any]]:
        """The objects that the chart renders with these values, which are written into the folder."""
        done = self.run("template", release, chart, "-n", namespace, "-f", write_values(folder, values))
        return [each for each in yaml.safe_load_all(done.stdout) if each]

    def refusal(self, folder: Path, values: dict[str, Any]) -> str:
        """What helm says of values that it must not take."""
        done = self.run("template", "audit-event-operator", CHART, "-f", write_values(folder, values), check=False)
        assert done.returncode != 0, f"these values were taken: {values}"
        return done.stderr


def write_values(folder: Path, values: dict[str, Any] | None) -> Path:
    """A file for `helm -f`."""
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values or {}))
    return path


def main() -> int:
    """Build, print the folder on stdout."""
    try:
        print(build())
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
