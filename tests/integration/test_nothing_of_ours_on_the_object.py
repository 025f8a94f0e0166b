"""Whatever happens to a resource, the operator writes its status and nothing else: all its versions are looked at."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.parts.controlplane import GENERATORS, REPOSITORY, ControlPlane
from support.parts.generators import API_VERSION, Generators
from support.parts.operator_process import OperatorProcess
from support.parts.rabbitmq import Broker

OURS_TO_CHANGE = {"resourceVersion", "managedFields"}


@pytest.fixture(scope="module")
def operator(run_operator) -> Iterator[OperatorProcess]:
    with run_operator(AEG_STATUS_COUNTER_SECONDS="0.5") as running:
        yield running


@pytest.fixture
def apply(operator: OperatorProcess, cluster: ControlPlane, namespace: str) -> Callable[..., dict[str, Any]]:
    """kubectl apply, as a GitOps tool would; returns the object right after it."""

    def apply(name: str, **spec: Any) -> dict[str, Any]:
        metadata = {"name": name, "labels": {"team": "shop"}, "annotations": {"note": "by a person"}}
        body = {"apiVersion": API_VERSION, "kind": "AuditEventGenerator", "metadata": metadata, "spec": spec}
        command = ["apply", "--server-side", "--field-manager=git", "-n", namespace, "-f", "-"]
        command += ["-o", "json", "--show-managed-fields"]
        answer: dict[str, Any] = json.loads(cluster.kubectl(*command, input=json.dumps(body)).stdout)
        return answer

    return apply


def what_belongs_to_others(thing: dict[str, Any]) -> dict[str, Any]:
    """The object without its status and without the API server's own bookkeeping."""
    metadata = {key: value for key, value in thing["metadata"].items() if key not in OURS_TO_CHANGE}
    managers = [entry for entry in thing["metadata"]["managedFields"] if entry.get("subresource") != "status"]
    return {"metadata": metadata, "managers": managers, "spec": thing["spec"]}


@pytest.mark.row(41)
def test_no_version_of_a_resource_has_anything_of_the_operators_but_the_status(
    apply, operator, generators, cluster, namespace, queue, measured
) -> None:
    run = {"queue": queue, "interval": "20ms", "maxEvents": 20}
    steps: list[tuple[dict[str, Any], str]] = [
        ({"queue": queue}, "Publishing"),
        ({"queue": queue, "interval": "100ms", "eventMix": {"sudo_command": 1}}, "Publishing"),
        ({"queue": queue, "suspend": True}, "Suspended"),
        ({"queue": queue, "rabbitmq": {"secretRef": {"name": "nowhere"}}}, "SecretNotFound"),
        ({"queue": f"{queue}-missing", "queueDeclaration": {"mode": "MustExist"}}, "QueueNotFound"),
        (run, "Completed"),
        (run | {"runId": "again"}, "Completed"),
        ({"queue": queue, "interval": "100ms"}, "Publishing"),
    ]
    wanted = [apply("stream", **steps[0][0])]
    for spec, reason in steps:
        if spec is not steps[0][0]:
            wanted.append(apply("stream", **spec))
        generators.wait_observed("stream", wanted[-1]["metadata"]["generation"])
        generators.wait_for("stream", reason)
    owner = generators.status("stream")["owner"]
    operator.stop()
    operator.start()
    operator.wait_until(lambda: generators.status("stream")["owner"] != owner, what="the next process")

    expected = {each["metadata"]["generation"]: what_belongs_to_others(each) for each in wanted}
    first = wanted[0]["metadata"]["resourceVersion"]
    versions = every_version(cluster, GENERATORS.path(namespace), first)
    assert len(versions) > 2 * len(steps), "there were many writes of the status"
    for version in versions:
        assert what_belongs_to_others(version) == expected[version["metadata"]["generation"]]
        assert set(version["metadata"]) <= {
            "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
            "labels", "annotations", "managedFields",
        }  # fmt: skip
    last = versions[-1]
    assert last["metadata"]["annotations"] == {"note": "by a person"}
    assert [entry["manager"] for entry in last["metadata"]["managedFields"] if "subresource" not in entry] == ["git"]
    assert {entry["manager"] for entry in last["metadata"]["managedFields"]} == {"git", "audit-event-operator"}
    measured(
        f"{len(versions)} versions of a resource through {len(steps)} changes and a restart: ours is the status alone"
    )


def every_version(cluster: ControlPlane, collection: str, resource_version: str) -> list[dict[str, Any]]:
    """All versions of a collection's objects since that one, as a watch tells them."""
    query = f"watch=1&timeoutSeconds=1&resourceVersion={resource_version}"
    lines = cluster.kubectl("get", "--raw", f"{collection}?{query}").stdout.splitlines()
    return [json.loads(line)["object"] for line in lines if line]


@pytest.fixture
def living(
    operator: OperatorProcess, generators: Generators, rabbitmq: Broker
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Waits until the operator has written about every resource of the namespace; returns them."""

    def written() -> bool:
        statuses = [each["status"] for each in generators.items()]
        settled = all(
            each["observedGeneration"] == 1 and each["conditions"][0]["reason"] != "Starting" for each in statuses
        )
        flowing = (each for each in statuses if settled and each["conditions"][0]["reason"] == "Publishing")
        # One event, not more: a sample that follows the hours of an office says little at night.
        return settled and all(each["eventsPublished"] >= 1 for each in flowing)

    def live() -> list[dict[str, Any]]:
        operator.wait_until(written, what="what the operator says", timeout_seconds=60)
        return generators.items()

    yield live
    for each in generators.items():
        generators.delete(each["metadata"]["name"])
        gone = f"/generators/{generators.namespace}/{each['metadata']['name']}"
        operator.wait_until(lambda path=gone: operator.status_of(path) == 404, what="its end")
        rabbitmq.delete(each["spec"]["queue"])
        if truth := each["spec"].get("groundTruth", {}).get("queue"):
            rabbitmq.delete(truth)


@pytest.mark.parametrize("way", [(), ("--server-side",)], ids=["client-side", "server-side"])
@pytest.mark.parametrize(
    "sample", sorted((REPOSITORY / "manifests" / "samples").glob("*.yaml")), ids=lambda file: file.stem
)
def test_kubectl_sees_no_difference_to_a_sample_that_lives(living, cluster, namespace, sample, way) -> None:
    cluster.kubectl("apply", *way, "-n", namespace, "-f", sample)
    before = living()
    diff = cluster.kubectl("diff", *way, "-n", namespace, "-f", sample, check=False)
    assert (diff.returncode, diff.stdout, diff.stderr) == (0, "", "")
    again = cluster.kubectl("apply", *way, "-n", namespace, "-f", sample).stdout.splitlines()
    assert [line for line in again if line.startswith("auditeventgenerator")] == [
        f"auditeventgenerator.auditflow.jojees.net/{each['metadata']['name']} {'serverside-applied' if way else 'unchanged'}"
        for each in before
    ]
    assert [what_belongs_to_others(each) for each in living()] == [what_belongs_to_others(each) for each in before]
