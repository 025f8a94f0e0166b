"""Argo CD deploys the operator from its Helm chart: it sees no drift, and leaves the resources when the Application goes."""

import time
from collections.abc import Iterator

import pytest

from rigs.live_argocd import RESYNC_SECONDS, Application, Server, operator_repository
from support.parts.controlplane import GENERATORS, OPERATOR, ControlPlane
from support.parts.generators import Generators
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(1800)  # with a build from nothing

DEPLOYMENT = f"/apis/apps/v1/namespaces/{OPERATOR}/deployments/{OPERATOR}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One of our own, with nothing of ours but what Argo CD puts there."""
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), controller_manager=True) as plane:
        yield plane


def test_the_application_with_the_chart_stays_synced_and_leaves_the_resources(
    argocd_server: Server, cluster: ControlPlane, tmp_path
) -> None:
    ours = Application(cluster, OPERATOR)
    ours.create("application-helm", operator_repository(tmp_path / "platform").url, path="charts/audit-event-operator")
    ours.wait_for("Synced", "Progressing")  # it cannot be Healthy: the cluster has no node for the pod
    (container,) = cluster.request("GET", DEPLOYMENT).body["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert (variables["RABBITMQ_HOST"], variables["AEG_LOG_FORMAT"]) == ("rabbitmq.messaging.svc", "json")
    namespace = cluster.request("GET", f"/api/v1/namespaces/{OPERATOR}").body
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

    with ours.always_synced():
        generators = Generators(cluster, "default")
        uid = generators.create("demo")["metadata"]["uid"]
        time.sleep(3 * RESYNC_SECONDS)

    ours.delete()
    ours.wait_gone()
    wait_until(lambda: cluster.request("GET", DEPLOYMENT).status == 404, what="the Deployment to go")
    assert generators.get("demo")["metadata"]["uid"] == uid
    assert cluster.request("GET", GENERATORS.path()).status == 200
