"""The first minutes of a user: the smallest sample, its events, and what kubectl shows of it."""

import ipaddress
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from support.parts.controlplane import REPOSITORY, ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess
from support.parts.rabbitmq import Broker, Message

SAMPLE = REPOSITORY / "manifests" / "samples" / "01-minimal.yaml"
QUEUE = "audit_events"
KEYS = {
    "event_id", "timestamp", "source_service", "server_hostname", "event_type",
    "severity", "user_id", "action_result", "details",
}  # fmt: skip
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture(scope="module")
def operator(run_operator) -> Iterator[OperatorProcess]:
    with run_operator() as running:
        yield running


@pytest.fixture
def demo(operator: OperatorProcess, cluster: ControlPlane, namespace: str, rabbitmq: Broker) -> Iterator[Generators]:
    """A namespace in which the sample will be called demo, and no queue yet."""
    rabbitmq.delete(QUEUE)
    generators = Generators(cluster, namespace)
    yield generators
    cluster.kubectl("delete", "-n", namespace, "-f", SAMPLE, "--ignore-not-found")
    operator.wait_until(lambda: operator.status_of(f"/generators/{namespace}/demo") == 404, what="the end of demo")
    rabbitmq.delete(QUEUE)


def must_be_the_seeds(message: Message) -> None:
    """Exactly the keys that consumers know, and the two that they look for at the top where the details have them."""
    body, properties = message.json(), message.properties
    details = body["details"]
    promoted = {"resource"} & set(details) | ({"client_ip"} if "ip_address" in details else set())
    assert set(body) == KEYS | promoted
    assert body.get("resource") == details.get("resource")
    assert body.get("client_ip") == details.get("ip_address")
    if "client_ip" in body:
        ipaddress.ip_address(body["client_ip"])
    assert uuid.UUID(body["event_id"]).version == 4
    assert TIMESTAMP.fullmatch(body["timestamp"])
    assert body["source_service"] == "audit-event-generator"

    assert properties.content_type == "application/json"
    assert properties.delivery_mode == 2
    assert properties.message_id == body["event_id"]
    assert properties.type == body["event_type"]
    assert properties.app_id == "audit-event-operator"
    assert abs(properties.timestamp - time.time()) < 60
    assert not properties.headers, "there is a header from the second attempt on"


def test_the_first_event_of_the_smallest_sample_is_in_the_queue_within_two_seconds(demo, rabbitmq) -> None:
    demo.cluster.kubectl("apply", "-n", demo.namespace, "-f", SAMPLE)
    applied = time.monotonic()
    (first,) = rabbitmq.take(QUEUE, 1, timeout_seconds=10)
    assert time.monotonic() - applied <= 2
    must_be_the_seeds(first)


def test_kubectl_waits_for_it_and_shows_it(demo) -> None:
    kubectl = demo.cluster.kubectl
    kubectl("apply", "-n", demo.namespace, "-f", SAMPLE)
    kubectl("wait", "-n", demo.namespace, "aeg/demo", "--for=condition=Ready", "--timeout=10s")
    header, row = kubectl("get", "aeg", "-n", demo.namespace).stdout.splitlines()
    assert header.split() == [
        "NAME",
        "READY",
        "REASON",
        "DESTINATION",
        "INTERVAL",
        "RATE",
        "OBSERVED",
        "PUBLISHED",
        "AGE",
    ]
    assert row.split()[:6] == ["demo", "True", "Publishing", QUEUE, "5s", "0.2/s"]
    assert int(row.split()[7]) >= 1
    header, row = kubectl("get", "aeg", "-n", demo.namespace, "-o", "wide").stdout.splitlines()
    assert header.split()[9:] == ["SUSPENDED", "BROKER", "OWNER", "MESSAGE"]
    assert kubectl("get", "auditflow", "-n", demo.namespace, "-o", "name").stdout.split()


def test_all_seven_templates_have_the_seeds_keys(demo, rabbitmq) -> None:
    demo.create("demo", interval="10ms", randomSeed=7)
    messages = rabbitmq.take(QUEUE, 150)
    for message in messages:
        must_be_the_seeds(message)
    kinds = {(body["event_type"], body["action_result"]) for body in (message.json() for message in messages)}
    assert kinds == {
        ("user_login", "FAILURE"), ("user_login", "SUCCESS"), ("sudo_command", "SUCCESS"),
        ("file_modified", "MODIFIED"), ("service_status_change", "STARTED"), ("service_status_change", "STOPPED"),
        ("user_account_management", "CREATED"),
    }  # fmt: skip
    assert len({message.properties.message_id for message in messages}) == 150


def test_the_queue_is_a_plain_durable_one(demo, rabbitmq) -> None:
    demo.create("demo")
    rabbitmq.take(QUEUE, 1)
    rabbitmq.declare(QUEUE)  # any other arguments, or a transient one, and the broker would refuse this


def test_kubectl_explain_documents_every_field(cluster) -> None:
    explained = cluster.kubectl("explain", "aeg.spec", "--recursive").stdout
    crd: Any = cluster.request("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + CRD).body
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    undocumented = [path for path, schema in _fields(spec) if not schema.get("description")]
    assert not undocumented
    for path, _ in _fields(spec):
        assert re.search(rf"^\s*{path.rsplit('.', 1)[-1]}\s*<", explained, re.MULTILINE), path


CRD = "auditeventgenerators.auditflow.jojees.net"


def _fields(schema: dict[str, Any], path: str = "spec") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, member in schema.get("properties", {}).items():
        yield f"{path}.{name}", member
        yield from _fields(member.get("items", member), f"{path}.{name}")
