"""What Argo CD deploys of the operator: the default overlay, in waves, and the API server takes it."""

from pathlib import Path

import yaml

from support.parts.controlplane import ControlPlane

MANIFESTS = Path(__file__).parents[2] / "manifests"
WAVE = "argocd.argoproj.io/sync-wave"


def rendered(cluster: ControlPlane, folder: str) -> dict[tuple[str, str], dict]:
    documents = yaml.safe_load_all(cluster.kubectl("kustomize", MANIFESTS / folder).stdout)
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


def test_the_waves_are_all_that_differs_from_the_default_overlay(cluster: ControlPlane) -> None:
    waved, plain = rendered(cluster, "argocd/operator"), rendered(cluster, "overlays/default")
    waves: dict[str, set[int]] = {}
    for (kind, _), found in waved.items():
        annotations = found["metadata"].pop("annotations", {})
        waves.setdefault(kind, set()).add(int(annotations.get(WAVE, "0")))
    for found in plain.values():
        found["metadata"].pop("annotations", None)
    assert waved == plain
    assert waves.pop("Namespace") == {-3}
    assert waves.pop("CustomResourceDefinition") == {-2}
    assert waves.pop("Deployment") == waves.pop("Service") == {0}
    assert set.union(*waves.values()) == {-1}


def test_the_api_server_takes_it(cluster: ControlPlane) -> None:
    folder = MANIFESTS / "argocd" / "operator"
    taken = cluster.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", folder).stdout
    assert "deployment.apps/audit-event-operator serverside-applied" in taken
