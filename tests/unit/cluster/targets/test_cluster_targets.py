"""From a reference to a broker, or to a sentence on why not."""

import asyncio
import base64

import pytest

from audit_event_operator.cluster.api.errors import Forbidden, Unreachable
from audit_event_operator.cluster.targets.cluster_targets import ClusterTargets
from audit_event_operator.resource.broker_spec import TLSMode
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.resource.names import CREDENTIALS_LABEL
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target

DEFAULT = Target("own.broker", 5672, "/", "user", "password")
CA = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"
SECRET = TargetReference(TargetKind.SECRET, "team", "broker")
CLUSTER = TargetReference(TargetKind.CLUSTER, "team", "rabbit")


def secret(*, label="true", name="broker", **data):
    values = {"host": "rabbit.team", "username": "u", "password": "canary"} | data
    labels = {} if label is None else {CREDENTIALS_LABEL: label}
    encoded = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in values.items()}
    return {"metadata": {"name": name, "labels": labels}, "data": encoded}


async def default():
    return DEFAULT


@pytest.fixture
def cluster(cluster):
    cluster.secrets["team", "broker"] = secret()
    return cluster


@pytest.fixture
def targets(cluster):
    return ClusterTargets(cluster, default)


async def refused(targets, reference):
    with pytest.raises(DestinationUnavailable) as caught:
        await targets.resolve(reference)
    assert "canary" not in caught.value.message
    return caught.value


async def test_without_a_reference_it_is_the_operators_own_broker(targets):
    reference = targets.destination("team", parse_spec({})).reference
    assert reference == TargetReference(TargetKind.DEFAULT)
    assert await targets.resolve(reference) is DEFAULT


def test_without_any_broker_it_says_so(cluster):
    with pytest.raises(DestinationUnavailable) as caught:
        ClusterTargets(cluster, None).destination("team", parse_spec({}))
    assert caught.value.reason is Reason.NO_BROKER
    assert "secretRef" in caught.value.message


def test_the_operators_own_broker_may_be_for_some_namespaces_only(cluster):
    targets = ClusterTargets(cluster, default, default_namespaces=("ops",))
    assert targets.destination("ops", parse_spec({})).reference.kind is TargetKind.DEFAULT
    with pytest.raises(DestinationUnavailable, match='"team"') as caught:
        targets.destination("team", parse_spec({}))
    assert caught.value.reason is Reason.NO_BROKER


async def test_a_labelled_secret_is_a_broker(cluster, targets):
    cluster.secrets["team", "broker"] = secret(port="5671", vhost="audit")
    target = await targets.resolve(SECRET)
    assert (target.host, target.port, target.virtual_host, target.username) == ("rabbit.team", 5671, "audit", "u")
    assert target.tls is not None
    assert "canary" not in repr(target)


@pytest.mark.parametrize(
    ("found", "reason", "named"),
    [
        (secret(label=None), Reason.SECRET_NOT_ALLOWED, [CREDENTIALS_LABEL]),
        (None, Reason.SECRET_NOT_FOUND, ['"broker"', "spec.rabbitmq.secretRef.name"]),
        (secret(password="canary\n"), Reason.SECRET_INVALID, ["password"]),
    ],
)
async def test_a_secret_that_is_no_broker_is_told_by_what_is_wrong_with_it(cluster, targets, found, reason, named):
    cluster.secrets = {("team", "broker"): found} if found else {}
    error = await refused(targets, SECRET)
    assert error.reason is reason
    assert all(each in error.message for each in named)


@pytest.mark.parametrize(
    ("question", "reference", "reason", "right"),
    [
        ("get_secret", SECRET, Reason.SECRET_NOT_ALLOWED, "get secrets"),
        ("get_rabbitmq_cluster", CLUSTER, Reason.CLUSTER_NOT_FOUND, "rabbitmqclusters.rabbitmq.com"),
    ],
)
async def test_what_we_may_not_read_is_told_by_the_missing_right(cluster, targets, question, reference, reason, right):
    cluster.broken[question] = Forbidden("403")
    error = await refused(targets, reference)
    assert error.reason is reason
    assert right in error.message


async def test_many_who_ask_for_one_secret_at_once_share_one_answer(cluster, targets):
    cluster.latency_seconds = 0.01
    references = [SECRET, TargetReference(TargetKind.SECRET, "team", "broker", "other")] * 20
    found = await asyncio.gather(*(targets.resolve(reference) for reference in references))
    assert cluster.calls.count("get_secret") == 1
    assert {target.virtual_host for target in found} == {"/", "other"}
    await targets.resolve(SECRET)
    assert cluster.calls.count("get_secret") == 2


async def test_who_stops_waiting_does_not_spoil_it_for_the_others(cluster, targets):
    cluster.latency_seconds = 0.01
    first, second = (asyncio.create_task(targets.resolve(SECRET)) for _ in range(2))
    await asyncio.sleep(0.001)
    first.cancel()
    assert (await second).host == "rabbit.team"


async def test_while_the_api_server_is_away_the_last_known_broker_serves(cluster, targets):
    known = await targets.resolve(SECRET)
    cluster.broken["get_secret"] = Unreachable("away")
    assert await targets.resolve(SECRET) == known
    unknown = await refused(targets, TargetReference(TargetKind.SECRET, "team", "other"))
    assert unknown.reason is Reason.STARTING


async def test_a_broker_whose_secret_went_is_not_remembered(cluster, targets):
    await targets.resolve(SECRET)
    del cluster.secrets["team", "broker"]
    await refused(targets, SECRET)
    cluster.broken["get_secret"] = Unreachable("away")
    await refused(targets, SECRET)


def rabbitmq_cluster(tls=None, reference=None):
    reference = {"name": "rabbit-default-user", "namespace": "team"} if reference is None else reference
    return {"spec": {"tls": tls or {}}, "status": {"defaultUser": {"secretReference": reference}}}


async def test_a_rabbitmq_cluster_brings_its_default_user_and_needs_no_label(cluster, targets):
    cluster.rabbitmq_clusters["team", "rabbit"] = rabbitmq_cluster()
    cluster.secrets["team", "rabbit-default-user"] = secret(label=None, port="5672", connection_string="amqp://canary")
    target = await targets.resolve(CLUSTER)
    assert (target.port, target.tls) == (5672, None)


async def test_a_rabbitmq_cluster_with_certificates_is_verified_against_its_ca(cluster, targets):
    cluster.rabbitmq_clusters["team", "rabbit"] = rabbitmq_cluster({"secretName": "cert", "caSecretName": "ca"})
    cluster.secrets["team", "rabbit-default-user"] = secret(label=None, port="5672")
    cluster.secrets["team", "ca"] = secret(name="ca", ca_crt=CA)
    target = await targets.resolve(CLUSTER)
    assert target.port == 5671
    assert target.tls is not None
    assert target.tls.ca_pem == CA
    plain = await targets.resolve(TargetReference(TargetKind.CLUSTER, "team", "rabbit", None, TLSMode.DISABLED))
    assert (plain.port, plain.tls) == (5672, None)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, Reason.CLUSTER_NOT_FOUND),
        ({}, Reason.CLUSTER_NOT_FOUND),
        (rabbitmq_cluster(reference={"name": "x", "namespace": "elsewhere"}), Reason.CLUSTER_NOT_FOUND),
        (rabbitmq_cluster(), Reason.SECRET_NOT_FOUND),
    ],
)
async def test_a_rabbitmq_cluster_that_is_not_ready_is_told_apart(cluster, targets, found, reason):
    if found is not None:
        cluster.rabbitmq_clusters["team", "rabbit"] = found
    assert (await refused(targets, CLUSTER)).reason is reason
