"""The rights of the manifests are all that the operator has, all that it needs, and may come and go while it works.

test_cluster_rights takes away the rights of the base one by one; here are the components', and that no right is untested.
"""

import copy
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.faults.scraper import scrape
from support.parts.api_proxy import ApiProxy
from support.parts.controlplane import GENERATORS, OPERATOR, REPOSITORY, ControlPlane
from support.parts.operator_process import SERIES
from support.waiting import wait_until

RBAC = "/apis/rbac.authorization.k8s.io/v1"
OURS = {
    "ClusterRole": f"{RBAC}/clusterroles/audit-event-operator",
    "Role": f"{RBAC}/namespaces/{OPERATOR}/roles/audit-event-operator-lease",
}
JSON_PATCH = "application/json-patch+json"
RABBITMQ_CLUSTERS = "/apis/rabbitmq.com/v1beta1/namespaces/{}/rabbitmqclusters"

# Right → the test that takes it away and sees what is missed. Whoever adds a right adds a test.
TESTED = {
    "get auditeventgenerators": "test_rights: a stranger of the same name",
    "list auditeventgenerators": "test_cluster_rights: not ready",
    "watch auditeventgenerators": "test_cluster_rights: not ready",
    "patch auditeventgenerators/status": "test_cluster_rights: cannot tell",
    "create events": "test_cluster_rights: cannot tell",
    "get secrets": "test_cluster_rights: the resource says so",
    "create leases": "test_cluster_rights: not ready",
    "list leases": "test_cluster_rights: not ready",
    "update leases": "test_cluster_rights: works alone",
    "delete leases": "test_cluster_rights: leaves its Lease behind",
    "create tokenreviews": "test_rights: who may post",
    "create subjectaccessreviews": "test_rights: who may post",
    "get rabbitmqclusters": "test_rights: a RabbitmqCluster",
}


def rendered(cluster: ControlPlane, folder: Path, *components: str) -> list[dict[str, Any]]:
    """What the manifests say with these components."""
    manifests = Path(os.path.relpath(REPOSITORY / "manifests", folder))
    wanted = {
        "resources": [str(manifests / "base")],
        "components": [str(manifests / "components" / component) for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    return [each for each in yaml.safe_load_all(cluster.kubectl("kustomize", folder).stdout) if each]


def roles_of_the_operator(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The roles that are bound to its ServiceAccount."""
    account = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": OPERATOR}
    bound = {
        (each["roleRef"]["kind"], each["roleRef"]["name"])
        for each in documents
        if each["kind"].endswith("RoleBinding") and account in each["subjects"]
    }
    return [each for each in documents if (each["kind"], each["metadata"]["name"]) in bound]


@pytest.fixture
def give(cluster: ControlPlane, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """give(component, only=None): apply the component's role, or just its rules about `only`, until the test is over."""
    given: list[str] = []

    def apply(component: str, only: str | None = None) -> None:
        folder = tmp_path / component
        folder.mkdir(exist_ok=True)
        name = f"{OPERATOR}-{component}"
        wanted = [
            copy.deepcopy(each) for each in rendered(cluster, folder, component) if each["metadata"]["name"] == name
        ]
        assert {each["kind"] for each in wanted} == {"ClusterRole", "ClusterRoleBinding"}
        for each in wanted:
            if only is not None and "rules" in each:
                each["rules"] = [rule for rule in each["rules"] if only in rule["resources"]]
        given.append(name)
        cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(wanted))

    yield apply
    for name in set(given):
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", name)


class Rights:
    """The rules of the operator's roles, to be taken away and given back."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self._before = {kind: cluster.request("GET", path).body["rules"] for kind, path in OURS.items()}

    def take_away(self, resource: str, verb: str) -> None:
        """Take one verb away."""
        for kind, rules in copy.deepcopy(self._before).items():
            for rule in rules:
                if resource in rule["resources"]:
                    rule["verbs"] = [each for each in rule["verbs"] if each != verb]
            self._put(kind, [rule for rule in rules if rule["verbs"]])

    def take_all_away(self) -> None:
        for kind in self._before:
            self._put(kind, [])

    def give_back(self) -> None:
        for kind, rules in self._before.items():
            self._put(kind, rules)

    def _put(self, kind: str, rules: list[dict[str, Any]]) -> None:
        patch = [{"op": "replace", "path": "/rules", "value": rules}]
        answer = self._cluster.request("PATCH", OURS[kind], patch, content_type=JSON_PATCH)
        assert answer.status == 200, answer.body


@pytest.fixture
def rights(cluster: ControlPlane) -> Iterator[Rights]:
    """Complete again when the test is over."""
    found = Rights(cluster)
    yield found
    found.give_back()


def test_every_right_of_the_manifests_is_missed_in_a_test(cluster, tmp_path) -> None:
    documents = rendered(cluster, tmp_path, "access-reviews", "rabbitmqclusters")
    found = [
        f"{verb} {resource}"
        for role in roles_of_the_operator(documents)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert sorted(found) == sorted(TESTED), "each right stands there once, and somebody misses it when it is gone"
    assert "*" not in json.dumps([role["rules"] for role in roles_of_the_operator(documents)])


def test_all_rights_may_go_while_it_works_and_with_them_back_all_is_well(
    generators, queue, rights, start_operator
) -> None:
    operator = start_operator(AEG_RESYNC_SECONDS="2", AEG_STATUS_COUNTER_SECONDS="1")
    generators.create("demo", queue=queue, interval="100ms")
    generators.wait_ready("demo", "True", "Publishing")
    rights.take_all_away()
    for named in ("list auditeventgenerators", "patch auditeventgenerators", "update leases"):
        operator.wait_for_log(f"may not {named}")
    count = scrape(operator).each("events_published_total", "demo")
    operator.wait_until(
        lambda: scrape(operator).each("events_published_total", "demo") > count + 20, what="events without any right"
    )
    assert operator.status_of("/livez") == 200
    rights.give_back()
    generators.patch("demo", interval="70ms")
    operator.wait_until(
        lambda: operator.metric(f"{SERIES}interval_seconds", generator="demo") == 0.07, what="the patch"
    )
    operator.wait_until(
        lambda: generators.status("demo")["observedGeneration"] == 2, what="the status", timeout_seconds=60
    )
    operator.wait_until(lambda: operator.status_of("/readyz") == 200, what="readiness")
    assert operator.get_json("/healthz")["leader"] is True


@pytest.mark.parametrize("allowed", [True, False])
def test_the_right_to_get_a_resource_tells_a_stranger_of_the_same_name(
    allowed, generators, cluster, queue, tmp_path, rights, operator_kubeconfig, start_operator
) -> None:
    if not allowed:
        rights.take_away("auditeventgenerators", "get")
    with ApiProxy(cluster, tmp_path) as proxy:
        kubeconfig = str(proxy.kubeconfig(operator_kubeconfig))
        operator = start_operator(KUBECONFIG=kubeconfig, AEG_STATUS_COUNTER_SECONDS="1", AEG_RESYNC_SECONDS="3600")
        generators.create("demo", queue=queue, interval="100ms")
        generators.wait_ready("demo", "True", "Publishing")
        proxy.hold_watches()  # so that the next status is for one who is gone
        generators.delete("demo")
        generators.create("demo", queue=queue, suspend=True)
        if allowed:
            operator.wait_until(
                lambda: operator.get_json("/healthz")["generators"]["total"] == 0, what="the generator to stop"
            )
            assert "may not" not in operator.log
        else:
            operator.wait_for_log("may not get auditeventgenerators")
        assert generators.status("demo").get("eventsPublished") is None, "the stranger's status is untouched"
        if allowed:
            proxy.release_watches()
            generators.wait_ready("demo", "True", "Suspended")


def test_who_may_post_can_be_asked_with_the_rights_of_the_component_only(cluster, queue, give, start_operator) -> None:
    poster = f"poster-{uuid.uuid4().hex[:6]}"
    events = f"{GENERATORS.plural}.{GENERATORS.group}/events"
    cluster.kubectl("create", "role", poster, "-n", OPERATOR, "--verb=create", f"--resource={events}")
    cluster.kubectl("create", "rolebinding", poster, "-n", OPERATOR, f"--role={poster}", "--user=alice")
    operator = start_operator(AEG_API_AUTH="kubernetes", RABBITMQ_QUEUE=queue)
    operator.wait_until(lambda: operator.status_of("/healthz") == 200, what="the default broker")

    def post(user: str) -> int:
        authorization = {"Authorization": f"Bearer token-of-{user}"}
        return operator.post("/generate_event", {"event_type": "user_login"}, authorization).status

    assert post("alice") == 503
    assert "may not create tokenreviews" in operator.log
    give("access-reviews", only="tokenreviews")
    operator.wait_until(
        lambda: post("alice") == 503 and "may not create subjectaccessreviews" in operator.log, what="the next right"
    )
    give("access-reviews")
    operator.wait_until(lambda: post("alice") == 202, what="alice to be let in")
    assert post("bob") == 403
    assert operator.post("/generate_event", {"event_type": "user_login"}).status == 401
    cluster.kubectl("delete", "role,rolebinding", poster, "-n", OPERATOR)


@pytest.fixture
def rabbitmq_clusters(cluster: ControlPlane) -> Iterator[None]:
    """The kind RabbitmqCluster, as far as the API server is concerned."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "rabbitmqclusters", "singular": "rabbitmqcluster", "kind": "RabbitmqCluster"}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rabbitmqclusters.rabbitmq.com"},
        "spec": {"group": "rabbitmq.com", "scope": "Namespaced", "names": names, "versions": [version]},
    }
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(crd))
    path = RABBITMQ_CLUSTERS.format("default")
    wait_until(lambda: cluster.request("GET", path).status == 200, what="RabbitmqCluster to be served")
    yield
    cluster.kubectl("delete", "crd", "rabbitmqclusters.rabbitmq.com")


def test_a_rabbitmqcluster_can_be_read_with_the_right_of_the_component_only(
    generators, cluster, namespace, queue, rabbitmq, rabbitmq_clusters, give, start_operator
) -> None:
    reference = {"name": "broker-default-user", "namespace": namespace}
    found = {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": "RabbitmqCluster",
        "metadata": {"name": "broker"},
        "status": {"defaultUser": {"secretReference": reference}},
    }
    assert cluster.request("POST", RABBITMQ_CLUSTERS.format(namespace), found).status == 201
    secret = rabbitmq.secret(reference["name"], namespace, labelled=False)
    assert cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret).status == 201
    operator = start_operator(
        AEG_SLOW_RETRY_MIN_SECONDS="1", AEG_SLOW_RETRY_MAX_SECONDS="2", AEG_SECRET_FAILING_SECONDS="1"
    )
    generators.create("demo", queue=queue, interval="100ms", rabbitmq={"clusterRef": {"name": "broker"}})
    generators.wait_ready("demo", "False", "ClusterNotFound")
    assert "lacks the right to get rabbitmqclusters" in generators.condition("demo")["message"]
    give("rabbitmqclusters")
    generators.wait_ready("demo", "True", "Publishing")
    assert rabbitmq.take(queue, 3)
    assert operator.status_of("/livez") == 200
