"""What Argo CD says of a resource: the states of health_test.yaml, and every reason there is."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from audit_event_operator.resource.advice import advice_on
from audit_event_operator.resource.conditions import Completion, CompletionReason, Ready, Reason
from audit_event_operator.resource.names import API_VERSION, GROUP, KIND
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Facts, build_status
from support.parts import argo_lua

FOLDER = Path(__file__).parents[3] / "manifests" / "argocd" / "resource_customizations" / GROUP / KIND
HEALTH = FOLDER / "health.lua"
CASES = yaml.safe_load((FOLDER / "health_test.yaml").read_text())["tests"]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def resource(generation, status):
    metadata = {"name": "demo", "namespace": "audit", "generation": generation}
    found = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {}}
    return found if status is None else found | {"status": status}


def health(generation, status):
    answer = argo_lua.run(HEALTH, resource(generation, status))
    assert set(answer) == {"status", "message"}
    return str(answer["status"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: Path(case["inputPath"]).stem)
def test_a_documented_state_has_the_documented_health(case):
    found = yaml.safe_load((FOLDER / case["inputPath"]).read_text())
    assert argo_lua.run(HEALTH, found) == case["healthStatus"]


def test_every_object_of_testdata_is_a_case():
    assert {case["inputPath"] for case in CASES} == {f"testdata/{path.name}" for path in FOLDER.glob("testdata/*")}


@pytest.mark.parametrize("early", [False, True], ids=["settled", "early"])
@pytest.mark.parametrize("reason", Reason)
def test_the_health_of_every_reason_follows_from_ready(reason, early):
    ready = Ready(reason, "A sentence.", early)
    complete = Completion(CompletionReason.DURATION_ELAPSED, "A sentence.") if reason is Reason.COMPLETED else None
    status = build_status(Facts(7, ready, complete=complete), None, NOW)
    wanted = {"Unknown": "Progressing", "True": "Healthy", "False": "Degraded"}[ready.readiness.status]
    assert health(7, status) == ("Suspended" if reason is Reason.SUSPENDED else wanted)
    assert argo_lua.run(HEALTH, resource(7, status))["message"] == "A sentence."


@pytest.mark.parametrize("reason", Reason)
def test_a_warning_about_the_spec_changes_nothing_about_the_health(reason):
    advice = advice_on(parse_spec({"queue": "audit "}))
    plain = resource(7, build_status(Facts(7, Ready(reason, "A sentence.")), None, NOW))
    warned = resource(7, build_status(Facts(7, Ready(reason, "A sentence."), advice=advice), None, NOW))
    assert plain != warned
    warned["status"]["conditions"].reverse()  # wherever it stands
    assert argo_lua.run(HEALTH, warned) == argo_lua.run(HEALTH, plain)


@pytest.mark.parametrize("reason", Reason)
def test_records_of_the_truth_that_wait_change_nothing_about_the_health(reason):
    plain = Facts(7, Ready(reason, "A sentence."))
    waiting = resource(7, build_status(replace(plain, truth_undelivered="The queue is full."), None, NOW))
    waiting["status"]["conditions"].reverse()
    assert argo_lua.run(HEALTH, waiting) == argo_lua.run(HEALTH, resource(7, build_status(plain, None, NOW)))


@pytest.mark.parametrize("reason", Reason)
def test_a_change_that_is_not_in_effect_is_progressing_whatever_was_before(reason):
    assert health(8, build_status(Facts(7, Ready(reason, "A sentence.")), None, NOW)) == "Progressing"


@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"observedGeneration": -1},
        {"observedGeneration": 7},
        {"observedGeneration": 7, "conditions": []},
        {"observedGeneration": 7, "conditions": [{"type": "Stalled", "status": "True", "message": "It is."}]},
        {"observedGeneration": 7, "conditions": [{"type": "Ready", "status": "Strange", "message": "It is."}]},
    ],
    ids=repr,
)
def test_what_says_nothing_yet_is_progressing(status):
    assert health(7, status) == "Progressing"


def test_the_scripts_get_no_more_than_argo_cd_gives_them(tmp_path):
    script = tmp_path / "look.lua"
    absent = ("string", "math", "io", "os.execute", "debug")
    script.write_text("return {" + ", ".join(f"{name} == nil" for name in absent) + "}")
    assert argo_lua.run(script, {}) == [True] * len(absent)
    script.write_text('return ("x"):upper()')
    with pytest.raises(argo_lua.ScriptError):
        argo_lua.run(script, {})
