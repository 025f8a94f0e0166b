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
STREAM = """
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata: {name: loaded}
spec: {queue: audit_upgrade, interval: 20ms}
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


def test_an_upgrade_under_load_pauses_the_stream_for_a_moment_and_loses_nothing(
    release: Installation, helm: Helm
) -> None:
    cluster = release.cluster
    release.apply(STREAM)
    with cluster.broker() as broker:
        eventually("the stream runs", 30, lambda: broker.depth("audit_upgrade") > 200)
        (before,) = cluster.operator_pods()
        changed = ["--set", "podAnnotations.example\\.com/change=again", "--set", "settings.AEG_LOG_FORMAT=json"]
        helm.run("upgrade", OPERATOR, CHART, "-n", OPERATOR, *changed, "--wait", "--timeout=120s")
        seen = broker.depth("audit_upgrade")
        eventually("the new pod generates", 30, lambda: broker.depth("audit_upgrade") > seen + 200)
        eventually("the old pod is gone", 60, lambda: len(cluster.operator_pods()) == 1)
        (after,) = cluster.operator_pods()
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        release.patch("loaded", '{"suspend":true}')
        eventually(
            "it is suspended", 10, lambda: condition(release.generator("loaded"), "Ready").get("reason") == "Suspended"
        )
        messages = broker.take_all("audit_upgrade")
    due = sorted(datetime.fromisoformat(message.body["timestamp"]) for message in messages)
    pause = max((later - earlier).total_seconds() for earlier, later in pairwise(due))
    print(f"longest pause: {pause:.2f} s in {len(due)} events")
    assert pause <= LONGEST_PAUSE_SECONDS
    unique = {message.message_id for message in messages}

    def published() -> int:
        return release.generator("loaded")["status"]["eventsPublished"]

    eventually(f"the status counts the {len(unique)} events of the queue", 45, lambda: published() == len(unique))
