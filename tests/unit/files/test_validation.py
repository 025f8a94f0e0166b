"""What `validate` says of files: exact lines, one sentence per mistake, one line per good document."""

import os

import pytest

from audit_event_operator.files.samples import list_samples, read_sample
from audit_event_operator.files.validation import Findings, validate_files

GOOD = """\
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata: {name: good}
spec: {}
"""

BROKEN = """\
# Three mistakes in two documents.
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata:
  name: one
spec:
  queue: audit_events
  # too long
  interval: 25h
---
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata:
  name: two
spec:
  eventTypes:
  - name: door_open
    eventType: door
  - name: door_closed
    eventType: door
    severity: LOUD
  interval: 1s
  intervall: 2s
"""

NOT_READABLE = [
    ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a'"),
    ('{\n  "a": 1,\n  "b": [{"c": 1,\n  "c": 2}]\n}', 4, "duplicate key 'c'"),
    ('{"a":\n\n NaN}', 3, "NaN is not a JSON number"),
    ("a: 1\nb: c: d\n", 2, "not valid YAML"),
    ("a: 1\nb: \x07\n", 2, "U+0007"),
    ("a: 1\n---\n- a\n", 3, "not a list"),
]


def judged(text, name="-"):
    return validate_files([name], text.encode)


def lines(text):
    """The line and the first word of every problem."""
    return [(int(problem.split(":")[1]), problem.split(": ", 1)[1].split()[0]) for problem in judged(text).problems]


def test_three_mistakes_in_two_documents_are_three_sentences_with_their_lines(tmp_path):
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    findings = validate_files([str(file)], bytes)
    problems = findings.problems
    assert findings.good == findings.warnings == []
    assert [problem.split(": ")[0] for problem in problems] == [f"{file}:9", f"{file}:21", f"{file}:23"]
    assert problems[0] == f"{file}:9: interval must be between 1ms and 24h"
    assert problems[1].startswith(f"{file}:21: severity must be one of")
    assert problems[2].startswith(f"{file}:23: intervall is not a field of spec")


def test_a_correct_folder_has_one_line_per_document(tmp_path):
    (tmp_path / "deeper").mkdir()
    (tmp_path / "a.yaml").write_text(f"{GOOD}---\n{GOOD.replace('good', 'better')}")
    (tmp_path / "deeper" / "b.yml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: broker}\n")
    (tmp_path / "notes.txt").write_text("no resource")
    assert validate_files([str(tmp_path)], bytes) == Findings([
        f"{tmp_path}/a.yaml:1: AuditEventGenerator default/good is valid",
        f"{tmp_path}/a.yaml:6: AuditEventGenerator default/better is valid",
        f"{tmp_path}/deeper/b.yml:1: Secret is not checked",
    ])  # fmt: skip


def test_files_folders_and_standard_input_go_together(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.yaml").write_text(GOOD)
    (tmp_path / "b.json").write_text('{"kind": "AuditEventGenerator"}')
    names = [str(tmp_path / "folder"), str(tmp_path / "b.json"), "-", str(tmp_path / "none")]
    findings = validate_files(names, GOOD.replace("good", "other").encode)
    assert [line.split(": ")[0] for line in findings.good] == [f"{tmp_path}/folder/a.yaml:1", "standard input:1"]
    assert [line.split(": ")[0] for line in findings.problems] == [f"{tmp_path}/b.json:1"] * 2 + [f"{tmp_path}/none"]


@pytest.mark.parametrize("name", list_samples())
def test_the_samples_are_good_and_wise(name):
    findings = judged(read_sample(name))
    assert findings.problems == findings.warnings == []
    assert findings.good


@pytest.mark.parametrize("text, line, says", NOT_READABLE)
def test_a_file_that_cannot_be_read_is_told_by_its_line(text, line, says):
    findings = judged(text)
    (problem,) = findings.problems
    assert findings.good == []
    assert problem.startswith(f"standard input:{line}: ")
    assert says in problem


def test_a_missing_field_is_told_where_it_belongs():
    text = GOOD.replace("spec: {}", "spec:\n  eventTypes:\n  - name: a\n    eventType: b\n  - severity: INFO\n")
    assert lines(text.replace("{name: good}", "{}")) == [(3, "name"), (8, "name")]


def test_what_is_unwise_is_told_with_its_line_beside_the_good_line():
    text = GOOD.replace("spec: {}", "spec:\n  queue: q\n  queueDeclaration:\n    mode: MustExist\n    type: Quorum")
    findings = judged(text)
    assert findings.good == ["standard input:1: AuditEventGenerator default/good is valid"]
    assert findings.problems == []
    (warning,) = findings.warnings
    assert warning.startswith("standard input:8: warning: queueDeclaration.type has no effect with mode MustExist")


def test_a_resource_that_is_refused_has_no_warnings():
    findings = judged(GOOD.replace("spec: {}", 'spec: {queue: "q ", interval: 25h}'))
    assert len(findings.problems) == 1
    assert findings.warnings == findings.good == []


def test_labels_and_weights_with_dots_are_found():
    text = """\
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata:
  name: a
  labels:
    app: fine
    app.kubernetes.io/name: 5
spec:
  eventMix:
    user_login: 1
    file.access: 2
    file.open: -1
"""
    assert {7, 12} <= {line for line, _ in lines(text)}


SCRIPTED = """\
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata: {name: scripted}
spec:
  queue: audit
  groundTruth:
    header: true
    queue: audit
  scenarios:
  - name: attack
    type: BruteForce
    attempts:
      min: 3
      max: 2
    pace:
      min: 1s
      max: 11m
  - name: own
    type: Steps
    steps:
    - event: sudo_command
      gap: {min: 1s, max: 1s}
    - event: coffee_break
      after: {min: 2s,
              max: 1s}
      gap:
        max: 1s
        min: 9ms
"""


def test_what_is_wrong_inside_of_scenarios_is_told_with_its_line():
    fine = SCRIPTED.replace("    queue: audit\n", "    queue: truth\n")
    assert lines(fine) == [(12, "attempts.min"), (17, "pace.max"), (23, "event"), (24, "after.min"), (28, "gap.min")]


def test_a_rule_over_fields_of_the_ground_truth_is_told_with_its_line():
    assert lines(SCRIPTED[: SCRIPTED.index("  scenarios:")]) == [(8, "queue")]


def test_scenarios_that_will_not_do_what_they_say_are_warned_of_with_their_line():
    text = SCRIPTED[: SCRIPTED.index("    attempts:")].replace("    queue: audit\n", "    queue: truth\n")
    findings = judged(text + "    suspend: true\n    techniques: [T1110]\n")
    assert findings.problems == []
    (warning,) = findings.warnings
    assert warning.startswith(
        "standard input:13: warning: techniques has no effect in scenario attack, because its type"
    )


def test_json_and_lists_have_lines_too():
    text = """\
{"kind": "List", "apiVersion": "v1", "items": [
  {"apiVersion": "auditflow.jojees.net/v1alpha1", "kind": "AuditEventGenerator",
   "metadata": {"name": "a\\u002db"},
   "spec": {
     "queue": "q: [1,",
     "interval":
       "25h",
     "eventTypes": [{"name": "x",
       "eventType": 5}]}}
]}
"""
    assert lines(text) == [(6, "interval"), (9, "eventType")]


def test_what_an_alias_repeats_is_told_where_it_is_written():
    text = "a: &rate\n  interval: 25h\n---\n" + GOOD
    merged = GOOD.replace("spec: {}", "x-rate: &rate\n  interval: 25h\nspec:\n  <<: *rate\n  queue: q")
    assert lines(merged) == [(4, "x-rate"), (5, "interval")]
    assert lines(text)[0][0] == 1


def test_an_empty_folder_is_no_valid_one(tmp_path):
    (tmp_path / "notes.txt").write_text(GOOD)
    findings = validate_files([str(tmp_path)], bytes)
    assert findings.good == []
    assert findings.problems == [f"{tmp_path}: no .yaml, .yml or .json file in this folder"]


def test_the_case_of_a_files_ending_does_not_matter(tmp_path):
    (tmp_path / "x.YAML").write_text(GOOD)
    findings = validate_files([str(tmp_path)], bytes)
    assert (len(findings.good), findings.problems) == (1, [])


def test_a_resource_in_two_files_is_told_with_both(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    (problem,) = validate_files([str(tmp_path)], bytes).problems
    assert problem.startswith(f"{tmp_path}/b.yaml:1: ")
    assert f"already defined in {tmp_path}/a.yaml:1" in problem


@pytest.mark.parametrize("part", ["data: {password: '*canary*'}", "data: [canary]"])
def test_a_secret_that_nobody_can_read_is_told_without_its_values(part):
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: broker}\n" + part
    (problem,) = judged(text).problems
    assert "broker" in problem
    assert "canary" not in problem


def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (problem,) = validate_files([str(tmp_path / "pipe.yaml")], bytes).problems
    assert problem == f"{tmp_path}/pipe.yaml: neither a regular file nor a folder"
    (tmp_path / "a.yaml").write_text(GOOD)
    assert validate_files([str(tmp_path)], bytes).problems == []
