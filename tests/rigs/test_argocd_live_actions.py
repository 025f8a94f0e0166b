"""Argo CD deploys the operator itself, runs actions on what the operator runs, and takes everything away in any order.

The cluster has nothing of ours but what Argo CD puts there. It has no node: the operator is a process beside it, with the
ServiceAccount that Argo CD made.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from rigs.live_argocd import APPLICATIONS, RESYNC_SECONDS, Application, Server, Team, operator_repository
from support.parts.controlplane import GENERATORS, OPERATOR, ControlPlane
from support.parts.operator_process import OperatorProcess
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(1800)  # with a build from nothing

CRD = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{GENERATORS.crd_name}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of our own, in which the other tests cannot miss what is deleted here."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), controller_manager=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def repository_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return operator_repository(tmp_path_factory.mktemp("platform") / "repository").url


@pytest.fixture
def platform(argocd_server: Server, cluster: ControlPlane, repository_url: str) -> Application:
    """The operator's own Application, Synced. It cannot be Healthy: the cluster has no node for the pod."""
    ours = Application(cluster, OPERATOR)
    if not ours.exists:
        ours.create("application", repository_url)
    ours.wait_for("Synced", "Progressing")
    return ours


@pytest.fixture
def operator_kubeconfig(platform: Application, cluster: ControlPlane) -> Path:
    """For the operator: the ServiceAccount from Git."""
    return cluster.operator_kubeconfig()


def counted(operator: OperatorProcess, what: str = "published") -> float:
    return operator.metric(f"audit_event_operator_generator_events_{what}_total", generator="stream") or 0


def seconds_for(operator: OperatorProcess, events: int) -> float:
    """How long these many events take from the next one on."""
    first = counted(operator)
    wait_until(lambda: counted(operator) > first, what="the next event")
    began, first = time.monotonic(), counted(operator)
    wait_until(lambda: counted(operator) >= first + events, timeout_seconds=60, what=f"{events} events")
    return time.monotonic() - began


def test_argo_cd_deploys_the_operator_from_git(platform, cluster) -> None:
    status = platform.status
    operation = status["operationState"]
    assert operation["phase"] == "Succeeded", operation
    assert {each["status"] for each in status["resources"]} == {"Synced"}
    kinds = {each["kind"] for each in status["resources"]}
    assert {"Namespace", "CustomResourceDefinition", "ClusterRole", "Deployment", "Service"} <= kinds

    pods = f"/api/v1/namespaces/{OPERATOR}/pods"
    wait_until(lambda: cluster.request("GET", pods).body["items"], what="the operator's pod")
    (pod,) = cluster.request("GET", pods).body["items"]
    assert pod["spec"]["serviceAccountName"] == OPERATOR


def test_the_operator_at_work_brings_no_difference_to_git(platform, team, start_operator, queue) -> None:
    ours = team("application-generators", queue=queue, interval="200ms")
    start_operator()
    ours.wait_for("Synced", "Healthy")
    with platform.always_synced(), ours.always_synced():
        time.sleep(2 * RESYNC_SECONDS)


def test_suspend_resume_and_set_interval_change_the_running_stream(argocd_server, team, start_operator, queue) -> None:
    ours = team("application-live-rates", queue=queue, interval="100ms")
    operator = start_operator()
    ours.wait_for("Synced", "Healthy")
    assert argocd_server.actions(ours) == {"suspend", "set-interval"}

    with ours.always_synced():
        assert argocd_server.run(ours, "suspend").returncode == 0
        ours.wait_for("Synced", "Suspended")
        assert argocd_server.actions(ours) == {"resume", "set-interval"}
        before = counted(operator, "generated")
        time.sleep(1.5 * RESYNC_SECONDS)
        assert counted(operator, "generated") == before
        assert ours.state == ("Synced", "Suspended")

        assert argocd_server.run(ours, "resume").returncode == 0
        ours.wait_for("Synced", "Healthy")
        assert argocd_server.actions(ours) == {"suspend", "set-interval"}
        assert seconds_for(operator, 30) == pytest.approx(3, abs=1)

        assert argocd_server.run_with(ours, "set-interval", interval="1s")[0] == 200
        wait_until(lambda: ours.interval == "1s", what="the interval that was asked for")
        time.sleep(1.5 * RESYNC_SECONDS)
        assert ours.interval == "1s"
        assert seconds_for(operator, 3) == pytest.approx(3, abs=1)


def test_set_interval_says_what_is_wrong_with_it_and_changes_nothing(argocd_server, team, platform) -> None:
    ours = team("application-live-rates", interval="1s")
    ours.wait_for("Synced", "Progressing")

    without = argocd_server.run(ours, "set-interval")
    assert without.returncode != 0
    assert "interval is required, for example 500ms" in without.stdout + without.stderr

    code, said = argocd_server.run_with(ours, "set-interval", interval="often")
    assert code >= 400
    assert "spec.interval" in said
    assert ours.interval == "1s"


def test_run_again_runs_a_bounded_stream_once_more(argocd_server, team, start_operator, rabbitmq, queue) -> None:
    ours = team("application-generators", queue=queue, interval="100ms", maxEvents=5)
    start_operator()
    ours.wait_for("Synced", "Healthy")
    wait_until(lambda: rabbitmq.queue_depth(queue) == 5, what="the first run")
    assert "run-again" in argocd_server.actions(ours)

    with ours.always_synced():
        for total in (10, 15):
            assert argocd_server.run(ours, "run-again").returncode == 0
            wait_until(lambda wanted=total: rabbitmq.queue_depth(queue) == wanted, what="another run")
        time.sleep(1.5 * RESYNC_SECONDS)
    ours.wait_for("Synced", "Healthy")
    assert rabbitmq.queue_depth(queue) == 15


class Everything(NamedTuple):
    """What Argo CD has made, and what runs of it."""

    cluster: ControlPlane
    platform: Application
    ours: Team
    operator: OperatorProcess
    argocd: Server

    def delete_operator(self) -> None:
        """Its Application; the process ends with its pod, as a kubelet would have it: the rights may be gone already."""
        self.platform.delete()
        pods = f"/api/v1/namespaces/{OPERATOR}/pods"
        wait_until(lambda: not self.cluster.request("GET", pods).body["items"], timeout_seconds=60, what="no pod")
        assert self.operator.stop().exit_code == 0

    def delete_crd(self) -> None:
        """As kubectl does it: Argo CD never deletes a CRD with an Application."""
        answer = self.cluster.request("DELETE", CRD)
        assert answer.status == 200, answer

    def delete_namespace(self) -> None:
        """Argo CD made the team's namespace, but it is not part of the Application."""
        assert self.cluster.request("DELETE", f"/api/v1/namespaces/{self.ours.namespace}").status == 200

    def wait_gone(self, path: str) -> None:
        wait_until(
            lambda: self.cluster.request("GET", path).status == 404,
            timeout_seconds=90,
            what=f"the end of {path}",
            every_seconds=0.2,
            explain=lambda: self.cluster.request("GET", path).body,
        )


def resources_first(everything: Everything) -> None:
    everything.ours.delete()
    everything.ours.wait_gone()
    assert not everything.ours.stream
    everything.delete_operator()
    everything.platform.wait_gone()
    assert everything.cluster.request("GET", CRD).status == 200
    everything.delete_crd()
    everything.delete_namespace()


def operator_first(everything: Everything) -> None:
    everything.delete_operator()
    everything.platform.wait_gone()
    assert everything.ours.stream, "resources outlive an operator that is replaced"
    everything.delete_crd()
    everything.wait_gone(CRD)
    # Argo CD tries to bring the resource back, and deletes no Application meanwhile: the documentation says how to end that.
    wait_until(
        lambda: everything.ours.status.get("operationState", {}).get("retryCount"), what="a sync that is retried"
    )
    everything.ours.delete()
    ended = everything.argocd.cli("app", "terminate-op", everything.ours.name)
    assert ended.returncode == 0, ended
    everything.ours.wait_gone()
    everything.delete_namespace()


def all_at_once(everything: Everything) -> None:
    everything.ours.delete()
    everything.delete_crd()
    everything.delete_namespace()
    everything.delete_operator()


@pytest.mark.parametrize("delete", [resources_first, operator_first, all_at_once])
def test_nothing_is_left_hanging_whatever_is_deleted_first(
    delete, argocd_server, platform, team, start_operator, cluster, queue
) -> None:
    ours = team("application-generators", queue=queue, interval="100ms")
    everything = Everything(cluster, platform, ours, start_operator(), argocd_server)
    ours.wait_for("Synced", "Healthy")

    delete(everything)

    everything.wait_gone(APPLICATIONS.path("argocd", ours.name))
    everything.wait_gone(APPLICATIONS.path("argocd", platform.name))
    everything.wait_gone(CRD)
    everything.wait_gone(GENERATORS.path())
    everything.wait_gone(f"/api/v1/namespaces/{ours.namespace}")
    everything.wait_gone(f"/api/v1/namespaces/{OPERATOR}")
