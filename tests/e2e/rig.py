"""Where the node comes from: a rig that makes one on this machine, or a cluster that is already there (kind, by KUBECONFIG).

Builds the image from the Dockerfile and brings it to the node. Knows nothing of what is tested.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audit_event_operator import __version__
from e2e.node import Cluster

ROOT = Path(__file__).parents[2]
IMAGE = f"audit-event-operator:{__version__}"
BROKER_IMAGE = "docker.io/library/rabbitmq:4-management"


class NoNodeError(RuntimeError):
    """There is no node to test on; the text says how to name one."""


@contextmanager
def node() -> Iterator[Cluster]:
    """A cluster whose node has the operator's image."""
    if rigs := os.environ.get("AEG_RIGS"):
        with _rig(Path(rigs) / "cluster") as cluster:
            yield cluster
    elif kubeconfig := os.environ.get("KUBECONFIG"):
        cluster = Cluster(shutil.which("kubectl") or "kubectl", kubeconfig)
        _bring_image_to_kind(cluster)
        yield cluster
    else:
        raise NoNodeError(
            "make e2e needs a cluster: set KUBECONFIG (for example of kind), or AEG_RIGS to a rig that makes one"
        )


@contextmanager
def _rig(scripts: Path) -> Iterator[Cluster]:
    work = Path(os.environ.get("RIG_WORK", "/tmp/cluster-rig"))
    if not (work / "buildah" / "storage").exists():
        _run(scripts / "build-base-image.sh", work)
    archive = work / "images" / (BROKER_IMAGE.replace("/", "_").replace(":", "_") + ".tar")
    recipe = Path(__file__).parent / "rabbitmq" / "Dockerfile"
    if not archive.exists() or archive.stat().st_mtime < recipe.stat().st_mtime:
        _run(scripts / "build-image.sh", work, recipe.parent, BROKER_IMAGE)
    arguments = ["--build-arg", f"VERSION={__version__}"]
    _run(scripts / "build-image.sh", work, ROOT, f"docker.io/library/{IMAGE}", *arguments)
    kubeconfig = _run(scripts / "up.sh", work).strip()
    try:
        yield Cluster(str(work / "bin" / "kubectl"), kubeconfig)
    finally:
        if not os.environ.get("AEG_E2E_KEEP"):
            _run(scripts / "down.sh", work)


def _bring_image_to_kind(cluster: Cluster) -> None:
    """Builds and loads, where the cluster is kind's; any other must be able to pull the image itself."""
    context = cluster.kubectl("config", "current-context").strip()
    if not context.startswith("kind-"):
        return
    tool = os.environ.get("CONTAINER_TOOL", "docker")
    _run(tool, "build", "--build-arg", f"VERSION={__version__}", "-t", IMAGE, ROOT)
    _run("kind", "load", "docker-image", IMAGE, "--name", context.removeprefix("kind-"))


def _run(*command: str | Path) -> str:
    """Runs it with its messages on our stderr; returns its stdout."""
    print("+", *command, file=sys.stderr)
    return subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True).stdout
