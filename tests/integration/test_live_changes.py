"""What a patch, a deletion or a bound does to a running stream, seen in the queue; nothing restarts and nothing is lost."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from support.parts.consumer import Arrival, Consumer
from support.parts.controlplane import GENERATORS, ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import SERIES, OperatorProcess
from support.statistics import fairness
from support.waiting import wait_until

# Events that say in which place of the run they were made.
NUMBERED: dict[str, Any] = {
    "eventMix": {"numbered": 1},
    "eventTypes": [{"name": "numbered", "eventType": "numbered", "details": {"sequence": "${sequence}"}}],
}
FAST: dict[str, Any] = {"interval": "50ms", "eventsPerInterval": 100}


@pytest.fixture(scope="module")
def operator(run_operator) -> Iterator[OperatorProcess]:
    """One for all: its counters are written often, and a changed queue has time to drain."""
    with run_operator(AEG_STATUS_COUNTER_SECONDS="1", AEG_TARGET_DRAIN_SECONDS="30") as running:
        yield running


@pytest.fixture
def generators(operator: OperatorProcess, cluster: ControlPlane, namespace: str) -> Generators:
    if not operator.running:
        operator.start()
    return Generators(cluster, namespace)


def sequences(arrivals: list[Arrival]) -> list[int]:
    return [int(arrival.json()["details"]["sequence"]) for arrival in arrivals]


def shown(operator: OperatorProcess, generators: Generators, name: str) -> dict[str, Any]:
    """The row of GET /generators/ns/name."""
    row: dict[str, Any] = operator.get_json(f"/generators/{generators.namespace}/{name}")
    return row


# --- patches ----------------------------------------------------------------------------------------------------------


def test_a_shorter_interval_is_in_the_queue_within_a_second_and_counting_goes_on(
    generators, operator, consumer, queue
) -> None:
    generators.create("stream", queue=queue, interval="5s", **NUMBERED)
    consumer.wait_for(1)
    generators.wait_for("stream", "Publishing")
    transition = generators.condition("stream")["lastTransitionTime"]

    patched = time.monotonic()
    generators.patch("stream", interval="100ms")
    consumer.wait_for_more(20)
    after = [arrival.at for arrival in consumer.arrivals if arrival.at > patched]
    assert after[0] - patched <= 1
    pauses = sorted(later - earlier for earlier, later in pairwise(after))
    assert 0.09 <= pauses[len(pauses) // 2] <= 0.11

    assert sequences(consumer.arrivals) == list(range(len(consumer.arrivals))), "the sequence goes on where it was"
    labels = {"generator_namespace": generators.namespace, "generator": "stream"}
    assert (operator.metric(f"{SERIES}events_published_total", **labels) or 0) >= 21
    wait_until(lambda: generators.status("stream")["eventsPublished"] >= 21, what="the counters in the status")
    ready = generators.condition("stream")
    assert (ready["status"], ready["reason"]) == ("True", "Publishing")
    assert ready["lastTransitionTime"] == transition, "a change in place leaves Ready alone"


def test_the_observed_generation_is_the_new_one_within_a_second_but_never_before_it_is_in_effect(
    generators, operator, queue
) -> None:
    generators.create("stream", queue=queue, interval="5s")
    generators.wait_for("stream", "Publishing")
    for milliseconds in (900, 800, 700, 600):
        generation = generators.patch("stream", interval=f"{milliseconds}ms")["metadata"]["generation"]
        patched = time.monotonic()
        generators.wait_observed("stream", generation)
        row = shown(operator, generators, "stream")
        assert time.monotonic() - patched <= 1
        assert row["interval_seconds"] == milliseconds / 1000


def test_a_hundred_changes_of_many_are_all_in_effect_soon_after_the_last(generators, operator, queue) -> None:
    names = [f"stream-{index}" for index in range(20)]
    for name in names:
        generators.create(name, queue=queue, interval="1h")
    wanted = {name: generators.patch(name, interval="1s")["metadata"]["generation"] for name in names}
    for seconds in (2, 3, 4, 5):
        for name in names:
            wanted[name] = generators.patch(name, interval=f"{seconds}s")["metadata"]["generation"]
    patched = time.monotonic()

    def observed() -> bool:
        found = {each["metadata"]["name"]: each["status"]["observedGeneration"] for each in generators.items()}
        return found == wanted

    wait_until(observed, what="the last generations")
    assert time.monotonic() - patched <= 1
    assert {shown(operator, generators, name)["interval_seconds"] for name in names} == {5}


def test_a_changed_weight_changes_the_mix(generators, consumer, queue) -> None:
    generators.create(
        "stream", queue=queue, randomSeed=11, maxEvents=20_000, interval="50ms", eventsPerInterval=100,
        eventMix={"user_login_failure": 60, "sudo_command": 20, "user_account_created": 10, "service_stopped": 10},
    )  # fmt: skip
    consumer.wait_for(1000)
    generators.patch("stream", eventMix={"sudo_command": 70})
    generators.wait_observed("stream", 2)
    changed = len(consumer)
    assert changed < 10_000, "the second half was to be made by the new mix alone"
    arrivals = consumer.wait_for(20_000, timeout_seconds=30)
    # In the order of their making: with the fixed seed the second half is the same in every run of this test.
    second = Counter(arrival.message.properties.type for arrival in arrivals[10_000:])
    weights = {"user_login": 60, "sudo_command": 70, "user_account_management": 10, "service_status_change": 10}
    assert fairness(second, weights) >= 0.001
    assert fairness(second, weights | {"sudo_command": 20}) < 1e-9, "and it would be seen"


def test_suspend_stops_within_a_second_and_resume_goes_on(generators, consumer, queue) -> None:
    generators.create("stream", queue=queue, interval="20ms", **NUMBERED)
    consumer.wait_for(20)
    suspended = time.monotonic()
    generators.patch("stream", suspend=True)
    ready = generators.wait_for("stream", "Suspended")
    assert ready["status"] == "True"
    assert consumer.wait_for_silence(1.5) - suspended <= 1
    assert generators.status("stream")["targetRate"] == "0/s"

    resumed = time.monotonic()
    generators.patch("stream", suspend=False)
    assert consumer.wait_for_more(10)[0].at - resumed <= 1
    assert sequences(consumer.arrivals) == list(range(len(consumer.arrivals)))


def test_a_changed_queue_first_gets_what_was_made_for_the_old_one(generators, operator, own_rabbitmq, queue) -> None:
    other = f"{queue}-other"
    with Consumer(own_rabbitmq, [queue, other]) as consumer:
        generators.create("stream", queue=queue, interval="50ms", **NUMBERED)
        consumer.wait_for(5)
        own_rabbitmq.raise_memory_alarm()  # takes nothing any more: events wait in the operator
        operator.wait_until(lambda: shown(operator, generators, "stream")["events_buffered"] >= 5, what="a full buffer")
        generators.patch("stream", queue=other)
        # Both wait for the old queue to take what it is owed, and then the latest counts.
        generators.patch("stream", interval="40ms")
        consumer.wait_for_silence(1.5)
        assert generators.status("stream")["observedGeneration"] == 1
        assert shown(operator, generators, "stream")["queue"] == queue

        own_rabbitmq.clear_memory_alarm()
        generators.wait_observed("stream", 3)
        wait_until(lambda: [a for a in consumer.arrivals if a.queue == other][10:], what="events in the other queue")
    old = [arrival for arrival in consumer.arrivals if arrival.queue == queue]
    new = [arrival for arrival in consumer.arrivals if arrival.queue == other]
    assert sequences(old + new) == list(range(len(old) + len(new))), "none is missing, none came twice, none too late"
    row = shown(operator, generators, "stream")
    assert row["events_dropped"] == 0
    generators.delete("stream")
    own_rabbitmq.delete(other)


# --- bounded runs -----------------------------------------------------------------------------------------------------


def test_ten_thousand_events_are_exactly_ten_thousand_and_a_new_run_id_runs_it_again(
    generators, operator, consumer, queue
) -> None:
    kubectl = generators.cluster.kubectl
    wait = ["wait", "-n", generators.namespace, "aeg/run", "--for=condition=Complete", "--timeout=30s"]
    generators.create("run", queue=queue, maxEvents=10_000, runId="first", randomSeed=42, **FAST)
    kubectl(*wait)
    status = generators.status("run")
    assert status["eventsPublished"] == 10_000
    assert (generators.condition("run")["status"], generators.condition("run")["reason"]) == ("True", "Completed")
    assert generators.condition("run", "Complete")["reason"] == "MaxEventsReached"
    assert status["completionTime"] >= status["startTime"]
    consumer.wait_for(10_000)
    consumer.wait_for_silence(0.5)
    first = consumer.arrivals
    assert len(first) == len({arrival.message.properties.message_id for arrival in first}) == 10_000

    generators.patch("run", runId="second")
    kubectl(*wait)  # does not take the end of the first run for that of the second
    assert generators.status("run")["eventsPublished"] == 10_000
    assert generators.status("run")["runId"] == "second"
    consumer.wait_for(20_000)
    consumer.wait_for_silence(0.5)
    assert len(consumer) == len({arrival.message.properties.message_id for arrival in consumer.arrivals}) == 20_000
    assert [story(arrival) for arrival in consumer.arrivals[10_000:]] == [story(arrival) for arrival in first]
    labels = {"generator_namespace": generators.namespace, "generator": "run"}
    assert operator.metric(f"{SERIES}events_generated_total", **labels) == 20_000


def test_a_bounded_run_is_exact_over_a_restart_and_goes_on_when_its_bound_is_raised(
    generators, operator, consumer, queue
) -> None:
    generators.create("run", queue=queue, maxEvents=4000, interval="50ms", eventsPerInterval=50, **NUMBERED)
    consumer.wait_for(1000)
    assert operator.stop().exit_code == 0
    before = generators.status("run")["eventsPublished"]
    consumer.wait_for_silence(0.5)
    assert before == len(consumer) < 4000, "what is published when it ends is in the status"
    operator.start()
    generators.wait_for("run", "Completed")
    generators.patch("run", maxEvents=4500)
    wait_until(lambda: generators.status("run")["eventsPublished"] == 4500, what="the raised bound")
    assert generators.wait_for("run", "Completed")["status"] == "True"
    consumer.wait_for_silence(0.5)
    assert sequences(consumer.arrivals) == list(range(4500))


def test_a_run_ends_when_its_time_is_over(generators, consumer, queue) -> None:
    generators.create("run", queue=queue, runDuration="2s", interval="100ms")
    consumer.wait_for(1)
    first = consumer.arrivals[0].at
    command = ["wait", "-n", generators.namespace, "aeg/run", "--for=condition=Complete", "--timeout=10s"]
    generators.cluster.kubectl(*command)
    assert generators.condition("run", "Complete")["reason"] == "DurationElapsed"
    assert 1.5 <= consumer.wait_for_silence(0.5) - first <= 2.3
    assert 10 <= len(consumer) <= 21


def story(arrival: Arrival) -> str:
    """What an event tells, without that which is new each time."""
    body = arrival.json()
    return json.dumps({key: value for key, value in body.items() if key not in ("event_id", "timestamp")})


# --- the end ----------------------------------------------------------------------------------------------------------


def test_deleting_stops_at_once(generators, operator, consumer, queue) -> None:
    generators.create("stream", queue=queue, interval="10ms", eventsPerInterval=5)
    consumer.wait_for(50)
    generators.delete("stream")
    deleted = time.monotonic()
    assert consumer.wait_for_silence(1.5) - deleted <= 1
    assert operator.status_of(f"/generators/{generators.namespace}/stream") == 404


def test_what_was_deleted_while_the_operator_was_away_stays_silent_and_the_others_go_on(
    generators, operator, rabbitmq, queue
) -> None:
    gone = f"{queue}-gone"
    with Consumer(rabbitmq, [queue, gone]) as consumer:
        generators.create("stays", queue=queue, interval="50ms", **NUMBERED)
        generators.create("goes", queue=gone, interval="50ms")
        wait_until(lambda: {arrival.queue for arrival in consumer.arrivals} == {queue, gone}, what="both streams")
        assert operator.stop().exit_code == 0
        last = consumer.wait_for_silence(0.5)
        generators.delete("goes")
        operator.start()
        wait_until(lambda: len([a for a in consumer.arrivals if a.at > last]) >= 40, what="the other stream again")
    assert {arrival.queue for arrival in consumer.arrivals if arrival.at > last} == {queue}
    stays = [arrival for arrival in consumer.arrivals if arrival.queue == queue]
    assert sequences(stays) == list(range(len(stays))), "the sequence goes on over a restart"
    rabbitmq.delete(gone)


def test_a_resource_that_others_keep_from_going_is_silent_all_the_same(generators, operator, consumer, queue) -> None:
    cluster, path = generators.cluster, GENERATORS.path(generators.namespace, "stream")
    generators.create("stream", queue=queue, interval="20ms")
    generators.merge("stream", {"metadata": {"finalizers": ["example.com/somebody-elses"]}})
    consumer.wait_for(20)
    generators.delete("stream")
    deleted = time.monotonic()
    assert consumer.wait_for_silence(1.2) - deleted <= 1
    assert generators.get("stream")["metadata"]["deletionTimestamp"]
    operator.stop()
    operator.start()
    generators.create("other", queue=queue, interval="20ms", entities={"hosts": {"names": ["other"]}})
    assert {arrival.json()["server_hostname"] for arrival in consumer.wait_for_more(50)} == {"other"}
    generators.merge("stream", {"metadata": {"finalizers": None}})
    wait_until(lambda: cluster.request("GET", path).status == 404, what="the end of the object")


def test_a_name_that_is_created_again_is_another_stream(generators, operator, consumer, queue) -> None:
    labels = {"generator_namespace": generators.namespace, "generator": "stream"}
    generators.create("stream", queue=queue, interval="10ms", **NUMBERED)
    consumer.wait_for(100)
    generators.delete("stream")
    again = generators.create("stream", queue=queue, interval="1h", **NUMBERED)
    wait_until(lambda: generators.status("stream").get("eventsPublished") == 1, what="the first event of the new one")
    assert generators.get("stream")["metadata"]["uid"] == again["metadata"]["uid"]
    consumer.wait_for_silence(0.5)
    assert sequences(consumer.arrivals)[-1] == 0
    assert operator.metric(f"{SERIES}events_published_total", **labels) == 1, "the series of the old one are replaced"


@pytest.mark.row(42)
@pytest.mark.parametrize("operator_runs", [True, False], ids=["with the operator", "without an operator"])
def test_a_namespace_with_a_running_stream_can_be_deleted(
    generators, operator, controller_manager, consumer, queue, operator_runs, measured
) -> None:
    kubectl = controller_manager.kubectl
    kubectl("create", "namespace", f"{generators.namespace}-doomed")
    doomed = Generators(generators.cluster, f"{generators.namespace}-doomed")
    doomed.create("stream", queue=queue, interval="50ms")
    consumer.wait_for(5)
    if not operator_runs:
        operator.kill()
        controller_manager.delete_leases()
    asked = time.monotonic()
    gone = kubectl("delete", "namespace", doomed.namespace, "--timeout=45s", timeout_seconds=50, check=False)
    left = kubectl("get", "namespace", doomed.namespace, "--ignore-not-found", "-o", "jsonpath={.status}").stdout
    assert gone.returncode == 0, f"{gone.stderr}{left}\n{controller_manager.controller_manager.log_tail()}"
    deleted = time.monotonic()
    assert doomed.items() == []
    assert consumer.wait_for_silence(1) - deleted <= 1
    measured(f"gone after {deleted - asked:.0f} s {'with' if operator_runs else 'without'} the operator")
