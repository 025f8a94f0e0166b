"""The GitHub workflows: they parse, ask for no more rights than they name, and no secret or foreign text gets into a shell."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.y*ml"))
COMMIT = re.compile(r"[0-9a-f]{40}")
MAJOR = re.compile(r"v[0-9]+")
MAY_WRITE = {"release.yml/image": {"packages", "id-token"}, "release.yml/publish": {"contents", "packages", "id-token"}}


def read(path):
    return yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # `on` stays a word


JOBS = [
    pytest.param(path, job, id=f"{path.name}/{name}") for path in WORKFLOWS for name, job in read(path)["jobs"].items()
]
STEPS = [
    pytest.param(path, step, id=f"{path.name}/{name}/{number}")
    for path in WORKFLOWS
    for name, job in read(path)["jobs"].items()
    for number, step in enumerate(job.get("steps", []))
]


def test_there_are_the_three():
    assert [path.name for path in WORKFLOWS] == ["advisories.yml", "release.yml", "test.yml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_gives_no_right_by_default(path):
    workflow = read(path)
    assert workflow["permissions"] == {}
    assert workflow["on"]
    assert "pull_request_target" not in workflow["on"]


@pytest.mark.parametrize("path, job", JOBS)
def test_every_job_names_its_rights_and_its_longest_time(path, job, request):
    name = request.node.callspec.id
    writes = {right for right, access in job["permissions"].items() if access == "write"}
    assert writes == MAY_WRITE.get(name, set())
    assert "uses" in job or int(job["timeout-minutes"]) <= 60


@pytest.mark.parametrize("path, step", STEPS)
def test_no_secret_and_no_foreign_text_in_a_command(path, step):
    assert "${{" not in step.get("run", ""), "hand it over in env, and quote it"
    assert "secrets." not in step.get("run", "")
    assert "secrets." not in str(step.get("env", {}))


@pytest.mark.parametrize("path, step", STEPS)
def test_every_action_has_a_fixed_version_and_checkouts_leave_no_token(path, step):
    if "uses" not in step:
        return
    action, _, version = step["uses"].partition("@")
    assert COMMIT.fullmatch(version) or MAJOR.fullmatch(version), step["uses"]
    if COMMIT.fullmatch(version):
        assert re.search(rf"{action}@{version} # v\d+\.\d+\.\d+$", path.read_text(), re.MULTILINE), "say which version"
    if action == "actions/checkout":
        assert step["with"]["persist-credentials"] == "false"


def test_every_target_that_a_workflow_makes_is_there():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    runs = [step.values[1].get("run", "") for step in STEPS]
    made = {target for run in runs for target in re.findall(r"^make ([a-z-]+)", run)}
    assert {"test-unit", "image", "check-release", "release-files"} <= made <= targets


def test_the_image_is_for_both_architectures_with_sbom_and_provenance_and_is_signed():
    job = read(ROOT / ".github/workflows/release.yml")["jobs"]["image"]
    (build,) = (step["with"] for step in job["steps"] if step.get("id") == "build")
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert (build["sbom"], build["provenance"], build["push"]) == ("true", "mode=max", "true")
    assert {line.split("=")[0] for line in build["build-args"].split("\n") if line} == {"VERSION", "COMMIT"}
    assert any("cosign sign --yes" in step.get("run", "") for step in job["steps"])


def test_the_chart_is_pushed_signed_and_attached_by_the_helm_that_the_tests_use():
    steps = read(ROOT / ".github/workflows/release.yml")["jobs"]["publish"]["steps"]
    (helm,) = (step["with"]["version"] for step in steps if "setup-helm" in step.get("uses", ""))
    assert f"helm.sh/helm/v3 {helm}" in (ROOT / "tests/helm/go.mod").read_text()
    runs = {step.get("name"): step["run"] for step in steps if "run" in step}
    push = runs["Push the chart and sign it"]
    assert push.index("helm push dist/audit-event-operator-*.tgz") < push.index("cosign sign --yes")
    for step in ("Sign the files", "Make the release"):
        assert "audit-event-operator-*.tgz" in runs[step]
    assert list(runs).index("Push the chart and sign it") < list(runs).index("Make the release")


def test_what_is_installed_with_the_operator_is_compared_with_the_advisories_every_week():
    workflow = read(ROOT / ".github/workflows/advisories.yml")
    assert "schedule" in workflow["on"]
    command = workflow["jobs"]["python"]["steps"][-1]["run"].split()
    lock = command[command.index("-r") + 1]
    assert (ROOT / lock).is_file()
    installed = f"--require-hashes --only-binary :all: --no-compile --prefix /install -r {lock}"
    assert installed in (ROOT / "Dockerfile").read_text(), "it is the lock that the image installs"


def test_dependabot_looks_after_actions_python_and_the_base_image_and_waits_a_week():
    dependabot = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())
    assert {update["package-ecosystem"] for update in dependabot["updates"]} == {"github-actions", "pip", "docker"}
    for update in dependabot["updates"]:
        assert (ROOT / update["directory"].lstrip("/")).is_dir()
        assert update["cooldown"]["default-days"] == 7
