"""What others do beside the operator: two managers of one resource, another certificate of the API server, many restarts."""

import json
from typing import Any

import pytest

from support.faults.scraper import falls, scrape
from support.parts.certificates import Pair, issue
from support.parts.controlplane import ControlPlane
from support.parts.generators import API_VERSION

pytestmark = pytest.mark.integration

QUICK_LEASE = {"AEG_LEASE_DURATION_SECONDS": "2", "AEG_LEASE_RENEW_SECONDS": "1.5", "AEG_LEASE_RETRY_SECONDS": "0.2"}


def applied(cluster: ControlPlane, namespace: str, manager: str, *more: str, check: bool = True, **spec: Any) -> Any:
    """kubectl apply --server-side under a field manager's name."""
    body = {"apiVersion": API_VERSION, "kind": "AuditEventGenerator", "metadata": {"name": "shared"}, "spec": spec}
    command = ["apply", "--server-side", f"--field-manager={manager}", *more, "-n", namespace, "-f", "-"]
    return cluster.kubectl(*command, input=json.dumps(body), check=check)


def test_two_managers_share_a_resource_and_the_stream_follows_whoever_wins(
    start_operator, generators, cluster, namespace, queue
) -> None:
    operator = start_operator(AEG_STATUS_COUNTER_SECONDS="0.5")
    applied(cluster, namespace, "git", queue=queue, interval="20ms")
    generators.wait_for("shared", "Publishing")
    applied(cluster, namespace, "people", eventMix={"sudo_command": 1})  # another field: no conflict
    refused = applied(cluster, namespace, "people", check=False, interval="10ms", eventMix={"sudo_command": 1})
    assert refused.returncode != 0
    assert 'conflict with "git": .spec.interval' in refused.stderr
    before = generators.status("shared")["eventsPublished"]
    applied(cluster, namespace, "people", "--force-conflicts", interval="10ms", eventMix={"sudo_command": 1})
    operator.wait_until(lambda: generators.status("shared")["targetRate"] == "100/s", what="the new rate")
    operator.wait_until(lambda: generators.status("shared")["eventsPublished"] > before + 50, what="its events")
    applied(cluster, namespace, "people")  # takes its fields back, and with them the mix
    operator.wait_until(lambda: generators.status("shared")["targetRate"] == "0.2/s", what="the default rate")
    assert "eventMix" not in generators.get("shared")["spec"]
    assert generators.ready("shared") == ("True", "Publishing")


@pytest.mark.timeout(180)
def test_another_certificate_of_the_api_server_costs_a_reconnect_and_no_restart(
    start_operator, generators, own_control_plane, queue
) -> None:
    operator = start_operator(AEG_STATUS_COUNTER_SECONDS="0.5")
    generators.create("stream", queue=queue, interval="50ms")
    generators.wait_for("stream", "Publishing")
    pid, folder = operator.pid, own_control_plane.folder
    certificate = (folder / "apiserver.crt").read_bytes()
    own_control_plane.kill_apiserver()
    authority = Pair(folder / "ca.crt", folder / "ca.key")
    issue(authority, folder, "apiserver", ["127.0.0.1", "localhost", "kubernetes.default.svc"])
    assert (folder / "apiserver.crt").read_bytes() != certificate
    published = scrape(operator).each("events_published_total", "stream")
    own_control_plane.start_apiserver()
    generators.patch("stream", interval="25ms")
    operator.wait_until(
        lambda: generators.status("stream").get("targetRate") == "40/s", what="the patch", timeout_seconds=60
    )
    assert scrape(operator).each("events_published_total", "stream") > published
    assert operator.pid == pid


@pytest.mark.timeout(240)
def test_twenty_restarts_in_a_row_leave_one_stream_and_true_counts(
    start_operator, generators, cluster, rabbitmq, queue
) -> None:
    generators.create("stream", queue=queue, interval="10ms")
    operator = start_operator(AEG_STATUS_COUNTER_SECONDS="0.2", **QUICK_LEASE)
    for number in range(20):
        if number % 2:
            operator.kill()
        else:
            assert operator.stop().exit_code == 0
        operator = start_operator(f"operator-{number}", AEG_STATUS_COUNTER_SECONDS="0.2", **QUICK_LEASE)
    operator.wait_until(
        lambda: (scrape(operator).each("events_published_total", "stream") or 0) > 100,
        what="its events",
        timeout_seconds=30,
    )
    before = scrape(operator)
    operator.wait_until(
        lambda: scrape(operator).each("events_published_total", "stream") > 300, what="more events", timeout_seconds=30
    )
    assert falls([before, scrape(operator)]) == []
    assert generators.ready("stream") == ("True", "Publishing")
    generators.patch("stream", suspend=True)
    generators.wait_for("stream", "Suspended")
    ids = [message.properties.message_id for message in rabbitmq.drain(queue)]
    assert len(set(ids)) == len(ids)
    assert generators.status("stream")["eventsPublished"] <= len(ids)
