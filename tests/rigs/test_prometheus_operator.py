"""The real Prometheus Operator takes our ServiceMonitor and PrometheusRule, and its Prometheus finds the operator."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from support.parts.build import find_binaries
from support.parts.controlplane import OPERATOR, REPOSITORY, ControlPlane
from support.parts.operator_process import OperatorProcess
from support.parts.processes import free_port
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(1600)  # with a build from nothing

NOBODY = "203.0.113.10"  # an API server takes no loopback address for an endpoint; the rig maps this one to it
RELEASE = {"matchLabels": {"release": "kube-prometheus-stack"}}
PROMETHEUS = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "Prometheus",
    "metadata": {"name": "ours", "namespace": "monitoring"},
    "spec": {
        "replicas": 1,
        "serviceDiscoveryRole": "EndpointSlice",
        "serviceMonitorSelector": RELEASE,
        "serviceMonitorNamespaceSelector": {},
        "ruleSelector": RELEASE,
        "ruleNamespaceSelector": {},
        "evaluationInterval": "1s",
    },
}


class Rig(NamedTuple):
    """An API server with the Prometheus Operator and its webhook, and the production overlay with the chart's label in it."""

    plane: ControlPlane
    scripts: Path
    environment: Mapping[str, str]
    folder: Path

    def run(self, script: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self.scripts / script, *arguments],
            env=dict(self.environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The rows of an instant query; none while Prometheus has not answered."""
        url = f"http://127.0.0.1:{self.environment['PROM_PORT']}/api/v1/"
        with urllib.request.urlopen(
            url + "query?" + urllib.parse.urlencode({"query": expression}), timeout=10
        ) as answer:
            rows: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return rows

    def accepted(self, kind: str) -> bool:
        """Whether the Prometheus Operator says that it has taken the object into a configuration."""
        status = json.loads(self.plane.kubectl("-n", OPERATOR, "get", kind, OPERATOR, "-o", "json").stdout).get(
            "status", {}
        )
        verdicts = [each for binding in status.get("bindings", ()) for each in binding["conditions"]]
        return [each["status"] for each in verdicts if each["type"] == "Accepted"] == ["True"]


@pytest.fixture(scope="module")
def rig(prometheus_operator: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("prometheus-operator")
    ports = {name: str(free_port()) for name in ("OPERATOR_PORT", "WEBHOOK_PORT", "PROM_PORT")}
    path = f"{find_binaries()}:{os.environ['PATH']}"  # kubectl is there
    environment = os.environ | ports | {"RIGS_BIN": str(prometheus_operator.binaries), "PATH": path}
    with ControlPlane(folder) as plane:
        made = Rig(plane, prometheus_operator.scripts, environment, folder)
        try:
            made.run("up.sh", plane.kubeconfig, folder / "up")
            yield made
        finally:
            made.run("scrape.sh", "--stop", folder / "scrape")
            made.run("down.sh", plane.kubeconfig, folder / "up")


def apply_production(rig: Rig, *components: str) -> None:
    """The production overlay with more components."""
    overlay = rig.folder / "overlay"
    overlay.mkdir(exist_ok=True)
    manifests = os.path.relpath(REPOSITORY / "manifests", overlay)
    content = {
        "resources": [f"{manifests}/overlays/production"],
        "components": [f"{manifests}/components/{each}" for each in components],
    }
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(content))
    done = rig.plane.kubectl("apply", "-k", overlay)
    assert done.stderr == ""


@pytest.fixture(scope="module")
def installed(rig: Rig) -> Rig:
    """The same one with the production overlay and the label that kube-prometheus-stack wants, applied by kubectl."""
    apply_production(rig, "kube-prometheus-stack")
    rig.plane.kubectl("create", "namespace", "monitoring")
    rig.plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(PROMETHEUS))
    return rig


def test_its_webhook_takes_our_rules_and_would_not_take_bad_ones(installed) -> None:
    rule = json.loads(installed.plane.kubectl("-n", OPERATOR, "get", "prometheusrule", OPERATOR, "-o", "json").stdout)
    assert rule["metadata"]["annotations"]["prometheus-operator-validated"] == "true"
    bad = json.dumps([{"op": "replace", "path": "/spec/groups/0/rules/0/expr", "value": "rate(up[5m"}])
    refused = installed.plane.kubectl(
        "-n", OPERATOR, "patch", "prometheusrule", OPERATOR, "--type=json", "-p", bad, check=False
    )
    assert refused.returncode != 0
    assert "could not parse expression" in refused.stderr, "the webhook is asked"


def test_it_takes_our_service_monitor_and_rules_into_the_configuration(installed) -> None:
    for kind in ("servicemonitor", "prometheusrule"):
        wait_until(lambda kind=kind: installed.accepted(kind), what=f"Accepted of our {kind}", every_seconds=0.5)


def test_the_prometheus_that_it_configures_scrapes_the_operator_and_has_our_alerts(installed, tmp_path) -> None:
    with OperatorProcess(tmp_path, "demo") as operator:
        endpoint = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{OPERATOR}-by-hand",
                "namespace": OPERATOR,
                "labels": {"kubernetes.io/service-name": OPERATOR, "app.kubernetes.io/name": OPERATOR},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [NOBODY], "conditions": {"ready": True}}],
            "ports": [{"name": "http-metrics", "port": operator.metrics_port, "protocol": "TCP"}],
        }
        installed.plane.kubectl("apply", "-f", "-", input=yaml.safe_dump(endpoint))
        wait_until(lambda: installed.accepted("servicemonitor"), what="the configuration", every_seconds=0.5)
        installed.run(
            "scrape.sh", installed.plane.kubeconfig, "monitoring", "ours", installed.folder / "scrape",
            "--map", f"{NOBODY}=127.0.0.1",
        )  # fmt: skip
        # Every 30 s at a moment of Prometheus' choice.
        wait_until(lambda: installed.query("audit_event_operator_build_info"), timeout_seconds=60, what="the operator")
        (up,) = installed.query(f'up{{job="{OPERATOR}"}}')
        assert up["value"][1] == "1"
        assert up["metric"]["namespace"] == up["metric"]["service"] == OPERATOR
        generator = installed.query("audit_event_operator_generator_info")[0]["metric"]
        assert generator["namespace"] == OPERATOR, "the target's; the resource's is generator_namespace"
        assert "exported_namespace" not in generator
        loaded = (installed.folder / "scrape" / "rules").rglob("*.yaml")
        assert any("AuditEventOperatorDown" in each.read_text() for each in loaded)
        pending = 'ALERTS{alertname="AuditEventOperatorDown"}'  # from before the first scrape
        wait_until(lambda: not installed.query(pending), what="the end of AuditEventOperatorDown")


def test_with_metrics_auth_the_configuration_sends_prometheus_own_token(installed, tmp_path) -> None:
    apply_production(installed, "kube-prometheus-stack", "metrics-auth")

    def token_file() -> str | None:
        """Of the configuration as it is now; no Prometheus loads it, because the token is only in a pod."""
        render = [
            sys.executable,
            installed.scripts / "render.py",
            installed.plane.kubeconfig,
            "monitoring",
            "ours",
            tmp_path,
        ]
        subprocess.run(render, check=True, stdout=subprocess.DEVNULL, timeout=60)
        config = yaml.safe_load((tmp_path / "prometheus.yaml").read_text())
        (ours,) = (each for each in config["scrape_configs"] if OPERATOR in each["job_name"])
        file: str | None = ours.get("bearer_token_file")
        return file

    found = wait_until(token_file, what="the token in the configuration", every_seconds=1)
    assert found == "/var/run/secrets/kubernetes.io/serviceaccount/token"
