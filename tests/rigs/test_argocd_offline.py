"""Health and actions in the real Argo CD, from the ConfigMap that users apply, on the same cases as the unit tests."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from audit_event_operator.resource.names import GROUP, KIND
from rigs.conftest import ArgoCD

pytestmark = pytest.mark.timeout(1600)  # with a build from nothing

ARGOCD = Path(__file__).parents[2] / "manifests" / "argocd"
PATCH = ARGOCD / "argocd-cm-patch.yaml"
FOLDER = ARGOCD / "resource_customizations" / GROUP / KIND
HEALTH = yaml.safe_load((FOLDER / "health_test.yaml").read_text())["tests"]
ACTIONS = yaml.safe_load((FOLDER / "actions" / "action_test.yaml").read_text())


def ask(argocd: ArgoCD, *arguments: str | Path) -> str:
    return subprocess.run(
        [argocd.scripts / "check-health.sh", *arguments], capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.mark.parametrize("case", HEALTH, ids=lambda case: Path(case["inputPath"]).stem)
def test_argo_cd_gives_the_documented_health(case: dict[str, Any], argocd: ArgoCD) -> None:
    wanted = case["healthStatus"]
    said = ask(argocd, FOLDER / case["inputPath"], PATCH, wanted["status"])
    assert f"STATUS: {wanted['status']}" in said
    assert f"MESSAGE: {wanted['message']}" in said


@pytest.mark.parametrize("case", ACTIONS["discoveryTests"], ids=lambda case: Path(case["inputPath"]).stem)
def test_argo_cd_offers_the_actions(case: dict[str, Any], argocd: ArgoCD) -> None:
    said = ask(argocd, "--actions", FOLDER / "actions" / case["inputPath"], PATCH)
    offered = {line.split()[0] for line in said.splitlines() if line and not line.startswith("NAME")}
    assert offered == {action["name"] for action in case["result"]}


def run_action(argocd: ArgoCD, action: str, case: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Argo CD shows a difference; with this as the tool for it, the whole object after the action."""
    parameters = [f"--param={name}={value}" for name, value in case.get("parameters", {}).items()]
    arguments = ["run-action", FOLDER / "actions" / case["inputPath"], action, "--argocd-cm-path", PATCH, *parameters]
    environment = os.environ | {"KUBECTL_EXTERNAL_DIFF": "sh -c 'cat \"$1\"'"}
    environment.pop("KUBECONFIG", None)
    return subprocess.run(
        [argocd.binary, "admin", "settings", "resource-overrides", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "case", ACTIONS["actionTests"], ids=lambda case: f"{case['action']}-{Path(case['inputPath']).stem}"
)
def test_an_action_of_argo_cd_changes_what_it_says_and_nothing_else(case: dict[str, Any], argocd: ArgoCD) -> None:
    ended = run_action(argocd, case["action"], case)
    if "expectedErrorMessage" in case:
        assert ended.returncode != 0
        assert case["expectedErrorMessage"] in ended.stdout + ended.stderr
    else:
        _, _, after = ended.stdout.partition("Following fields have been changed:")
        assert yaml.safe_load(after) == yaml.safe_load((FOLDER / "actions" / case["expectedOutputPath"]).read_text())
