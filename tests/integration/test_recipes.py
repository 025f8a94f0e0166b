"""The recipes among the samples: what can be tried of them without the products that they are for."""

import copy
import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.parts.controlplane import GENERATORS, REPOSITORY, ControlPlane
from support.parts.generators import MERGE, Generators
from support.waiting import wait_until

RECIPES = REPOSITORY / "manifests/recipes"
NIGHTLY = list(yaml.safe_load_all((RECIPES / "run-every-night.yaml").read_text()))
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
POLICIES = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}


def of_kind(kind: str) -> dict[str, Any]:
    (found,) = [each for each in NIGHTLY if each["kind"] == kind]
    return copy.deepcopy(found)


@pytest.fixture
def nightly(cluster: ControlPlane) -> Iterator[Generators]:
    """The recipe as it stands, applied in a namespace with the strictest rules for pods."""
    name = cluster.create_namespace(f"nightly-{uuid.uuid4().hex[:8]}", RESTRICTED)
    done = cluster.kubectl("apply", "--validate=strict", "-n", name, "-f", "-", input=yaml.safe_dump_all(NIGHTLY))
    assert done.stderr == "", "no warning about the pod either"
    yield Generators(cluster, name)
    cluster.kubectl("delete", "--wait=false", "-n", name, "-f", "-", input=yaml.safe_dump_all(NIGHTLY))


@pytest.fixture
def account(nightly: Generators) -> Path:
    """The kubeconfig of the CronJob's account."""
    return nightly.cluster.service_account_kubeconfig(nightly.namespace, "nightly-run")


def run_the_container(nightly: Generators, account: Path, folder: Path, run: str) -> "subprocess.CompletedProcess[str]":
    """What the CronJob's container does, with the account's real token, and the names that a pod would see."""
    pod = of_kind("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounted = folder / "account"
    mounted.mkdir(exist_ok=True)
    (mounted / "ca.crt").write_bytes(nightly.cluster.ca_file.read_bytes())
    (mounted / "token").write_text(json.loads(account.read_text())["users"][0]["user"]["token"])
    (mounted / "namespace").write_text(nightly.namespace)
    given = {"RUN_ID": run, "API_SERVER": nightly.cluster.url, "ACCOUNT": str(mounted)}
    assert given.keys() == {each["name"] for each in container["env"]}
    return subprocess.run(
        [*container["command"], *container["args"]],
        env={"PATH": "/usr/bin:/bin"} | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_account_of_the_cron_job_may_patch_its_resource_and_nothing_else(nightly, account) -> None:
    def may(verb: str, resource: str) -> bool:
        question = "auth", "can-i", verb, resource, "-n", nightly.namespace
        return nightly.cluster.kubectl(*question, kubeconfig=account, check=False).stdout == "yes\n"

    assert may("patch", "auditeventgenerators/nightly")
    assert not may("patch", "auditeventgenerators/other")
    for verb in ("get", "list", "watch", "create", "update", "delete"):
        assert not may(verb, "auditeventgenerators/nightly"), verb
    for resource in ("secrets", "pods", "configmaps", "cronjobs.batch"):
        assert not any(may(verb, resource) for verb in ("get", "list", "create", "patch", "delete")), resource


def test_the_container_of_the_cron_job_starts_another_run(nightly, account, tmp_path) -> None:
    done = run_the_container(nightly, account, tmp_path, "nightly-run-29384756")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    spec = nightly.get("nightly")["spec"]
    assert spec["runId"] == "nightly-run-29384756"
    run_the_container(nightly, account, tmp_path, "nightly-run-29384756")
    assert nightly.get("nightly")["metadata"]["generation"] == 2, "the same Job again begins no other run"
    done = run_the_container(nightly, account, tmp_path, "not a run")
    assert done.returncode != 0


def test_the_account_cannot_redirect_the_stream_with_its_right_to_patch(nightly, account) -> None:
    token = json.loads(account.read_text())["users"][0]["user"]["token"]
    path = GENERATORS.path(nightly.namespace, "nightly")

    def patch(change: dict[str, Any], query: str = "") -> Any:
        request = nightly.cluster.request
        return request("PATCH", path + query, change, content_type=MERGE, token=token)

    says = "this account may change spec.runId and nothing else"
    elsewhere = {"spec": {"queue": "elsewhere"}}
    wait_until(lambda: patch(elsewhere, "?dryRun=All").status == 403, what="the policy to be in force")
    for change in (
        elsewhere,
        {"spec": {"runId": "next", "interval": "2s"}},
        {"spec": {"rabbitmq": {"secretRef": {"name": "mine"}}}},
        {"spec": {"maxEvents": None}},
        {"metadata": {"labels": {"team": "other"}}},
        {"metadata": {"finalizers": ["example.com/stay"]}},
        {"metadata": {"annotations": {"note": "x"}}},
    ):
        answer = patch(change)
        assert answer.status == 403, change
        assert answer.body["message"].endswith(says)
    assert patch({"spec": {"runId": "next"}}).status == 200
    assert patch({"spec": {"runId": None}}).status == 200
    by_kubectl = "patch", "aeg/nightly", "-n", nightly.namespace, "--type=merge", "-p", '{"spec":{"runId":"x"}}'
    refused = nightly.cluster.kubectl(*by_kubectl, kubeconfig=account, check=False)
    assert 'cannot get resource "auditeventgenerators"' in refused.stderr, (
        "which is why the recipe does without kubectl"
    )
    nightly.patch("nightly", queue="audit_other")  # others may go on as before


def test_a_job_is_named_so_that_its_name_can_be_a_run(nightly) -> None:
    longest = f"{of_kind('CronJob')['metadata']['name']}-{'9' * 11}"  # minutes since 1970, by the CronJob's controller
    nightly.patch("nightly", runId=longest)
    (container,) = of_kind("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (run_id,) = [each for each in container["env"] if each["name"] == "RUN_ID"]
    assert run_id["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-name']"


# --- Argo Workflows ---------------------------------------------------------------------------------------------------------


def test_the_step_of_the_workflow_patches_what_the_api_server_takes_and_waits_for_what_the_status_has(
    generators, cluster, queue
) -> None:
    workflow = yaml.safe_load(
        (RECIPES / "argo-workflow.yaml").read_text().replace("{{workflow.name}}", "pipeline-check-x7k2")
    )
    (step,) = [each["resource"] for each in workflow["spec"]["templates"] if "resource" in each]
    assert (step["action"], step["mergeStrategy"]) == ("patch", "merge")
    generators.create("smoke-test", queue=queue, maxEvents=5)
    patch = yaml.safe_load(step["manifest"])
    assert patch["metadata"]["name"] in (REPOSITORY / "manifests/samples/14-run-again.yaml").read_text()
    cluster.kubectl(
        "patch", "-n", generators.namespace, "--type=merge", "-f", "-", "-p", json.dumps(patch), input=step["manifest"]
    )
    assert generators.get("smoke-test")["spec"]["runId"] == "pipeline-check-x7k2"
    crd = yaml.safe_load((REPOSITORY / "crds/auditeventgenerators.yaml").read_text())
    status = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    for condition in step["successCondition"].split(","):
        path = condition.split("=")[0].strip()
        assert path.removeprefix("status.") in status, path


# --- bridges ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, output", [("kafka", "redpanda"), ("http", "http_client"), ("otlp", "http_client")])
def test_a_bridge_reads_the_queue_that_streams_go_to_unless_told_otherwise(name: str, output: str) -> None:
    bridge = yaml.safe_load((RECIPES / f"bridge-{name}.yaml").read_text())
    source = bridge["input"]["amqp_0_9"]
    assert source["queue"] == "audit_events"
    assert not source.get("auto_ack", False), "what the other side has not taken stays in RabbitMQ"
    assert "queue_declare" not in source, (
        "the operator declares it; two that declare differently would refuse each other"
    )
    assert set(bridge["output"]) == {output}
