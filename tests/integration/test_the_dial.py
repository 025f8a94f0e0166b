"""`kubectl scale` turns the rate of a running stream, and whoever may turn it may do nothing else."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.parts.consumer import Consumer
from support.parts.controlplane import GENERATORS, ControlPlane
from support.parts.generators import MERGE
from support.parts.operator_process import OperatorProcess
from support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("operator")

MOST_SECONDS = 1.0
"""From the API server's answer to the effect in the queue."""
CONNECTS = "audit_event_operator_broker_connects_total"


@pytest.fixture(scope="module")
def operator(run_operator) -> Iterator[OperatorProcess]:
    with run_operator(AEG_STATUS_COUNTER_SECONDS="1") as running:
        yield running


@pytest.fixture
def dialer(cluster: ControlPlane, namespace: str) -> Path:
    """The kubeconfig of somebody who has nothing but the role aeg-dialer in this namespace."""
    cluster.kubectl("create", "rolebinding", "dialer", "-n", namespace, "--clusterrole=aeg-dialer", "--user=alice")
    return cluster.user_kubeconfig("alice", namespace)


def in_the_last(seconds: float, consumer: Consumer) -> int:
    """How many events came within the last so many seconds."""
    since = time.monotonic() - seconds
    return sum(each.at >= since for each in consumer.arrivals)


def scaled(cluster: ControlPlane, namespace: str, replicas: int, kubeconfig: Path | None = None) -> float:
    """kubectl scale, and when the API server had taken it."""
    done = cluster.kubectl("scale", "aeg/demo", f"--replicas={replicas}", "-n", namespace, kubeconfig=kubeconfig)
    assert done.stdout == "auditeventgenerator.auditflow.jojees.net/demo scaled\n"
    return time.monotonic()


def test_kubectl_scale_takes_effect_in_the_queue_within_a_second_and_keeps_the_counters(
    generators, cluster, namespace, operator, consumer, queue, dialer, measured
) -> None:
    generators.create("demo", queue=queue, interval="100ms")
    generators.wait_for("demo", "Publishing")
    started, connects = generators.status("demo")["startTime"], operator.metric(CONNECTS)
    delays = []

    def since(taken: float, seen: float) -> None:
        delays.append(seen - taken)
        assert seen - taken <= MOST_SECONDS

    taken = scaled(cluster, namespace, 50, kubeconfig=dialer)
    wait_until(lambda: in_the_last(0.1, consumer) >= 50, what="fifty a tick", every_seconds=0.005)
    since(taken, time.monotonic())

    taken = scaled(cluster, namespace, 0)
    since(taken, max(taken, consumer.wait_for_silence(1.5)))
    ready = generators.wait_for("demo", "Idle")
    assert (ready["status"], generators.status("demo")["targetRate"]) == ("True", "0/s")
    assert generators.status("demo")["eventsPerInterval"] == 0
    assert "replicas" not in cluster.request("GET", f"{GENERATORS.path(namespace, 'demo')}/scale").body["spec"]

    before = len(consumer)
    taken = scaled(cluster, namespace, 5)
    consumer.wait_for(before + 5)
    since(taken, consumer.arrivals[before].at)
    generators.wait_for("demo", "Publishing")
    assert generators.status("demo")["targetRate"] == "50/s"

    scaled(cluster, namespace, 0)
    consumer.wait_for_silence(1)
    wait_until(
        lambda: generators.status("demo")["eventsPublished"] == len(consumer),
        what="one count from the first event on",
        explain=lambda: (len(consumer), generators.status("demo")),
    )
    assert generators.status("demo")["startTime"] == started, "the run goes on"
    assert operator.metric(CONNECTS) == connects, "and so does the connection"
    measured(f"kubectl scale 1, 50, 0, 5: in the queue after {', '.join(f'{each:.2f}' for each in delays)} s")


def test_the_scale_object_has_what_autoscalers_ask_for(generators, cluster, namespace, queue) -> None:
    uid = generators.create("demo", queue=queue, interval="1s", eventsPerInterval=7)["metadata"]["uid"]
    generators.wait_for("demo", "Publishing")
    scale = cluster.request("GET", f"{GENERATORS.path(namespace, 'demo')}/scale").body
    assert scale["kind"] == "Scale"
    assert scale["spec"] == {"replicas": 7}
    assert scale["status"] == {"replicas": 7, "selector": f"auditflow.jojees.net/generator-uid={uid}"}


@pytest.mark.parametrize(
    "replicas, interval, says",
    [
        (20_000, "1s", "spec.eventsPerInterval in body should be less than or equal to 10000"),
        (101, "10ms", "eventsPerInterval above 100 needs an interval of at least 100ms"),
    ],
)
def test_what_the_schema_refuses_cannot_be_dialled(
    replicas, interval, says, generators, cluster, namespace, queue
) -> None:
    generators.create("demo", queue=queue, interval=interval, suspend=True)
    done = cluster.kubectl("scale", "aeg/demo", f"--replicas={replicas}", "-n", namespace, check=False)
    assert says in done.stderr
    assert generators.get("demo")["spec"]["eventsPerInterval"] == 1


def test_a_dial_that_somebody_else_has_turned_can_be_left_alone(generators, cluster, namespace, queue) -> None:
    generators.create("demo", queue=queue, eventsPerInterval=3, suspend=True)
    command = "scale", "aeg/demo", "-n", namespace, "--replicas=9", "--current-replicas=2"
    assert "Expected replicas to be 2, was 3" in cluster.kubectl(*command, check=False).stderr


def test_an_apply_that_does_not_name_the_dial_leaves_it_where_it_was_turned_to(
    generators, cluster, namespace, queue, tmp_path
) -> None:
    manifest = tmp_path / "demo.yaml"
    manifest.write_text(
        "apiVersion: auditflow.jojees.net/v1alpha1\nkind: AuditEventGenerator\nmetadata: {name: demo}\n"
        f"spec: {{queue: {queue}, suspend: true}}\n"
    )
    apply = "apply", "--server-side", "--field-manager=git", "-n", namespace, "-f", manifest
    cluster.kubectl(*apply)
    scaled(cluster, namespace, 12)
    cluster.kubectl(*apply)
    assert generators.get("demo")["spec"]["eventsPerInterval"] == 12


MAY = [("get", ""), ("get", "scale"), ("update", "scale"), ("patch", "scale")]
MAY_NOT = [
    *((verb, "") for verb in ("list", "watch", "create", "update", "patch", "delete", "deletecollection")),
    *((verb, "status") for verb in ("get", "update", "patch")),
    ("create", "events"),
    *((verb, "scale") for verb in ("create", "delete")),
]


@pytest.mark.parametrize(
    "verb, subresource, allowed", [(*each, True) for each in MAY] + [(*each, False) for each in MAY_NOT]
)
def test_the_rights_of_a_dialer(verb, subresource, allowed, cluster, namespace, dialer) -> None:
    question = ["auth", "can-i", verb, GENERATORS.plural, "-n", namespace]
    question += [f"--subresource={subresource}"] if subresource else []
    assert cluster.kubectl(*question, kubeconfig=dialer, check=False).stdout == ("yes\n" if allowed else "no\n")


@pytest.mark.parametrize("resource", ["secrets", "configmaps", "pods", "events", "deployments.apps/scale", "leases"])
def test_a_dialer_may_do_nothing_with_anything_else(resource, cluster, namespace, dialer) -> None:
    for verb in ("get", "list", "create", "patch", "delete"):
        question = "auth", "can-i", verb, resource, "-n", namespace
        assert cluster.kubectl(*question, kubeconfig=dialer, check=False).stdout == "no\n"


@pytest.mark.parametrize("replicas", [0, 50])
def test_a_dialer_turns_the_dial_by_scale_and_by_patch_and_cannot_redirect_the_stream(
    replicas, generators, cluster, namespace, dialer, queue
) -> None:
    generators.create("demo", queue=queue, eventsPerInterval=3, suspend=True)
    scaled(cluster, namespace, replicas, kubeconfig=dialer)
    assert generators.get("demo")["spec"]["eventsPerInterval"] == replicas
    patch = "patch", "aeg/demo", "-n", namespace, "--type=merge"
    by_patch = '{"spec":{"replicas":8}}'
    cluster.kubectl(*patch, "--subresource=scale", "-p", by_patch, kubeconfig=dialer)
    assert generators.get("demo")["spec"]["eventsPerInterval"] == 8
    for change in (
        '{"spec":{"queue":"elsewhere"}}',
        '{"spec":{"eventsPerInterval":9}}',
        '{"metadata":{"labels":{"a":"b"}}}',
    ):
        refused = cluster.kubectl(*patch, "-p", change, kubeconfig=dialer, check=False)
        assert "Forbidden" in refused.stderr
        assert 'User "alice" cannot patch resource "auditeventgenerators"' in refused.stderr
    scale = f"{GENERATORS.path(namespace, 'demo')}/scale"
    cluster.request("PATCH", scale, {"spec": {"queue": "elsewhere"}}, content_type=MERGE, token="token-of-alice")
    assert generators.get("demo")["spec"]["queue"] == queue


def test_who_may_edit_may_scale_and_who_may_view_may_look(generators, cluster, namespace, queue) -> None:
    generators.create("demo", queue=queue, suspend=True)
    for user, role in (("alice", "view"), ("bob", "edit")):  # ours, without the controller that aggregates them
        role = f"--clusterrole=audit-event-operator-{role}"
        cluster.kubectl("create", "rolebinding", f"{user}-ours", "-n", namespace, role, f"--user={user}")
    cluster.kubectl(
        "create", "rolebinding", "bob-reads", "-n", namespace, "--clusterrole=audit-event-operator-view", "--user=bob"
    )
    scaled(cluster, namespace, 4, kubeconfig=cluster.user_kubeconfig("bob"))
    viewer = cluster.user_kubeconfig("alice")
    refused = cluster.kubectl("scale", "aeg/demo", "--replicas=9", "-n", namespace, kubeconfig=viewer, check=False)
    assert 'cannot patch resource "auditeventgenerators/scale"' in refused.stderr
    assert generators.get("demo")["spec"]["eventsPerInterval"] == 4
