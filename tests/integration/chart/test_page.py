"""What docs/how-to/helm.md and the Argo CD Application say: the commands are run, the values are rendered."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from support.parts.build import find_binaries
from support.parts.controlplane import GENERATORS, OPERATOR, REPOSITORY, ControlPlane
from support.parts.generators import Generators
from support.parts.helm import find_helm

PAGE = (REPOSITORY / "docs/how-to/helm.md").read_text()
COMMANDS = re.findall(r"<!-- not run: has a test of its own -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
INSTALL, BROKER, UPGRADE, UNINSTALL, DELETE, TAKE_OVER = COMMANDS
VALUES = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
ROWS = dict(re.findall(r"^\| `([a-z-]+)` \| `([^`]+)`", PAGE, re.MULTILINE))


@pytest.fixture
def plane(tmp_path) -> Iterator[ControlPlane]:
    """An API server with nothing of ours, whose namespaces get their accounts."""
    folder = tmp_path / "plane"
    folder.mkdir()
    with ControlPlane(folder, controller_manager=True) as running:
        yield running


def test_the_commands_of_the_page_pass_in_their_order(plane, tmp_path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.pathsep.join([str(find_helm()), str(find_binaries()), "/usr/bin", "/bin"]),
        "KUBECONFIG": str(plane.kubeconfig),
        "PASSWORD": "any",
    }

    def run(block: str) -> None:
        command = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"

    for block in (INSTALL, BROKER, UPGRADE):
        run(block)
    deployment = f"/apis/apps/v1/namespaces/{OPERATOR}/deployments/{OPERATOR}"
    (container,) = plane.request("GET", deployment).body["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("registry.example.com/"), "an upgrade keeps the values"
    uid = Generators(plane, "default").create("demo")["metadata"]["uid"]
    run(UNINSTALL)
    assert Generators(plane, "default").get("demo")["metadata"]["uid"] == uid
    run(DELETE)
    plane.kubectl("wait", "--for=delete", f"crd/{GENERATORS.crd_name}", "--timeout=30s")
    plane.kubectl("apply", "-k", REPOSITORY / "manifests/overlays/default")
    run(TAKE_OVER)


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_the_values_of_the_page_are_taken(render, number) -> None:
    assert render(VALUES[number]) != render()


def test_the_production_file_of_the_page_is_the_one_that_is_compared_with_the_overlay() -> None:
    (production,) = (each for each in VALUES if "accessReviews" in each)
    enabled = {"accessReviews", "availability", "dashboard", "monitoring", "networkPolicy"}
    assert production.keys() == enabled | {"replicas", "settings"}
    assert production.pop("settings") == {"AEG_LOG_FORMAT": "json"}
    assert production.pop("replicas") == 2
    assert all(each == {"enabled": True} for each in production.values())


def test_the_page_has_every_component_with_values_that_are_taken(render) -> None:
    assert ROWS.keys() == {path.parent.name for path in REPOSITORY.glob("manifests/components/*/kustomization.yaml")}
    for text in ROWS.values():
        name, value = text.split(": ", 1)
        values = yaml.safe_load(value)
        for part in reversed(name.split(".")):
            values = {part: values}
        if "labels" in values.get("monitoring", {}):
            values["monitoring"]["enabled"] = True
        assert render(values) != render(), text


def test_the_refusals_of_the_page_are_helms(refusal) -> None:
    wrong = {"image": {"repositry": "x"}, "settings": {"AEG_HEARTBEAT_SECONDS": 601}}
    (shown,) = re.findall(r"```\n(- at .*?)```", PAGE, re.DOTALL)
    assert set(shown.splitlines()) <= set(refusal(wrong).splitlines())


def test_argo_cds_application_has_values_that_are_taken(render) -> None:
    application = yaml.safe_load((REPOSITORY / "manifests/argocd/application-helm.yaml").read_text())
    helm = application["spec"]["source"]["helm"]
    namespace = application["spec"]["destination"]["namespace"]
    documents = render(helm["valuesObject"], release=helm["releaseName"], namespace=namespace)
    (definition,) = (each for each in documents if each["kind"] == "CustomResourceDefinition")
    assert "Prune=confirm" in definition["metadata"]["annotations"]["argocd.argoproj.io/sync-options"]
