"""One installation for all tests of this folder: the dev overlay on a real node."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.node import OPERATOR, Cluster, eventually
from e2e.rig import NoNodeError, node

MANIFESTS = Path(__file__).parents[2] / "manifests"
NAMESPACE = "audit-event-e2e"


CLUSTER = pytest.StashKey[Cluster]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what the cluster has to say: nobody is there to ask it afterwards."""
    report = yield
    cluster = item.session.stash.get(CLUSTER, None)
    if report.failed and cluster is not None:
        for question in (
            ["get", "pods,auditeventgenerators", "--all-namespaces", "-o", "wide"],
            ["-n", OPERATOR, "get", "events", "--sort-by=.lastTimestamp"],
            ["-n", OPERATOR, "logs", f"deployment/{OPERATOR}", "--tail=60"],
            ["-n", OPERATOR, "logs", f"deployment/{OPERATOR}", "--tail=20", "--previous"],
        ):
            report.sections.append((f"kubectl {' '.join(question)}", cluster.kubectl(*question, check=False)))
    return report


@dataclass(frozen=True)
class Installation:
    """The operator as it runs on the node."""

    cluster: Cluster
    seconds_to_ready: float

    def generator(self, name: str) -> dict:
        return self.cluster.get("-n", NAMESPACE, "auditeventgenerator", name)

    def apply(self, manifest: str) -> None:
        self.cluster.kubectl("-n", NAMESPACE, "apply", "-f", "-", stdin=manifest)

    def patch(self, name: str, spec: str) -> None:
        arguments = ["auditeventgenerator", name, "--type", "merge", "-p", f'{{"spec":{spec}}}']
        self.cluster.kubectl("-n", NAMESPACE, "patch", *arguments)


@pytest.fixture(scope="session")
def real_node(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    try:
        with node() as found:
            request.session.stash[CLUSTER] = found
            yield found
    except NoNodeError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def installation(real_node: Cluster) -> Iterator[Installation]:
    remove(real_node)
    began = time.monotonic()
    real_node.kubectl("apply", "-k", str(MANIFESTS / "overlays" / "dev"))
    real_node.kubectl("-n", OPERATOR, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=60s")
    seconds_to_ready = time.monotonic() - began
    real_node.kubectl(
        "wait", "crd/auditeventgenerators.auditflow.jojees.net", "--for=condition=Established", "--timeout=60s"
    )
    real_node.kubectl("-n", OPERATOR, "rollout", "status", "deployment/rabbitmq", "--timeout=120s")
    real_node.kubectl("create", "namespace", NAMESPACE)
    yield Installation(real_node, seconds_to_ready)
    remove(real_node)


def remove(cluster: Cluster) -> None:
    """Take away whatever an earlier run has left."""
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s")
    cluster.kubectl("delete", "-k", str(MANIFESTS / "overlays" / "dev"), "--ignore-not-found", "--timeout=120s")
    eventually(
        "the namespace is gone", 60, lambda: not cluster.kubectl("get", "namespace", OPERATOR, "--ignore-not-found")
    )
