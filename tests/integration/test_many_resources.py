"""Twenty streams at once, and some that are in trouble: each at its own rate, each with its own verdict."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.parts.consumer import Consumer
from support.parts.controlplane import GENERATORS, ControlPlane
from support.parts.generators import API_VERSION, Generators
from support.parts.operator_process import SERIES, OperatorProcess
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

NAMESPACES = 5
QUEUES = ("many-a", "many-b", "many-c")
FULL = "many-full"
INTERVALS_MS = (
    50, 60, 70, 80, 90, 100, 120, 150, 180, 200, 250, 300, 400, 500, 600, 800, 1000, 1250, 1500, 2000,
)  # fmt: skip
WINDOW_SECONDS = 60


def host(index: int) -> str:
    """By its host an event says which resource it is from."""
    return f"host-of-{index}"


@pytest.fixture(scope="module")
def operator(run_operator) -> Iterator[OperatorProcess]:
    with run_operator(
        AEG_SLOW_RETRY_MIN_SECONDS="0.5", AEG_SLOW_RETRY_MAX_SECONDS="1", AEG_SECRET_FAILING_SECONDS="1"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def teams(operator: OperatorProcess, cluster: ControlPlane, rabbitmq: Broker) -> Iterator[list[Generators]]:
    """Five namespaces, gone streams and queues afterwards."""
    found = [Generators(cluster, cluster.create_namespace(f"team-{index}")) for index in range(NAMESPACES)]
    yield found
    for team in found:
        team.delete_all()
    operator.wait_until(lambda: operator.get_json("/healthz")["generators"]["total"] == 0, what="the end of all")
    for queue in (*QUEUES, FULL):
        rabbitmq.delete(queue)


def create_twenty(teams: list[Generators]) -> None:
    for index, milliseconds in enumerate(INTERVALS_MS):
        teams[index % NAMESPACES].create(
            f"stream-{index}",
            queue=QUEUES[index % len(QUEUES)],
            interval=f"{milliseconds}ms",
            entities={"hosts": {"names": [host(index)]}},
        )


def create_trouble(team: Generators, rabbitmq: Broker) -> dict[str, str]:
    """Streams that cannot work, and what they will say: name → reason."""
    put_secret(team, rabbitmq.secret("wrong", team.namespace, password="wrong"))
    trouble: dict[str, Any] = {
        "no-secret": {"rabbitmq": {"secretRef": {"name": "nowhere"}}},
        "wrong-password": {"rabbitmq": {"secretRef": {"name": "wrong"}}},
        "no-queue": {"queue": "many-nowhere", "queueDeclaration": {"mode": "MustExist"}},
        "full-queue": {"queue": FULL},
    }
    rabbitmq.declare(FULL, {"x-max-length": 1, "x-overflow": "reject-publish"})
    for name, spec in trouble.items():
        team.create(name, **({"queue": QUEUES[0], "interval": "10ms"} | spec))
    return {
        "no-secret": "SecretNotFound",
        "wrong-password": "AuthenticationFailed",
        "no-queue": "QueueNotFound",
        "full-queue": "RejectedByBroker",
    }


def put_secret(team: Generators, secret: dict[str, Any]) -> None:
    answer = team.cluster.request("POST", f"/api/v1/namespaces/{team.namespace}/secrets", secret)
    assert answer.status == 201, answer.body


@pytest.mark.timeout(180)
def test_twenty_streams_keep_their_own_rates_whatever_happens_to_others(teams, operator, rabbitmq) -> None:
    # Without arguments on both sides; the consumer would otherwise be the one who declares them.
    with Consumer(rabbitmq, QUEUES) as consumer:
        create_twenty(teams)
        reasons = create_trouble(teams[0], rabbitmq)
        for index in range(len(INTERVALS_MS)):
            teams[index % NAMESPACES].wait_for(f"stream-{index}", "Publishing")
        for name, reason in reasons.items():
            teams[0].wait_for(name, reason)
        start = time.monotonic()
        wait_until(
            lambda: consumer.arrivals[-1].at >= start + WINDOW_SECONDS,
            timeout_seconds=WINDOW_SECONDS + 10,
            every_seconds=0.2,
            what="a minute of events",
        )
    window = [arrival for arrival in consumer.arrivals if start <= arrival.at < start + WINDOW_SECONDS]
    counts = Counter((arrival.queue, arrival.json()["server_hostname"]) for arrival in window)
    expected = {
        (QUEUES[index % len(QUEUES)], host(index)): WINDOW_SECONDS * 1000 / milliseconds
        for index, milliseconds in enumerate(INTERVALS_MS)
    }
    assert set(counts) == set(expected), "each in its own queue, and nothing from those in trouble"
    off = {
        key: f"{counts[key]} instead of {wanted:g}"
        for key, wanted in expected.items()
        if abs(counts[key] - wanted) > max(wanted / 100, 1)
    }
    skipped = operator.metric("audit_event_operator_events_skipped_total", reason="late")
    lag = operator.metric("audit_event_operator_event_loop_lag_seconds_sum")
    assert not off, f"{off}; skipped because of a late loop: {skipped}; lag of the loop in all: {lag} s"
    for name, reason in reasons.items():
        assert teams[0].condition(name)["reason"] == reason
    for index in range(len(INTERVALS_MS)):
        namespace = teams[index % NAMESPACES].namespace
        labels = {"generator_namespace": namespace, "generator": f"stream-{index}"}
        assert operator.metric(f"{SERIES}events_dropped_total", **labels) == 0
        assert operator.metric(f"{SERIES}ready", **labels) == 1


def test_a_secret_of_another_namespace_is_not_found(teams, rabbitmq) -> None:
    mine, theirs = teams[1], teams[2]
    put_secret(theirs, rabbitmq.secret("their-broker", theirs.namespace))
    mine.create("borrower", queue=QUEUES[0], rabbitmq={"secretRef": {"name": "their-broker"}})
    refused = mine.wait_for("borrower", "SecretNotFound")
    assert refused["status"] == "False"
    assert "their-broker" in refused["message"]
    assert mine.namespace in refused["message"]
    assert mine.condition("borrower", "Stalled")["status"] == "True"
    spelled_out = {"secretRef": {"name": "their-broker", "namespace": theirs.namespace}}
    body = {"apiVersion": API_VERSION, "kind": "AuditEventGenerator", "metadata": {"name": "thief"}}
    body |= {"spec": {"rabbitmq": spelled_out}}
    answer = mine.cluster.request("POST", f"{GENERATORS.path(mine.namespace)}?fieldValidation=Strict", body)
    assert answer.status == 400, "a namespace cannot even be said"
    assert "namespace" in answer.body["message"]


def test_a_secret_without_the_label_is_not_allowed_until_it_gets_one(teams, rabbitmq, queue) -> None:
    team = teams[3]
    put_secret(team, rabbitmq.secret("private", team.namespace, labelled=False))
    team.create("curious", queue=queue, rabbitmq={"secretRef": {"name": "private"}})
    refused = team.wait_for("curious", "SecretNotAllowed")
    assert refused["status"] == "False"
    assert 'auditflow.jojees.net/broker-credentials: "true"' in refused["message"]
    assert not rabbitmq.exists(queue)
    team.cluster.kubectl(
        "label", "secret", "private", "-n", team.namespace, "auditflow.jojees.net/broker-credentials=true"
    )
    team.wait_for("curious", "Publishing")
    assert rabbitmq.queue_depth(queue) >= 1
