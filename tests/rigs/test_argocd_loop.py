"""The whole loop: Git, the real Argo CD with the Applications of manifests/, the operator as a process, a real RabbitMQ.

AEG_TEST_QUIET_SECONDS says how long the Application is watched while nothing happens in Git.
"""

import os
import time
import uuid

import pytest

from rigs.live_argocd import RESYNC_SECONDS
from support.parts.operator_process import OperatorProcess
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(1800)  # with a build from nothing

QUIET_SECONDS = float(os.environ.get("AEG_TEST_QUIET_SECONDS", "20"))


def events_in(operator: OperatorProcess, seconds: float) -> float:
    def published() -> float:
        return operator.metric("audit_event_operator_generator_events_published_total", generator="stream") or 0

    before, began = published(), time.monotonic()
    time.sleep(seconds)
    return (published() - before) / (time.monotonic() - began)


def test_the_loop_from_git_to_the_broker(team, own_rabbitmq, start_operator) -> None:
    queue = f"argocd-{uuid.uuid4().hex[:8]}"
    ours = team("application-generators", queue=queue, interval="500ms")
    ours.wait_for("Synced", "Progressing")
    assert not own_rabbitmq.exists(queue)

    operator = start_operator(AEG_UNREACHABLE_SECONDS="3", AEG_BACKOFF_MAX_SECONDS="2")
    ours.wait_for("Synced", "Healthy")
    assert own_rabbitmq.queue_depth(queue) > 0
    assert events_in(operator, 5) == pytest.approx(2, abs=0.5)

    with ours.always_synced():
        time.sleep(QUIET_SECONDS)
        own_rabbitmq.stop()
        ours.wait_for("Synced", "Degraded")
        own_rabbitmq.start()
        ours.wait_for("Synced", "Healthy")

    ours.repository.commit(queue=queue, interval="50ms")
    wait_until(lambda: ours.interval == "50ms", timeout_seconds=60, what="the commit in the cluster")
    ours.wait_for("Synced", "Healthy")
    assert events_in(operator, 5) == pytest.approx(20, rel=0.2)

    ours.patch(interval="1s")
    wait_until(lambda: ours.interval == "50ms", timeout_seconds=60, what="the patch reverted")

    ours.repository.commit(queue=queue, interval="50ms", suspend=True)
    ours.wait_for("Synced", "Suspended")

    ours.delete()
    wait_until(lambda: not ours.stream, timeout_seconds=60, what="the resource gone with its Application")
    ours.wait_gone()
    own_rabbitmq.delete(queue)


def test_a_live_rate_survives_syncs_and_self_heal(team, own_rabbitmq, start_operator) -> None:
    queue = f"argocd-{uuid.uuid4().hex[:8]}"
    ours = team("application-live-rates", queue=queue, interval="500ms", randomSeed=1)
    start_operator()
    ours.wait_for("Synced", "Healthy")

    with ours.always_synced():
        ours.patch(interval="100ms", eventsPerInterval=2)
        time.sleep(3 * RESYNC_SECONDS)
    assert ours.interval == "100ms"

    ours.repository.commit(queue=queue, interval="500ms", randomSeed=2)
    wait_until(lambda: ours.stream["spec"]["randomSeed"] == 2, timeout_seconds=60, what="the commit in the cluster")
    ours.wait_for("Synced", "Healthy")
    assert (ours.interval, ours.stream["spec"]["eventsPerInterval"]) == ("100ms", 2)

    ours.patch(randomSeed=3)
    wait_until(lambda: ours.stream["spec"]["randomSeed"] == 2, timeout_seconds=60, what="the other field healed")
    assert ours.interval == "100ms"
    own_rabbitmq.delete(queue)
