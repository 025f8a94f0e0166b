"""The manifests as files: what the pod may do, what the operator may do, what people may do."""

from pathlib import Path

import yaml

from audit_event_operator.resource.names import GROUP, PLURAL

MANIFESTS = Path(__file__).parents[3] / "manifests"

# Everything the operator is allowed, as (API group, resource, verb); a new right is added here with its reason.
OPERATOR_RIGHTS = {
    (GROUP, PLURAL, "get"),  # whose status write was refused: the same object's, or one re-created under its name?
    (GROUP, PLURAL, "list"),
    (GROUP, PLURAL, "watch"),
    (GROUP, f"{PLURAL}/status", "patch"),
    ("", "events", "create"),
    ("", "secrets", "get"),
}


def documents(path):
    return list(yaml.safe_load_all((MANIFESTS / path).read_text()))


def rights(rules):
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_operator_may_do_what_it_needs_and_nothing_else():
    cluster_role, _, lease_role, _ = documents("base/rbac.yaml")
    assert rights(cluster_role["rules"]) == OPERATOR_RIGHTS
    assert rights(lease_role["rules"]) == {
        ("coordination.k8s.io", "leases", verb) for verb in ("create", "list", "update", "delete")
    }
    assert lease_role["metadata"]["namespace"] == "audit-event-operator"


def test_one_namespace_needs_the_same_rights_as_all():
    role, _ = documents("components/namespaced/role/role.yaml")
    assert rights(role["rules"]) == OPERATOR_RIGHTS


def test_who_may_edit_may_post_and_who_may_view_may_not():
    view, edit, _ = documents("base/user-roles.yaml")
    assert {verb for _, _, verb in rights(view["rules"])} == {"get", "list", "watch"}
    assert (GROUP, f"{PLURAL}/events", "create") in rights(edit["rules"])
    assert not any(resource.endswith("/status") for _, resource, _ in rights(edit["rules"]))


def test_who_may_turn_the_rate_may_do_nothing_else_and_nobody_gets_it_unasked():
    _, _, dialer = documents("base/user-roles.yaml")
    assert dialer["metadata"] == {"name": "aeg-dialer"}, "without a label that aggregates it into another role"
    assert rights(dialer["rules"]) == {
        (GROUP, PLURAL, "get"),
        *((GROUP, f"{PLURAL}/scale", verb) for verb in ("get", "update", "patch")),
    }


(DEPLOYMENT,) = documents("base/deployment.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


def test_the_pod_is_confined():
    user = {"runAsUser": 65532, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert POD["securityContext"].items() >= user.items()
    assert POD["enableServiceLinks"] is False
    assert POD["terminationGracePeriodSeconds"] == 45
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "cpu" not in CONTAINER["resources"]["limits"]


def test_a_rolling_update_brings_the_new_replica_before_the_old_one_goes():
    assert DEPLOYMENT["spec"]["replicas"] == 1
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_no_probe_asks_for_the_broker():
    asked = {name: CONTAINER[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert asked == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_only_the_dev_overlay_and_the_samples_about_credentials_contain_a_password():
    holders = {
        str(path.relative_to(MANIFESTS))
        for path in MANIFESTS.rglob("*.yaml")
        if "RABBITMQ_PASS=" in path.read_text() or "kind: Secret\n" in path.read_text()
    }
    samples = {"samples/05-secret-credentials.yaml", "samples/12-tls-broker.yaml"}
    assert holders == {"overlays/dev/kustomization.yaml"} | samples
