"""What a click in Argo CD changes: the cases of action_test.yaml, and that the API server would take what comes out."""

from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from audit_event_operator.files.object_validation import validate_object
from audit_event_operator.resource.names import GROUP, KIND
from support.parts import argo_lua

FOLDER = Path(__file__).parents[3] / "manifests" / "argocd" / "resource_customizations" / GROUP / KIND / "actions"
CASES = yaml.safe_load((FOLDER / "action_test.yaml").read_text())
OBJECTS = sorted((FOLDER / "testdata").glob("*.yaml"))


def load(path):
    return yaml.safe_load(path.read_text())


def script(action):
    return FOLDER / action / "action.lua"


@pytest.mark.parametrize("case", CASES["discoveryTests"], ids=lambda case: Path(case["inputPath"]).stem)
def test_the_actions_that_make_sense_are_offered(case):
    offered = argo_lua.run(FOLDER / "discovery.lua", load(FOLDER / case["inputPath"]))
    assert offered == {action.pop("name"): action for action in [dict(one) for one in case["result"]]}


@pytest.mark.parametrize(
    "case", CASES["actionTests"], ids=lambda case: f"{case['action']}-{Path(case['inputPath']).stem}"
)
def test_an_action_changes_what_it_says_and_nothing_else(case):
    before, parameters = load(FOLDER / case["inputPath"]), case.get("parameters")
    if "expectedErrorMessage" in case:
        with pytest.raises(argo_lua.ScriptError, match=f"^{case['expectedErrorMessage']}$"):
            argo_lua.act(script(case["action"]), before, parameters)
    else:
        after = argo_lua.act(script(case["action"]), before, parameters)
        assert after == load(FOLDER / case["expectedOutputPath"])
        assert not validate_object(after)


def test_every_action_and_every_object_is_in_a_case():
    tested = {case["action"] for case in CASES["actionTests"]}
    assert tested == {path.parent.name for path in FOLDER.glob("*/action.lua")}
    named = {case.get(key) for part in CASES.values() for case in part for key in ("inputPath", "expectedOutputPath")}
    assert {f"testdata/{path.name}" for path in OBJECTS} <= named


def test_set_interval_without_a_value_says_what_to_do():
    with pytest.raises(argo_lua.ScriptError, match="500ms"):
        argo_lua.act(script("set-interval"), load(FOLDER / "testdata" / "running.yaml"))


def test_run_again_gives_another_name_each_time():
    found = load(FOLDER / "testdata" / "completed.yaml")
    names = []
    for _ in range(3):
        found = argo_lua.act(script("run-again"), found)
        names.append(found["spec"]["runId"])
        found["metadata"]["generation"] += 1  # as the API server does
    assert names == ["run-3", "run-4", "run-5"]


@pytest.mark.parametrize("action", ["suspend", "resume", "run-again"])
def test_an_action_leaves_empty_maps_and_large_numbers_alone(action):
    found = load(FOLDER / "testdata" / "running.yaml")
    odd = {"randomSeed": 2**53 - 1, "eventTypes": [{"name": "own", "details": {}}], "entities": {}}
    found["spec"] |= deepcopy(odd)
    after = argo_lua.act(script(action), found)
    assert {key: after["spec"][key] for key in odd} == odd
