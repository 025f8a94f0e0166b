"""The operator has no right too many: take each one away, and what is missed says so in a sentence."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.parts.controlplane import LEASES, OPERATOR, ControlPlane
from support.parts.operator_process import OperatorProcess

ROLES = {
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles/audit-event-operator",
    "Role": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{OPERATOR}/roles/audit-event-operator-lease",
}


@pytest.fixture
def without(cluster: ControlPlane) -> Iterator[Callable[[str, str, str], None]]:
    """without(kind, resource, verb): take that right away until the test is over."""
    before = {kind: cluster.request("GET", path).body["rules"] for kind, path in ROLES.items()}

    def take_away(kind: str, resource: str, verb: str) -> None:
        rules = copy.deepcopy(before[kind])
        for rule in rules:
            if resource in rule["resources"] and verb in rule["verbs"]:
                rule["verbs"].remove(verb)
        put(kind, [rule for rule in rules if rule["verbs"]])

    def put(kind: str, rules: list[dict[str, Any]]) -> None:
        patch = [{"op": "replace", "path": "/rules", "value": rules}]
        answer = cluster.request("PATCH", ROLES[kind], patch, content_type="application/json-patch+json")
        assert answer.status == 200, answer.body

    yield take_away
    for kind, rules in before.items():
        put(kind, rules)


def readiness(operator: OperatorProcess) -> str:
    try:
        return operator.get("/readyz").body.decode()
    except OSError:
        return ""


@pytest.mark.row(45)
@pytest.mark.parametrize(
    ("kind", "resource", "verb", "named"),
    [
        ("ClusterRole", "auditeventgenerators", "list", "list auditeventgenerators.auditflow.jojees.net"),
        ("ClusterRole", "auditeventgenerators", "watch", "watch auditeventgenerators.auditflow.jojees.net"),
        ("Role", "leases", "list", "list leases.coordination.k8s.io"),
        ("Role", "leases", "create", "create leases.coordination.k8s.io"),
    ],
)
def test_without_this_right_it_is_not_ready_and_names_it(
    cluster, start_operator, without, kind, resource, verb, named, measured
) -> None:
    without(kind, resource, verb)
    operator = start_operator(ready=False)
    operator.wait_until(lambda: f"may not {named}" in readiness(operator), what=f"{named} in /readyz")
    assert operator.status_of("/readyz") == 503
    assert operator.status_of("/livez") == 200
    operator.wait_for_log(f"may not {named}")
    assert operator.running
    measured(f"{verb} {resource}: /readyz and log")


@pytest.mark.row(45)
def test_without_the_right_to_renew_it_works_alone_and_names_it(
    generators, queue, start_operator, without, rabbitmq, measured
) -> None:
    without("Role", "leases", "update")
    operator = start_operator()
    generators.create("demo", queue=queue, interval="100ms")
    operator.wait_for_log("may not update leases.coordination.k8s.io")
    assert rabbitmq.take(queue, 3)
    measured("update leases: log, and events of one that is alone go on")


@pytest.mark.row(45)
def test_without_the_right_to_delete_it_leaves_its_lease_behind_and_says_so(
    cluster, start_operator, without, measured
) -> None:
    without("Role", "leases", "delete")
    operator = start_operator()
    assert operator.stop().exit_code == 0
    assert "may not delete leases.coordination.k8s.io" in operator.log
    left = [each["spec"]["holderIdentity"] for each in cluster.request("GET", LEASES).body["items"]]
    assert set(left) == {""}, "all buckets were given back"
    measured("delete leases: log, its own Lease stays until somebody deletes it")


@pytest.mark.row(45)
@pytest.mark.parametrize(
    ("resource", "verb", "named"),
    [
        ("auditeventgenerators/status", "patch", "patch auditeventgenerators.auditflow.jojees.net/status"),
        ("events", "create", "create events"),
    ],
)
def test_without_this_right_it_works_but_cannot_tell_and_names_it_in_the_log(
    generators, queue, start_operator, without, rabbitmq, resource, verb, named, measured
) -> None:
    without("ClusterRole", resource, verb)
    operator = start_operator()
    generators.create("demo", queue=queue, interval="100ms")
    operator.wait_for_log(f"may not {named}")
    assert rabbitmq.take(queue, 3)
    measured(f"{verb} {resource}: log, and events go on")


@pytest.mark.row(45)
def test_without_the_right_to_read_secrets_the_resource_says_so(generators, start_operator, without, measured) -> None:
    without("ClusterRole", "secrets", "get")
    start_operator()
    generators.create("demo", rabbitmq={"secretRef": {"name": "broker"}})

    assert "get secrets" in generators.wait_for("demo", "SecretNotAllowed", timeout_seconds=30)["message"]
    measured("get secrets: condition")
