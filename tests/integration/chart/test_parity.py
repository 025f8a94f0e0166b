"""The chart and the kustomize overlays install the same: object by object, field by field.

Whoever changes one of the two changes the other, or this says which field differs. What may differ stands here, nothing else.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.parts.build import find_binaries
from support.parts.controlplane import REPOSITORY

MANIFESTS = REPOSITORY / "manifests"
HELMS_LABELS = {
    "app.kubernetes.io/instance": "audit-event-operator",
    "app.kubernetes.io/managed-by": "Helm",
    "app.kubernetes.io/version": "0.1.0",
    "helm.sh/chart": "audit-event-operator-0.1.0",
}
KEEP = {"helm.sh/resource-policy": "keep"}  # of the CustomResourceDefinition
NOT_IN_THE_CHART = {("Namespace", "audit-event-operator", "")}  # `helm install --create-namespace` makes it
CUSTOM_RESOURCE_DEFINITION = "CustomResourceDefinition"

# component → the values that do the same
COMPONENTS: dict[str, dict[str, Any]] = {
    "access-reviews": {"accessReviews": {"enabled": True}},
    "grafana-dashboard": {"dashboard": {"enabled": True}},
    "kube-prometheus-stack": {"monitoring": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}}},
    "metrics-auth": {"accessReviews": {"enabled": True, "metrics": True}, "monitoring": {"enabled": True}},
    "monitoring": {"monitoring": {"enabled": True}},
    "namespaced": {"namespaces": ["audit-event-operator"]},
    "network-policy": {"networkPolicy": {"enabled": True}},
    "prometheus-scrape-label": {"podLabels": {"prometheus_scrape": "true"}},
    "rabbitmqclusters": {"rabbitmqClusters": {"enabled": True}},
    "several-replicas": {"replicas": 2, "availability": {"enabled": True}},
    "read-auth": {"accessReviews": {"enabled": True, "pages": True}},
}
# Components that change what others bring, or need it.
NEEDS = {
    "kube-prometheus-stack": ["monitoring"],
    "metrics-auth": ["access-reviews", "monitoring"],
    "read-auth": ["access-reviews"],
}
PRODUCTION = ("access-reviews", "grafana-dashboard", "monitoring", "network-policy", "several-replicas")

Objects = dict[tuple[str, str, str], dict[str, Any]]


def by_name(documents: list[dict[str, Any]]) -> Objects:
    found = {
        (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace", "")): each for each in documents
    }
    assert len(found) == len(documents), "no object occurs twice"
    return found


def kustomized(folder: Path) -> Objects:
    command = [str(find_binaries() / "kubectl"), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return by_name(list(yaml.safe_load_all(done.stdout)))


def with_components(folder: Path, *components: str) -> Objects:
    relative = os.path.relpath(MANIFESTS, folder)
    needed = [each for component in components for each in (*NEEDS.get(component, []), component)]
    content = {
        "resources": [f"{relative}/overlays/default"],
        "components": [f"{relative}/components/{each}" for each in dict.fromkeys(needed)],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return kustomized(folder)


def without_helms_own(charted: Objects) -> Objects:
    """The chart's objects without what may differ; whatever should be there and is not fails here."""
    for (kind, *_), each in charted.items():
        for label, value in HELMS_LABELS.items():
            assert each["metadata"]["labels"].pop(label) == value
        if kind == CUSTOM_RESOURCE_DEFINITION:
            assert each["metadata"].pop("annotations") == KEEP
    return charted


def in_order_of_names(objects: Objects) -> Objects:
    """The order of variables means nothing, and components append theirs in the order in which they are listed."""
    for (kind, *_), each in objects.items():
        if kind == "Deployment":
            each["spec"]["template"]["spec"]["containers"][0]["env"].sort(key=lambda variable: variable["name"])
    return objects


def differences(left: object, right: object, path: str = "") -> Iterator[str]:
    """The paths at which two documents differ, with both values."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            yield from differences(left.get(key), right.get(key), f"{path}.{key}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif left != right or type(left) is not type(right):
        yield f"{path}: kustomize {left!r}, chart {right!r}"


def must_be_the_same(wanted: Objects, charted: Objects) -> None:
    charted = without_helms_own(charted)
    assert charted.keys() == wanted.keys() - NOT_IN_THE_CHART
    found = [
        f"{kind} {name}{line}"
        for kind, name, namespace in charted
        for line in differences(wanted[kind, name, namespace], charted[kind, name, namespace])
    ]
    assert not found, "\n".join(found)


def test_the_defaults_are_the_default_overlay(render) -> None:
    wanted = kustomized(MANIFESTS / "overlays/default")
    assert wanted.keys() >= NOT_IN_THE_CHART
    must_be_the_same(wanted, by_name(render()))


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_value_does_what_a_component_does(render, tmp_path, component) -> None:
    wanted = with_components(tmp_path, component)
    must_be_the_same(in_order_of_names(wanted), in_order_of_names(by_name(render(COMPONENTS[component]))))


def test_all_at_once_are_the_same_too(render, tmp_path) -> None:
    together = [each for each in COMPONENTS if each not in {"monitoring", "prometheus-scrape-label"}]
    values: dict[str, Any] = {}
    for each in together:
        for key, value in COMPONENTS[each].items():
            values[key] = values.get(key, {}) | value if isinstance(value, dict) else value
    wanted = with_components(tmp_path, *together)
    must_be_the_same(in_order_of_names(wanted), in_order_of_names(by_name(render(values))))


def test_the_production_overlay_is_these_values(render) -> None:
    values = {key: value for each in PRODUCTION for key, value in COMPONENTS[each].items()}
    values["settings"] = {"AEG_LOG_FORMAT": "json"}
    wanted = kustomized(MANIFESTS / "overlays/production")
    must_be_the_same(in_order_of_names(wanted), in_order_of_names(by_name(render(values))))


def test_no_component_is_left_out() -> None:
    assert {path.parent.name for path in MANIFESTS.glob("components/*/kustomization.yaml")} == COMPONENTS.keys()


def test_a_difference_is_told_with_its_path() -> None:
    one = {"spec": {"ports": [{"port": 1}], "replicas": 1}}
    other = {"spec": {"ports": [{"port": 2}], "replicas": 1.0, "paused": True}}
    assert list(differences(one, other)) == [
        ".spec.paused: kustomize None, chart True",
        ".spec.ports[0].port: kustomize 1, chart 2",
        ".spec.replicas: kustomize 1, chart 1.0",
    ]
