"""Kubernetes' own autoscaler turns the rate of a stream by a metric from outside: the real controller, operator and broker."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from support.parts.controlplane import REPOSITORY, ControlPlane
from support.parts.external_metrics import ExternalMetrics, FrontProxy
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs, running_operator
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

SAMPLES = REPOSITORY / "manifests/live-rates"
METRIC = "production_logins_per_second"
TURN_SECONDS = 30
"""The controller looks every second; a change passes the API server, the operator and the status before the next look."""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> FrontProxy:
    return FrontProxy(tmp_path_factory.mktemp("aggregation") / "front-proxy")


@pytest.fixture(scope="module")
def plane(proxy: FrontProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster with the aggregation layer and a controller manager that looks at its autoscalers every second."""
    often = ["--horizontal-pod-autoscaler-sync-period=1s"]
    with ControlPlane(
        tmp_path_factory.mktemp("autoscaling"),
        controller_manager=True,
        apiserver_arguments=proxy.arguments,
        controller_manager_arguments=often,
    ) as running:
        running.install_crd()
        running.install_rbac()
        yield running


@pytest.fixture(scope="module")
def metrics(
    plane: ControlPlane, proxy: FrontProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ExternalMetrics]:
    with ExternalMetrics(tmp_path_factory.mktemp("metrics") / "server", proxy) as serving:
        serving.register(plane)
        yield serving


@pytest.fixture(scope="module")
def operator(
    plane: ControlPlane, rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator")
    with running_operator(plane, plane.operator_kubeconfig(), rabbitmq, folder) as running:
        yield running
        must_be_free_of_bugs(running)


@pytest.fixture
def shadow(
    plane: ControlPlane, metrics: ExternalMetrics, operator: OperatorProcess, queue: str
) -> Iterator[Generators]:
    """The sample, in a namespace of its own, with a queue of its own."""
    assert operator.running
    metrics.values[METRIC] = "10"
    name = f"shadow-{queue}"
    plane.kubectl("create", "namespace", name)
    plane.kubectl("apply", "-n", name, "-f", "-", input=sample("hpa").replace("audit_shadow", queue))
    yield Generators(plane, name)
    plane.kubectl("delete", "hpa,aeg", "--all", "-n", name)


def sample(name: str) -> str:
    return (SAMPLES / f"{name}.yaml").read_text()


def autoscaler(shadow: Generators) -> dict[str, Any]:
    got: dict[str, Any] = json.loads(
        shadow.cluster.kubectl("get", "hpa", "shadow", "-n", shadow.namespace, "-o", "json").stdout
    )
    return got


def condition(shadow: Generators, kind: str) -> dict[str, Any]:
    conditions = autoscaler(shadow).get("status", {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), {})


def wait_for_rate(shadow: Generators, rate: str) -> None:
    wait_until(
        lambda: shadow.status("shadow").get("targetRate") == rate,
        timeout_seconds=TURN_SECONDS,
        what=f"a rate of {rate}",
        explain=lambda: (shadow.get("shadow"), autoscaler(shadow).get("status")),
        every_seconds=0.2,
    )


@pytest.mark.timeout(180)
def test_the_autoscaler_drives_the_rate_up_and_down_by_a_metric_from_outside(
    shadow, metrics, operator, measured
) -> None:
    shadow.wait_for("shadow", "Publishing")
    for logins, rate in (("10", "1/s"), ("400", "40/s"), ("2000", "200/s"), ("100", "10/s"), ("0", "1/s")):
        metrics.values[METRIC] = logins
        wait_for_rate(shadow, rate)
    active = condition(shadow, "ScalingActive")
    assert (active["status"], active["reason"]) == ("True", "ValidMetricFound")
    assert any(f"/namespaces/{shadow.namespace}/{METRIC}" in path for path in metrics.asked)
    assert operator.metric("audit_event_operator_generator_target_events_per_second", generator="shadow") == 1
    measured("an HorizontalPodAutoscaler drove a stream from 1/s to 200/s and back by an external metric")


@pytest.mark.timeout(120)
def test_more_than_the_autoscaler_may_ask_for_is_not_asked_for(shadow, metrics) -> None:
    metrics.values[METRIC] = "1000000"
    wait_for_rate(shadow, "500/s")
    assert condition(shadow, "ScalingLimited")["reason"] == "TooManyReplicas"


@pytest.mark.timeout(120)
def test_who_dials_to_zero_switches_the_autoscaler_off_until_somebody_dials_up_again(shadow, metrics) -> None:
    metrics.values[METRIC] = "400"
    wait_for_rate(shadow, "40/s")
    scale = "scale", "aeg/shadow", "-n", shadow.namespace
    shadow.cluster.kubectl(*scale, "--replicas=0")
    shadow.wait_for("shadow", "Idle")
    wait_until(
        lambda: condition(shadow, "ScalingActive").get("reason") == "ScalingDisabled", what="the autoscaler to be off"
    )
    assert shadow.status("shadow")["targetRate"] == "0/s"
    shadow.cluster.kubectl(*scale, "--replicas=1")
    wait_for_rate(shadow, "40/s")


@pytest.mark.timeout(120)
def test_while_the_metric_is_away_the_rate_stays(shadow, metrics) -> None:
    metrics.values[METRIC] = "400"
    wait_for_rate(shadow, "40/s")
    del metrics.values[METRIC]
    wait_until(
        lambda: condition(shadow, "ScalingActive").get("reason") == "FailedGetExternalMetric", what="a missing metric"
    )
    assert shadow.status("shadow")["targetRate"] == "40/s"


# --- KEDA -----------------------------------------------------------------------------------------------------------------

# What keda.sh/docs names for a ScaledObject, with what Kubernetes calls the types. KEDA itself is not at hand.
SCALED_OBJECT: dict[str, type] = {
    "scaleTargetRef": dict,
    "pollingInterval": int,
    "cooldownPeriod": int,
    "initialCooldownPeriod": int,
    "idleReplicaCount": int,
    "minReplicaCount": int,
    "maxReplicaCount": int,
    "fallback": dict,
    "advanced": dict,
    "triggers": list,
}
TRIGGERS = {
    "cron": ({"timezone", "start", "end", "desiredReplicas"}, set[str]()),
    "prometheus": (
        {"serverAddress", "query", "threshold"},
        {
            "activationThreshold",
            "namespace",
            "customHeaders",
            "ignoreNullValues",
            "queryParameters",
            "unsafeSsl",
            "timeout",
        },
    ),
}


@pytest.mark.parametrize("name", ["keda-cron", "keda-prometheus"])
def test_a_scaled_object_has_only_what_keda_documents(name: str) -> None:
    generator, scaled = yaml.safe_load_all(sample(name))
    spec = scaled["spec"]
    assert {field: type(value) for field, value in spec.items()} == {field: SCALED_OBJECT[field] for field in spec}
    assert spec["scaleTargetRef"] == {
        **{field: generator[field] for field in ("apiVersion", "kind")},
        "name": generator["metadata"]["name"],
    }
    (trigger,) = spec["triggers"]
    required, optional = TRIGGERS[trigger["type"]]
    assert required <= trigger["metadata"].keys() <= required | optional
    assert all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA takes texts only"
    assert trigger.get("metricType", "AverageValue") == "AverageValue"
    assert spec["maxReplicaCount"] >= int(trigger["metadata"].get("desiredReplicas", 0))


@pytest.mark.parametrize("name", ["hpa", "keda-cron", "keda-prometheus"])
def test_the_stream_of_a_sample_leaves_the_dial_to_the_autoscaler(name: str, plane: ControlPlane) -> None:
    generator, scaler = yaml.safe_load_all(sample(name))
    assert "eventsPerInterval" not in generator["spec"]
    done = plane.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(generator))
    assert done.stderr == ""
    behaviour = (
        scaler["spec"].get("behavior") or scaler["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    )
    target = {"scaleTargetRef": scaler["spec"]["scaleTargetRef"], "maxReplicas": 500, "behavior": behaviour}
    hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}, "spec": target}
    assert plane.kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(hpa)).stderr == ""
