"""Helm on a real API server: install, upgrade with a changed definition, uninstall, and taking over from kustomize."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.parts.build import find_binaries
from support.parts.controlplane import GENERATORS, OPERATOR, REPOSITORY, ControlPlane
from support.parts.generators import Generators
from support.parts.helm import CHART, Helm, write_values
from support.parts.monitoring_crds import install_monitoring_crds
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{GENERATORS.crd_name}"
EVERYTHING: dict[str, Any] = {
    "accessReviews": {"enabled": True},
    "rabbitmqClusters": {"enabled": True},
    "monitoring": {"enabled": True},
    "dashboard": {"enabled": True},
    "networkPolicy": {"enabled": True},
}


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """An API server that Helm alone fills, with the kinds of the Prometheus Operator."""
    with ControlPlane(tmp_path_factory.mktemp("chart")) as running:
        install_monitoring_crds(running)
        yield running


class Releases:
    """Helm's releases on a cluster, in namespaces that are there."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.helm = Helm(folder, plane.kubeconfig)
        self._folder = folder

    def install(self, values: dict[str, Any] | None = None, *more: str, name: str = OPERATOR) -> str:
        return self._put("install", name, values, CHART, *more)

    def upgrade(self, values: dict[str, Any] | None = None, *, chart: Path = CHART, name: str = OPERATOR) -> str:
        return self._put("upgrade", name, values, chart)

    def _put(self, verb: str, name: str, values: dict[str, Any] | None, chart: Path, *more: str) -> str:
        # Nothing waits for the pods: there is no node.
        done = self.helm.run(verb, name, chart, "-n", name, "-f", write_values(self._folder, values), *more)
        assert done.stderr == "", "a warning of the API server is a mistake of ours"
        return done.stdout

    def uninstall(self, name: str = OPERATOR) -> str:
        return self.helm.run("uninstall", name, "-n", name).stdout


@pytest.fixture
def releases(plane: ControlPlane, tmp_path: Path) -> Iterator[Releases]:
    """In a cluster without anything of ours, and afterwards there is nothing again."""
    if plane.request("GET", f"/api/v1/namespaces/{OPERATOR}").status == 404:
        plane.create_namespace(OPERATOR)
    releases = Releases(plane, tmp_path)
    yield releases
    for line in releases.helm.run("list", "-A", "-q").stdout.split():
        releases.uninstall(line)
    plane.kubectl("delete", "crd", GENERATORS.crd_name, "--ignore-not-found")
    assert ours(plane) == []


def ours(plane: ControlPlane) -> list[str]:
    """What there is of us, cluster-wide and in the operator's namespace."""
    kinds = (
        "crd,clusterrole,clusterrolebinding,role,rolebinding,serviceaccount,service,deployment,configmap,networkpolicy,"
    )
    kinds += "servicemonitors.monitoring.coreos.com,prometheusrules.monitoring.coreos.com"
    selector = "app.kubernetes.io/part-of=auditflow"
    return plane.kubectl("get", kinds, "-n", OPERATOR, "-l", selector, "-o", "name").stdout.split()


def served(plane: ControlPlane) -> None:
    wait_until(lambda: plane.request("GET", GENERATORS.path()).status == 200, what="the custom resources")


def changed_chart(folder: Path) -> Path:
    """The next version of the chart, with another field in the CustomResourceDefinition."""
    chart = folder / "next"
    shutil.copytree(CHART, chart)
    (chart / "Chart.yaml").write_text((CHART / "Chart.yaml").read_text().replace("0.1.0", "0.2.0"))
    file = chart / "files/crds.yaml"
    definition = yaml.safe_load(file.read_text())
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["novelty"] = {"type": "string", "description": "A field of the next version."}
    file.write_text(yaml.safe_dump(definition))
    return chart


def test_installing_brings_every_object_and_a_served_definition(plane, releases) -> None:
    notes = releases.install(EVERYTHING)
    assert "kubectl rollout status deployment/audit-event-operator -n audit-event-operator" in notes
    wait_until(
        lambda: any(
            each["type"] == "Established" and each["status"] == "True"
            for each in plane.request("GET", CRD).body["status"].get("conditions", [])
        ),
        what="the definition to be established",
    )
    rendered = yaml.safe_load_all(releases.helm.run("get", "manifest", OPERATOR, "-n", OPERATOR).stdout)
    wanted = {(each["kind"].lower(), each["metadata"]["name"]) for each in rendered if each}
    there = {(name.split("/")[0].split(".")[0], name.split("/")[1]) for name in ours(plane)}
    assert there == wanted


@pytest.mark.parametrize("namespaces", [[], ["default"]], ids=["all namespaces", "one namespace"])
def test_the_notes_lead_to_a_first_stream(plane, releases, tmp_path, namespaces) -> None:
    notes = releases.install({"namespaces": namespaces}).split("NOTES:\n")[1]
    served(plane)
    assert notes.startswith(f"audit-event-operator 0.1.0 serves {'default' if namespaces else 'all namespaces'}.\n")
    assert "the Secret audit-event-operator/audit-event-operator-rabbitmq.\n" in notes
    wait, apply, describe = re.findall(r"^kubectl .*?(?=^\d\. |\Z)", notes, re.DOTALL | re.MULTILINE)
    assert wait.strip() == "kubectl rollout status deployment/audit-event-operator -n audit-event-operator"
    path = os.pathsep.join([str(find_binaries()), "/usr/bin", "/bin"])
    environment = {"HOME": str(tmp_path), "PATH": path, "KUBECONFIG": str(plane.kubeconfig)}
    told = [
        subprocess.run(["bash", "-ec", command], env=environment, capture_output=True, text=True, check=True).stdout
        for command in (apply, describe)
    ]
    assert told[0] == "auditeventgenerator.auditflow.jojees.net/demo created\n"
    assert "Name:         demo\n" in told[1]


def test_an_upgrade_changes_the_definition_and_keeps_the_resources(plane, releases, tmp_path) -> None:
    releases.install()
    served(plane)
    generators = Generators(plane, "default")
    before = generators.create("demo", interval="7s")
    definition = plane.request("GET", CRD).body["metadata"]["uid"]
    releases.upgrade(chart=changed_chart(tmp_path))
    assert plane.request("GET", CRD).body["metadata"]["uid"] == definition
    after = generators.get("demo")
    assert (after["metadata"]["uid"], after["spec"]) == (before["metadata"]["uid"], before["spec"])
    wait_until(lambda: generators.patch("demo", novelty="yes")["spec"].get("novelty") == "yes", what="the new field")


def test_by_default_resources_outlive_the_release_and_the_next_one_takes_them_over(plane, releases) -> None:
    releases.install()
    served(plane)
    generators = Generators(plane, "default")
    uid = generators.create("demo")["metadata"]["uid"]
    assert GENERATORS.crd_name in releases.uninstall(), "Helm names what it keeps"
    assert ours(plane) == [f"customresourcedefinition.apiextensions.k8s.io/{GENERATORS.crd_name}"]
    assert generators.get("demo")["metadata"]["uid"] == uid
    releases.install()
    assert generators.get("demo")["metadata"]["uid"] == uid


def test_without_keep_resources_go_with_the_release(plane, releases) -> None:
    releases.install({"crds": {"keep": False}})
    served(plane)
    Generators(plane, "default").create("demo")
    releases.uninstall()
    wait_until(lambda: plane.request("GET", CRD).status == 404, what="the definition to go")
    assert ours(plane) == []


def test_keep_can_be_changed_by_an_upgrade(plane, releases) -> None:
    releases.install({"crds": {"keep": False}})
    served(plane)
    releases.upgrade({"crds": {"keep": True}})
    releases.uninstall()
    assert plane.request("GET", CRD).status == 200


def test_without_the_definition_a_release_leaves_the_cluster_s_alone(plane, releases) -> None:
    plane.install_crd()
    releases.install({"crds": {"enabled": False}})
    releases.uninstall()
    assert plane.request("GET", CRD).status == 200


def test_helm_takes_over_what_kustomize_installed(plane, releases) -> None:
    plane.kubectl("apply", "-k", REPOSITORY / "manifests/overlays/default")
    served(plane)
    uid = Generators(plane, "default").create("demo")["metadata"]["uid"]
    deployment = f"/apis/apps/v1/namespaces/{OPERATOR}/deployments/{OPERATOR}"
    before = plane.request("GET", deployment).body
    releases.install(None, "--take-ownership")
    after = plane.request("GET", deployment).body
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"], "the pod is not restarted"
    assert Generators(plane, "default").get("demo")["metadata"]["uid"] == uid


def test_two_releases_serve_a_namespace_each(plane, releases) -> None:
    for name in ("team-a", "team-b"):
        plane.create_namespace(name)
    releases.install({"namespaces": ["team-a"]}, name="team-a")
    second = {"namespaces": ["team-b"], "crds": {"enabled": False}, "userRoles": {"enabled": False}}
    releases.install(second, name="team-b")
    for name, other in (("team-a", "team-b"), ("team-b", "team-a")):
        account = f"--as=system:serviceaccount:{name}:{name}-audit-event-operator"
        for namespace, expected in ((name, "yes\n"), (other, "no\n")):
            for verb, resource in (("list", "auditeventgenerators"), ("get", "secrets")):
                can = plane.kubectl("auth", "can-i", verb, resource, "-n", namespace, account, check=False)
                assert can.stdout == expected, (name, namespace, resource)
    releases.uninstall("team-b")
    assert plane.request("GET", CRD).status == 200


@pytest.mark.parametrize("name", [OPERATOR, "streams"])
def test_an_operator_with_the_release_s_rights_and_variables_publishes(
    plane, releases, tmp_path, rabbitmq: Broker, queue, name
) -> None:
    if name != OPERATOR:
        plane.create_namespace(name)
    releases.install({"accessReviews": {"enabled": True}, "settings": {"AEG_LOG_FORMAT": "json"}}, name=name)
    served(plane)
    (deployment,) = plane.request("GET", f"/apis/apps/v1/namespaces/{name}/deployments").body["items"]
    pod = deployment["spec"]["template"]["spec"]
    environment = {each["name"]: each["value"] for each in pod["containers"][0]["env"] if "value" in each}
    environment |= {"AEG_LEASE_NAMESPACE": name, "AEG_DEFAULT_BROKER_FOLDER": ""} | rabbitmq.environment()
    kubeconfig = plane.service_account_kubeconfig(name, pod["serviceAccountName"])
    with OperatorProcess(tmp_path, "run", kubeconfig=kubeconfig, env=environment) as operator:
        generators = Generators(plane, "default")
        generators.create("demo", queue=queue, interval="100ms")
        generators.wait_ready("demo", "True", "Publishing")
        rabbitmq.take(queue, 3)
        assert operator.get_json("/healthz")["rabbitmq_connected"] is True
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{name}/leases/{deployment['metadata']['name']}-00-of-16"
        assert plane.request("GET", lease).status == 200, "Leases are named like the release"
        must_be_free_of_bugs(operator)
