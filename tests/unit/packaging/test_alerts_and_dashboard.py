"""The alerts and the dashboard as files: complete, with a page for each alert, and bound to no Prometheus in particular."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "manifests" / "components" / "monitoring"
RUNBOOKS = ROOT / "docs" / "runbooks"
DASHBOARD = ROOT / "manifests" / "components" / "grafana-dashboard" / "audit-event-operator.json"


def alerts():
    rule = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    return {each["alert"]: each for group in rule["spec"]["groups"] for each in group["rules"]}


def objects(tree):
    """Every object in a JSON document."""
    if isinstance(tree, dict):
        return [tree, *(found for value in tree.values() for found in objects(value))]
    return [found for value in tree for found in objects(value)] if isinstance(tree, list) else []


@pytest.mark.parametrize("name", sorted(alerts()))
def test_an_alert_says_how_bad_it_is_what_it_is_and_where_help_is(name):
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"https://example.com/docs/runbooks/{name}.md"


def test_every_alert_has_its_page_and_no_page_is_left_over():
    pages = {page.stem: page.read_text() for page in RUNBOOKS.glob("*.md") if page.stem != "README"}
    assert pages.keys() == alerts().keys()
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n\nSeverity: {alerts()[name]['labels']['severity']}\n"), name
        assert "\n## What to do\n\n1. " in text, name


def test_the_list_of_the_pages_is_the_list_of_the_alerts():
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", (RUNBOOKS / "README.md").read_text(), re.MULTILINE)
    assert all(name == page for name, page, _ in rows)
    assert {name: severity for name, _, severity in rows} == {
        name: alert["labels"]["severity"] for name, alert in alerts().items()
    }


def test_every_alert_is_tried_firing_and_silent():
    tests = yaml.safe_load((ROOT / "tests" / "integration" / "alerts" / "alerts.yaml").read_text())["tests"]
    tried = {(each["alertname"], bool(each.get("exp_alerts"))) for test in tests for each in test["alert_rule_test"]}
    assert tried == {(name, fires) for name in alerts() for fires in (True, False)}


def test_the_dashboard_names_no_datasource_of_its_own():
    dashboard = json.loads(DASHBOARD.read_text())
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    assert list(variables) == ["datasource", "generator_namespace", "generator"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    named = [each["datasource"] for each in objects(dashboard) if "datasource" in each]
    assert named
    assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in named)
    rpc = [each for each in objects(dashboard) if "expr" in each]
    assert all("datasource" in each for each in rpc)


def test_the_dashboard_can_be_imported_anywhere():
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["id"] is None
    assert dashboard["uid"] == "audit-event-operator"
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels lie on each other"
    assert max(x for x, _ in cells) < 24
    assert all(panel["title"] and panel.get("description", "row") for panel in dashboard["panels"])
