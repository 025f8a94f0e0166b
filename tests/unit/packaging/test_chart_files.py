"""The Helm chart as files: one version, every value told and bounded, and nothing written twice."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from audit_event_operator import __version__
from audit_event_operator.settings import variables

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/audit-event-operator"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
KEY = re.compile(r"( *)([A-Za-z]+):")


@pytest.fixture
def renderer():
    spec = importlib.util.spec_from_file_location("chart_renderer", ROOT / "charts/render.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_chart_and_operator_have_one_version():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__


def test_every_page_names_the_chart_of_this_version():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {version for page in pages for version in re.findall(r"--version (\d\S*)", page.read_text())}
    application = yaml.safe_load((ROOT / "manifests/argocd/application-helm.yaml").read_text())
    assert named | {application["spec"]["source"]["targetRevision"]} == {__version__}


def test_every_value_is_told_in_one_line_above_it():
    lines = (CHART / "values.yaml").read_text().splitlines()
    told_above = {}  # depth → whether the last key of that depth has its line
    untold = []
    for number, line in enumerate(lines):
        if not (found := KEY.match(line)):
            continue
        depth, is_section = len(found[1]) // 2, line.endswith(":")
        told_above[depth] = lines[number - 1].startswith(f"{found[1]}# ")
        if told_above[depth]:
            assert not lines[number - 2].lstrip().startswith("#"), f"one line is enough: {line}"
        if not (told_above[depth] or is_section or any(told_above[less] for less in range(depth))):
            untold.append(line.strip())
    assert untold == []
    assert len(told_above) == 3


def objects(schema):
    """Every schema of an object with named members."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for each in schema.values():
            yield from objects(each)


def test_the_schema_knows_each_member_and_refuses_all_others():
    loose = [each for each in objects(SCHEMA) if each.get("additionalProperties") is not False]
    assert [set(each["properties"]) for each in loose] == [{"name"}], "a volume alone, which Kubernetes has 30 kinds of"


def same_members(values, schema):
    assert values.keys() == schema["properties"].keys()
    for name, value in values.items():
        inner = schema["properties"][name]
        if isinstance(value, dict) and "properties" in inner and name not in {"settings", "affinity"}:
            same_members(value, inner)


def test_the_schema_and_the_defaults_have_the_same_members():
    properties = {name: each for name, each in SCHEMA["properties"].items() if name != "global"}
    same_members(VALUES, {"properties": properties})


def test_the_defaults_are_valid():
    assert SCHEMA["$schema"].startswith("http://json-schema.org/draft-07"), "what every Helm 3 reads"
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    jsonschema.validate(VALUES, SCHEMA)


def test_every_setting_may_be_set_but_those_that_other_values_set(renderer):
    assert renderer.NOT_IN_SETTINGS.keys() <= variables().keys()
    allowed = SCHEMA["properties"]["settings"]["properties"]
    assert allowed.keys() == variables().keys() - renderer.NOT_IN_SETTINGS.keys()
    assert allowed["AEG_LOG_FORMAT"] == {"type": "string", "enum": ["plain", "json"]}
    assert allowed["RABBITMQ_PORT"] == {"type": "integer", "minimum": 1, "maximum": 65535}
    assert allowed["AEG_LEASE_STRICT"] == {"type": "boolean"}


def test_nothing_copied_is_stale(renderer, capsys):
    assert renderer.main(["--check"]) == 0, capsys.readouterr().err


def test_stale_missing_and_strange_files_are_named_and_mended(renderer, capsys, tmp_path, monkeypatch):
    copy = tmp_path / "charts/audit-event-operator"
    shutil.copytree(CHART, copy)
    monkeypatch.setattr(renderer, "CHART", copy)
    monkeypatch.setattr(renderer, "SCHEMA", copy / "values.schema.json")
    monkeypatch.setattr(renderer, "shown", lambda path: path.name)
    (copy / "files/rbac.yaml").write_text("edited by hand")
    (copy / "files/crds.yaml").unlink()
    (copy / "files/own.yaml").touch()
    schema = json.loads(renderer.SCHEMA.read_text())
    del schema["properties"]["settings"]["properties"]["AEG_LOG_LEVEL"]
    renderer.SCHEMA.write_text(json.dumps(schema))
    assert renderer.main(["--check"]) == 1
    told = capsys.readouterr().err.splitlines()
    assert sorted(line.split()[0] for line in told) == ["crds.yaml", "own.yaml", "rbac.yaml", "values.schema.json"]
    (copy / "files/own.yaml").unlink()
    assert renderer.main([]) == 0
    assert renderer.main(["--check"]) == 0
    assert renderer.SCHEMA.read_text() == (CHART / "values.schema.json").read_text()
