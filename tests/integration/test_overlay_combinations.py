"""Every overlay, and every set of components that a page names, as `kubectl apply -k` gives it to a real API server.

The kinds of the Prometheus Operator have no schema here; the real ones check our objects in tests/rigs.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.parts.controlplane import ControlPlane
from support.parts.monitoring_crds import install_monitoring_crds

pytestmark = pytest.mark.integration

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = ("default", "dev", "production")
# In the order in which they must stand.
MONITORING = ("monitoring", "kube-prometheus-stack", "metrics-auth")
SCRAPE_LABEL = "prometheus-scrape-label"
FREE = (
    "access-reviews", "grafana-dashboard", "namespaced", "network-policy", "rabbitmqclusters", "read-auth",
    "several-replicas",
)  # fmt: skip
PRODUCTION = yaml.safe_load((MANIFESTS / "overlays/production/kustomization.yaml").read_text())
IN_PRODUCTION = {Path(component).name for component in PRODUCTION["components"]}

COMBINATIONS = [
    *((overlay,) for overlay in OVERLAYS),
    *(("default", each) for each in (*FREE, "monitoring", SCRAPE_LABEL)),
    ("default", *MONITORING),
    ("default", *FREE, *MONITORING),
    ("default", *FREE, SCRAPE_LABEL),
    ("dev", *FREE, *MONITORING),
    ("production", "rabbitmqclusters"),
    ("production", "kube-prometheus-stack"),
    ("production", "metrics-auth", "read-auth"),
    ("production", *(each for each in (*FREE, *MONITORING) if each not in IN_PRODUCTION)),
]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """With what must be there before: the namespace, and the kinds of others."""
    with ControlPlane(tmp_path_factory.mktemp("combinations")) as running:
        running.install_crd()
        running.install_rbac()
        install_monitoring_crds(running)
        yield running


def overlay_of(folder: Path, overlay: str, *components: str) -> Path:
    """An overlay of one's own, as manifests/README.md tells it."""
    manifests = os.path.relpath(MANIFESTS, folder)
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{manifests}/overlays/{overlay}"],
        "components": [f"{manifests}/components/{each}" for each in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize("combination", COMBINATIONS, ids="+".join)
def test_a_combination_is_taken_whole_and_without_a_warning(plane, tmp_path, combination) -> None:
    done = plane.kubectl("apply", "--dry-run=server", "-k", overlay_of(tmp_path, *combination))
    assert done.stderr == ""
    assert "deployment.apps/audit-event-operator" in done.stdout


def test_argo_cds_rendering_of_the_operator_is_taken(plane) -> None:
    done = plane.kubectl("apply", "--dry-run=server", "-k", MANIFESTS / "argocd/operator")
    assert "deployment.apps/audit-event-operator" in done.stdout


def test_no_overlay_and_no_component_is_left_out() -> None:
    tried = {name for combination in COMBINATIONS for name in combination}
    there = {path.parent.name for path in MANIFESTS.glob("*/*/kustomization.yaml")} - {"operator"}
    there -= {path.parent.name for path in MANIFESTS.glob("argocd/*/kustomization.yaml")}
    assert tried == there
