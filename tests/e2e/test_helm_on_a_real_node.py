"""The chart on a node with a kubelet: from `helm install` to the first event, and an upgrade under load.

Runs before the tests of the dev overlay, whose installation stays to the end.
"""

import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from e2e.conftest import MANIFESTS, NAMESPACE, Installation, remove
from e2e.node import OPERATOR, Cluster, condition, eventually
from support.parts.helm import CHART, Helm

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]  # with a build of the node from nothing

LONGEST_PAUSE_SECONDS = 5
STREAMS = 20
INTERVAL_SECONDS = 0.2
STREAM = """
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata: {{name: "{0}"}}
spec: {{queue: "{0}", interval: 200ms}}
"""


@pytest.fixture(scope="module")
def helm(real_node: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(tmp_path_factory.mktemp("helm"), Path(real_node.kubeconfig))


@pytest.fixture(scope="module")
def release(real_node: Cluster, helm: Helm) -> Iterator[Installation]:
    """The broker of the dev overlay, and the operator as Helm installs it with its defaults."""
    remove(real_node)
    documents = yaml.safe_load_all(real_node.kubectl("kustomize", str(MANIFESTS / "overlays" / "dev")))
    wanted = [each for each in documents if each["kind"] == "Namespace" or "rabbitmq" in each["metadata"]["name"]]
    real_node.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(wanted))
    real_node.kubectl("create", "namespace", NAMESPACE)
    real_node.kubectl("-n", OPERATOR, "rollout", "status", "deployment/rabbitmq", "--timeout=120s")
    began = time.monotonic()
    helm.run("install", OPERATOR, CHART, "-n", OPERATOR, "--wait", "--timeout=60s")
    yield Installation(real_node, time.monotonic() - began)
    helm.run("uninstall", OPERATOR, "-n", OPERATOR, "--wait")
    real_node.kubectl("delete", "crd", "auditeventgenerators.auditflow.jojees.net", "--timeout=60s")
    remove(real_node)


def test_helm_waits_until_the_operator_is_ready(release: Installation) -> None:
    print(f"helm install --wait: {release.seconds_to_ready:.1f} s")
    assert release.seconds_to_ready <= 20


def test_a_sample_puts_events_into_the_queue(release: Installation) -> None:
    release.apply((MANIFESTS / "samples" / "01-minimal.yaml").read_text())
    with release.cluster.broker() as broker:
        seconds = eventually("an event is in the queue", 20, lambda: broker.depth("audit_events"))
    print(f"from the resource to its first event: {seconds:.1f} s")
    release.cluster.kubectl("-n", NAMESPACE, "delete", "aeg", "demo")


@pytest.mark.parametrize("replicas", [1, 3])
def test_a_rolling_update_under_load_pauses_no_stream_for_long_and_loses_nothing(
    replicas: int, release: Installation, helm: Helm
) -> None:
    cluster, names = release.cluster, [f"load-{replicas}-{number:02}" for number in range(STREAMS)]

    def upgrade(change: str) -> None:
        values = [
            f"replicas={replicas}",
            f"podAnnotations.example\\.com/change={change}",
            "settings.AEG_LOG_FORMAT=json",
        ]
        settings = [part for value in values for part in ("--set", value)]
        helm.run("upgrade", OPERATOR, CHART, "-n", OPERATOR, *settings, "--wait", "--timeout=120s")

    def pods() -> set[str]:
        return {pod["metadata"]["uid"] for pod in cluster.operator_pods()}

    upgrade("before")
    eventually("the pods are there", 60, lambda: len(pods()) == replicas)
    release.apply("---".join(map(STREAM.format, names)))
    with cluster.broker() as broker:
        for name in names:
            eventually(f"{name} runs", 30, lambda name=name: broker.depth(name) > 10)
        before = pods()
        upgrade("after")
        eventually("the old pods are gone", 60, lambda: len(pods()) == replicas and not pods() & before)
        for name in names:
            seen = broker.depth(name)
            eventually(f"{name} goes on", 30, lambda name=name, seen=seen: broker.depth(name) > seen + 10)
            release.patch(name, '{"suspend":true}')
        taken = {}
        for name in names:
            eventually(
                "it is suspended",
                10,
                lambda name=name: condition(release.generator(name), "Ready").get("reason") == "Suspended",
            )
            taken[name] = broker.take_all(name)
    pauses, close = [], []
    for messages in taken.values():
        due = sorted(datetime.fromisoformat(message.body["timestamp"]) for message in messages)
        gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(due)]
        pauses.append(max(gaps))
        close.append(sum(gap < INTERVAL_SECONDS / 2 for gap in gaps))
    print(f"{replicas} replicas, {STREAMS} streams: longest pause {max(pauses):.2f} s")
    assert max(pauses) <= LONGEST_PAUSE_SECONDS
    assert max(close) <= 2, "two pods at once would be at most half an interval apart at each of their events"
    for name, messages in taken.items():
        unique = {message.message_id for message in messages}

        def published(name: str = name) -> int:
            return release.generator(name)["status"]["eventsPublished"]

        count = len(unique)
        eventually(f"the status counts the {count} events", 45, lambda of=published, count=count: of() == count)
