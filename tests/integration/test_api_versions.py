"""The way to the next API version that decision 0023 describes: two versions of one schema, no conversion webhook."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from support.parts.controlplane import CRD_FILE, ControlPlane, Resource
from support.parts.generators import MERGE, Generators
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs, running_operator
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

NEXT = Resource("auditflow.jojees.net", "v1beta1", "auditeventgenerators")
CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{NEXT.crd_name}"


def with_next_version(*, storage: str) -> dict[str, Any]:
    """Our CRD with a second version that has the same schema, columns and subresources."""
    crd: dict[str, Any] = yaml.safe_load(CRD_FILE.read_text())
    (now,) = crd["spec"]["versions"]
    crd["spec"]["versions"] = [
        copy.deepcopy(now) | {"name": name, "storage": name == storage} for name in ("v1alpha1", "v1beta1")
    ]
    return crd


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster of its own: what it knows of versions must not reach other tests."""
    with ControlPlane(tmp_path_factory.mktemp("versions")) as running:
        running.install_crd()
        running.install_rbac()
        yield running


@pytest.fixture(scope="module")
def operator(
    plane: ControlPlane, rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator")
    with running_operator(plane, plane.operator_kubeconfig(), rabbitmq, folder) as running:
        yield running
        must_be_free_of_bugs(running)


def apply(plane: ControlPlane, crd: dict[str, Any]) -> None:
    plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(crd))
    wait_until(lambda: plane.request("GET", NEXT.path()).status == 200, what="the next version to be served")


def without_version(thing: dict[str, Any]) -> dict[str, Any]:
    return {part: value for part, value in thing.items() if part not in {"apiVersion", "metadata"}}


def test_a_second_version_of_the_same_schema_needs_no_webhook_and_disturbs_no_stream(plane, operator, queue) -> None:
    plane.create_namespace("versions")
    streams = Generators(plane, "versions")
    streams.create("demo", queue=queue, interval="100ms", eventsPerInterval=2)
    streams.wait_for("demo", "Publishing")
    assert operator.running

    apply(plane, with_next_version(storage="v1alpha1"))
    path = NEXT.path("versions", "demo")
    changed = plane.request("PATCH", path, {"spec": {"interval": "200ms"}}, content_type=MERGE)
    assert (changed.status, changed.body["apiVersion"]) == (200, "auditflow.jojees.net/v1beta1")
    wait_until(lambda: streams.status("demo")["targetRate"] == "10/s", what="a change made as the next version")
    plane.request("PATCH", f"{path}/scale", {"spec": {"replicas": 4}}, content_type=MERGE)
    wait_until(lambda: streams.status("demo")["targetRate"] == "20/s", what="the dial of the next version")
    streams.patch("demo", suspend=True)
    streams.wait_for("demo", "Suspended")
    assert without_version(plane.request("GET", path).body) == without_version(streams.get("demo"))

    apply(plane, with_next_version(storage="v1beta1"))
    wait_until(
        lambda: plane.request("GET", CRD).body["status"]["storedVersions"] == ["v1alpha1", "v1beta1"],
        what="two versions to be stored",
    )
    streams.patch("demo", suspend=False)  # which also stores it anew
    streams.wait_for("demo", "Publishing")
    done = plane.request("PATCH", f"{CRD}/status", {"status": {"storedVersions": ["v1beta1"]}}, content_type=MERGE)
    assert done.body["status"]["storedVersions"] == ["v1beta1"]
    streams.patch("demo", eventsPerInterval=1)
    wait_until(lambda: streams.status("demo")["targetRate"] == "5/s", what="a change made as the present version")
