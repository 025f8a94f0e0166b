"""Every query of the Grafana dashboard and every metric of the alerts finds data of a working operator in a real Prometheus."""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from support.parts.controlplane import REPOSITORY
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess
from support.parts.prometheus import Prometheus
from support.waiting import wait_until

COMPONENTS = REPOSITORY / "manifests" / "components"
DASHBOARD = json.loads((COMPONENTS / "grafana-dashboard" / "audit-event-operator.json").read_text())
RULES = yaml.safe_load((COMPONENTS / "monitoring" / "prometheusrule.yaml").read_text())["spec"]["groups"]


def queries() -> list[tuple[str, str]]:
    """Title and expression of every query, as Grafana sends them when everything is selected."""
    found = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "10s")
            expression = expression.replace("$generator_namespace", ".*").replace("$generator", ".*")
            assert "$" not in expression, "a variable that the test does not know"
            found.append((f"{panel['title']} ({panel['type']}) {target['refId']}", expression))
    return found


ONLY_PER_RESOURCE = re.compile(r"audit_event_operator_(?:generator|scenario|expected|truth)_\w+")
ONLY_PER_NAMESPACE = re.compile(r"audit_event_operator_namespace_\w+")


@pytest.fixture(params=[True, False], ids=["per resource", "per namespace"])
def per_resource(request: pytest.FixtureRequest) -> bool:
    """AEG_METRICS_PER_RESOURCE: dashboard and alerts have to work either way."""
    return bool(request.param)


@pytest.fixture
def prometheus(
    start_operator: Callable[..., OperatorProcess],
    generators: Generators,
    queue: str,
    tmp_path: Path,
    per_resource: bool,
) -> Iterator[Prometheus]:
    """Has scraped an operator with three generators, one of which nobody can help."""
    operator = start_operator(AEG_METRICS_PER_RESOURCE=str(per_resource).lower())
    generators.create("fast", queue=queue, interval="20ms")
    brute = {
        "name": "brute",
        "type": "BruteForce",
        "attempts": {"min": 3, "max": 3},
        "pace": {"min": "10ms", "max": "10ms"},
    }
    generators.create("slow", queue=queue, interval="500ms", scenarios=[brute])
    generators.create("broken", queue=queue, rabbitmq={"secretRef": {"name": "nowhere"}})
    generators.wait_for("fast", "Publishing")
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with Prometheus(folder, operator.metrics_port) as running:
        wait_until(lambda: (running.value("count_over_time(up[1m])") or 0) >= 3, what="three scrapes")
        assert operator.post("/generate_event", {"event_type": "user_login"}).status == 202
        wait_until(lambda: (running.value("count_over_time(up[1m])") or 0) >= 6, what="three more scrapes")
        yield running


def test_every_query_of_the_dashboard_and_every_metric_of_the_alerts_returns_data(
    prometheus: Prometheus, per_resource: bool
) -> None:
    # What is buffered and what is in flight is one number per namespace: the first of the two queries shows it.
    asked = [
        (title, query)
        for title, query in queries()
        if per_resource or "or " in query or not ONLY_PER_RESOURCE.search(query)
    ]
    answers = {title: prometheus.query(expression) for title, expression in asked}
    assert len(answers) == len(asked) > 30
    assert [title for title, rows in answers.items() if not rows] == []
    assert [title for title, rows in answers.items() if all(math.isnan(value) for _, value in rows)] == []
    published = {labels.get("generator"): value for labels, value in answers["Generators (table) D"] if value}
    if per_resource:
        assert published.keys() >= {"fast", "slow"}
        assert published["fast"] > published["slow"]
    else:
        assert published.keys() == {None}
    named = {
        name
        for group in RULES
        for rule in group["rules"]
        for name in re.findall(r"\b(?:audit_event_\w+|up)\b", rule["expr"])
    }
    assert len(named) >= 10
    others = ONLY_PER_NAMESPACE if per_resource else ONLY_PER_RESOURCE
    assert {name for name in named if not prometheus.query(name)} == set(filter(others.fullmatch, named))
