"""The manifests as a real API server takes them: rendering, admission, rights and samples."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.parts.controlplane import GENERATORS, OPERATOR, ControlPlane
from support.waiting import wait_until

pytestmark = pytest.mark.integration

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = sorted(path.parent.name for path in MANIFESTS.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent.name for path in MANIFESTS.glob("components/*/kustomization.yaml"))
NEEDS = {"kube-prometheus-stack": ["monitoring"]}  # a component that changes what others bring
INSTALL_HEADER = "# Rendered from manifests/overlays/default by make manifests; change that, not this.\n"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="module")
def fresh_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server that has never seen us, with the controllers that aggregate roles."""
    with ControlPlane(tmp_path_factory.mktemp("manifests"), controller_manager=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def installed(fresh_plane: ControlPlane) -> ControlPlane:
    """The same one with the default overlay; its first application must pass in silence."""
    done = fresh_plane.kubectl("apply", "-k", MANIFESTS / "overlays/default")
    assert done.stderr == "", "a warning of the API server is a mistake of ours"
    wait_until(lambda: fresh_plane.request("GET", GENERATORS.path()).status == 200, what="the custom resources")
    return fresh_plane


def rendered(plane: ControlPlane, folder: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(plane.kubectl("kustomize", folder).stdout))


def own_overlay(folder: Path, *components: str) -> Path:
    """An overlay such as a user writes: the base and some components."""
    relative = os.path.relpath(MANIFESTS, folder)
    content = {
        "resources": [f"{relative}/base"],
        "components": [f"{relative}/components/{name}" for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return folder


def may(plane: ControlPlane, kubeconfig: Path, verb: str, resource: str, *more: str) -> bool:
    return plane.kubectl("auth", "can-i", verb, resource, *more, kubeconfig=kubeconfig, check=False).stdout == "yes\n"


def test_install_yaml_is_the_default_overlay_rendered(fresh_plane: ControlPlane) -> None:
    wanted = INSTALL_HEADER + fresh_plane.kubectl("kustomize", MANIFESTS / "overlays/default").stdout
    assert (MANIFESTS / "install.yaml").read_text() == wanted, "`make manifests` writes it anew"


def test_install_yaml_and_the_default_overlay_are_taken_without_a_warning(installed: ControlPlane) -> None:
    done = installed.kubectl("apply", "-f", MANIFESTS / "install.yaml")
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines() if not line.endswith(" unchanged")] == []


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_taken_whole(installed: ControlPlane, overlay: str) -> None:
    documents = rendered(installed, MANIFESTS / "overlays" / overlay)
    known = [
        each for each in documents if each["kind"] not in {"ServiceMonitor", "PrometheusRule"}
    ]  # another operator's
    done = installed.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump_all(known))
    assert done.stderr == ""


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_fits_onto_the_base(fresh_plane: ControlPlane, tmp_path: Path, component: str) -> None:
    needed = NEEDS.get(component, [])
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()
    plain = rendered(fresh_plane, own_overlay(tmp_path / "without", *needed))
    assert rendered(fresh_plane, own_overlay(tmp_path / "with", *needed, component)) != plain


@pytest.mark.parametrize("order", [1, -1])
def test_scraping_twice_is_refused_at_rendering(fresh_plane: ControlPlane, tmp_path: Path, order: int) -> None:
    both = own_overlay(tmp_path, *["monitoring", "prometheus-scrape-label"][::order])
    assert "test failed" in fresh_plane.kubectl("kustomize", both, check=False).stderr


@pytest.mark.row(46)
@pytest.mark.parametrize("overlay", ["default", "dev"])
def test_every_pod_meets_the_restricted_pod_security_standard(installed: ControlPlane, overlay: str) -> None:
    namespace = installed.create_namespace(f"restricted-{overlay}", RESTRICTED)
    deployments = [
        each for each in rendered(installed, MANIFESTS / "overlays" / overlay) if each["kind"] == "Deployment"
    ]
    for deployment in deployments:
        name = deployment["metadata"]["name"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": deployment["spec"]["template"]["spec"] | {"serviceAccountName": "default"},
        }
        done = installed.kubectl("create", "--dry-run=server", "-f", "-", input=yaml.safe_dump(pod))
        assert done.stderr == ""
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        refused = installed.kubectl("create", "--dry-run=server", "-f", "-", input=yaml.safe_dump(pod), check=False)
        assert "violates PodSecurity" in refused.stderr, "the check itself is alive"


def test_the_operator_may_read_everywhere_and_write_nothing_but_the_status(installed: ControlPlane) -> None:
    operator = installed.operator_kubeconfig()
    for verb, resource in [("watch", "auditeventgenerators"), ("get", "secrets"), ("create", "events")]:
        assert may(installed, operator, verb, resource, "--all-namespaces")
    assert may(installed, operator, "patch", "auditeventgenerators", "--subresource=status", "--all-namespaces")
    for verb in ("create", "update", "patch", "delete"):
        assert not may(installed, operator, verb, "auditeventgenerators", "--all-namespaces")
    for verb in ("list", "watch", "create", "delete"):
        assert not may(installed, operator, verb, "secrets", "--all-namespaces")
    for verb in ("create", "list", "update", "delete"):
        assert may(installed, operator, verb, "leases", "-n", OPERATOR)
        assert not may(installed, operator, verb, "leases", "-n", "default")


def test_in_one_namespace_the_operator_may_nothing_elsewhere(installed: ControlPlane, tmp_path: Path) -> None:
    documents = rendered(installed, own_overlay(tmp_path, "namespaced"))
    cluster_wide = [each["metadata"]["name"] for each in documents if each["kind"].startswith("ClusterRole")]
    users = ["aeg-dialer", "audit-event-operator-edit", "audit-event-operator-view"]
    assert sorted(cluster_wide) == users, "only the users' roles"
    (role,) = [each for each in documents if each["kind"] == "Role" and each["metadata"]["name"] == OPERATOR]
    assert role["metadata"]["namespace"] == OPERATOR


def test_the_overlays_of_the_page_render(fresh_plane: ControlPlane, tmp_path: Path) -> None:
    page = (MANIFESTS / "README.md").read_text()
    own, alerts, team = re.findall(r"```yaml\n# \S*kustomization\.yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "own/team-a").mkdir(parents=True)
    (tmp_path / "own/kustomization.yaml").write_text(
        own.replace("../manifests", os.path.relpath(MANIFESTS, tmp_path / "own"))
    )
    (tmp_path / "own/alerts").mkdir()
    (tmp_path / "own/alerts/kustomization.yaml").write_text(
        alerts.replace("../../manifests", os.path.relpath(MANIFESTS, tmp_path / "own/alerts"))
    )
    (tmp_path / "own/team-a/kustomization.yaml").write_text(
        team.replace("../../manifests", os.path.relpath(MANIFESTS, tmp_path / "own/team-a"))
    )
    (deployment,) = [each for each in rendered(fresh_plane, tmp_path / "own") if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/platform/audit-event-operator:0.1.0"
    environment = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert environment["RABBITMQ_HOST"] == "rabbitmq.messaging.svc"
    assert environment["AEG_API_AUTH"] == "kubernetes"
    roles = {each["kind"]: each for each in rendered(fresh_plane, tmp_path / "own/team-a")}
    assert roles["Role"]["metadata"]["namespace"] == "team-a"
    watched = rendered(fresh_plane, tmp_path / "own/alerts")
    assert [each["metadata"]["name"] for each in watched if each["kind"] == "ConfigMap"] == [
        "audit-event-operator-dashboard"
    ]
    for kind in ("ServiceMonitor", "PrometheusRule"):
        (found,) = [each for each in watched if each["kind"] == kind]
        assert found["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    (rule,) = [each for each in watched if each["kind"] == "PrometheusRule"]
    for alert in (alert for group in rule["spec"]["groups"] for alert in group["rules"]):
        place = "https://git.example.com/platform/audit-event-operator/blob/main/docs/runbooks"
        assert alert["annotations"]["runbook_url"] == f"{place}/{alert['alert']}.md"
    assert roles["RoleBinding"]["subjects"][0]["namespace"] == OPERATOR


def test_the_clusters_own_roles_take_ours_in(installed: ControlPlane) -> None:
    for user, role in [("alice", "view"), ("bob", "edit")]:
        installed.kubectl("create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}", "-n", "default")
    alice, bob = installed.user_kubeconfig("alice"), installed.user_kubeconfig("bob")
    wait_until(lambda: may(installed, bob, "create", "auditeventgenerators"), what="the aggregated role")
    assert may(installed, bob, "create", "auditeventgenerators", "--subresource=events")
    assert may(installed, bob, "list", "auditeventgenerators")
    assert may(installed, alice, "list", "auditeventgenerators")
    assert not may(installed, alice, "create", "auditeventgenerators")
    assert not may(installed, alice, "create", "auditeventgenerators", "--subresource=events")


@pytest.mark.parametrize("sample", sorted(MANIFESTS.glob("samples/*.yaml")), ids=lambda path: path.stem)
def test_a_sample_is_taken_without_a_warning(installed: ControlPlane, sample: Path) -> None:
    installed.kubectl("create", "namespace", sample.stem)
    done = installed.kubectl("apply", "--validate=strict", "-n", sample.stem, "-f", sample)
    assert done.stderr == ""
    again = installed.kubectl("apply", "-n", sample.stem, "-f", sample).stdout.splitlines()
    changed = [line for line in again if not line.endswith(" unchanged")]
    secrets = [each["metadata"]["name"] for each in yaml.safe_load_all(sample.read_text()) if "stringData" in each]
    assert changed == [f"secret/{name} configured" for name in secrets], "kubectl says so of each with stringData"


def test_the_dashboard_comes_as_grafana_looks_for_it(fresh_plane: ControlPlane, tmp_path: Path) -> None:
    documents = rendered(fresh_plane, own_overlay(tmp_path, "grafana-dashboard"))
    (found,) = [each for each in documents if each["kind"] == "ConfigMap"]
    assert found["metadata"]["name"] == "audit-event-operator-dashboard"
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["audit-event-operator.json"])["uid"] == "audit-event-operator"
