"""Episodes in a real queue, and their records in another one: what the records say is what a consumer of the events finds.

AEG_TEST_OUTAGE_SECONDS says for how long the broker is away.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.judges.event import Seen, read
from support.judges.platform import PlatformRules
from support.parts.consumer import Consumer
from support.waiting import wait_until

pytestmark = pytest.mark.integration

OUTAGE_SECONDS = float(os.environ.get("AEG_TEST_OUTAGE_SECONDS", "10"))
BRUTE = {
    "name": "brute", "type": "BruteForce", "every": "10s", "jitterPercent": 0, "attempts": {"min": 8, "max": 8},
    "pace": {"min": "200ms", "max": "300ms"},
}  # fmt: skip
TAKEOVER = {
    "name": "takeover", "type": "AccountTakeover", "every": "15s", "attempts": {"min": 6, "max": 9},
    "pace": {"min": "100ms", "max": "300ms"},
}  # fmt: skip
TYPO = {"name": "typo", "type": "MistypedPassword", "every": "10s", "pace": {"min": "100ms", "max": "1s"}}


@pytest.fixture
def truth_queue(rabbitmq, queue) -> Iterator[str]:
    name = f"{queue}-truth"
    yield name
    rabbitmq.delete(name)


@pytest.fixture
def consumer(rabbitmq, queue, truth_queue) -> Iterator[Consumer]:
    with Consumer(rabbitmq, [queue, truth_queue]) as running:
        yield running


def records(consumer: Consumer, truth_queue: str) -> list[dict[str, Any]]:
    """Each once."""
    return [
        *{
            each.message.properties.message_id: each.json() for each in consumer.arrivals if each.queue == truth_queue
        }.values()
    ]


def events(consumer: Consumer, queue: str) -> list[Seen]:
    """Each once, in the order of their times."""
    found = {
        each.message.properties.message_id: read(each.message.body) for each in consumer.arrivals if each.queue == queue
    }
    return sorted(found.values(), key=lambda seen: seen.microseconds)


def expected(told: list[dict[str, Any]]) -> Counter:
    alerts: Counter = Counter()
    for record in told:
        for alert in record.get("expectedAlerts", ()):
            alerts[alert["rule"], alert["userId"], alert["serverHostname"]] += alert["count"]
    return alerts


def raised(seen: list[Seen]) -> Counter:
    rules = PlatformRules()
    return Counter((alert.rule, alert.user, alert.host) for event in seen for alert in rules.feed(event))


def test_records_say_what_a_consumer_of_the_events_finds(
    start_operator, generators, consumer, queue, truth_queue
) -> None:
    operator = start_operator()
    truth = {"queue": truth_queue, "header": True}
    generators.create(
        "fleet",
        queue=queue,
        interval="200ms",
        activity="Sessions",
        scenarios=[BRUTE, TAKEOVER, TYPO],
        groundTruth=truth,
    )
    wait_until(lambda: len(records(consumer, truth_queue)) >= 4, timeout_seconds=60, what="four records")
    generators.patch("fleet", suspend=True)
    operator.wait_until(lambda: generators.ready("fleet") == ("True", "Suspended"), what="the end")
    wait_until(
        lambda: all(each["complete"] or each["eventCount"] for each in records(consumer, truth_queue)),
        what="all records",
    )
    time.sleep(1)  # an episode that was cut has its record at once
    told, seen = records(consumer, truth_queue), events(consumer, queue)
    assert raised(seen) == expected(told)
    by_id = {event.event_id: event for event in seen}
    for record in told:
        assert record["generator"] == f"{generators.namespace}/fleet"
        assert record["eventCount"] == len(record["events"])
        assert {by_id[each["eventId"]].user for each in record["events"]} == {*record["users"]}
        assert {by_id[each["eventId"]].host for each in record["events"]} == {*record["hosts"]}
    marked = {
        each.message.properties.message_id: each.message.properties.headers["x-aeg-truth"]
        for each in consumer.arrivals
        if each.queue == queue and "x-aeg-truth" in (each.message.properties.headers or {})
    }
    assert marked == {
        each["eventId"]: f"{record['scenario']}/{record['episode']}/{each['step']}"
        for record in told
        for each in record["events"]
    }
    arrival = next(each for each in consumer.arrivals if each.queue == truth_queue)
    properties = arrival.message.properties
    assert properties.message_id == arrival.json()["episode"]
    assert (properties.content_type, properties.type, properties.delivery_mode) == (
        "application/json",
        "ground_truth",
        2,
    )


@pytest.mark.timeout(240 + OUTAGE_SECONDS)
def test_records_are_true_after_an_outage_in_the_middle_of_episodes(
    start_operator, generators, own_rabbitmq, queue, truth_queue
) -> None:
    start_operator(**own_rabbitmq.environment())
    steady = {**BRUTE, "attempts": {"min": 40, "max": 60}, "every": "30s"}
    generators.create(
        "fleet", queue=queue, interval="100ms", activity="Sessions", scenarios=[steady, TAKEOVER, TYPO],
        groundTruth={"queue": truth_queue},
    )  # fmt: skip
    generators.wait_for("fleet", "Publishing")
    time.sleep(3)  # in the middle of an episode
    own_rabbitmq.stop()
    time.sleep(OUTAGE_SECONDS)
    own_rabbitmq.start()
    with Consumer(own_rabbitmq, [queue, truth_queue]) as consumer:
        generators.wait_for("fleet", "Publishing", timeout_seconds=60)
        wait_until(
            lambda: sum(record["complete"] for record in records(consumer, truth_queue)) >= 3,
            timeout_seconds=90,
            what="episodes after the outage",
        )
        generators.patch("fleet", suspend=True)
        generators.wait_for("fleet", "Suspended")
        time.sleep(2)
        told, seen = records(consumer, truth_queue), events(consumer, queue)
    assert raised(seen) == expected(told)
    assert any(not record["complete"] for record in told)


def test_after_a_kill_the_next_process_tells_of_the_episode_that_was_under_way(
    start_operator, generators, cluster, consumer, queue, truth_queue
) -> None:
    first = start_operator()
    long = {**BRUTE, "every": "10m", "attempts": {"min": 100, "max": 100}, "pace": {"min": "1s", "max": "1s"}}
    generators.create(
        "fleet", queue=queue, interval="1s", activity="Sessions", scenarios=[long], groundTruth={"queue": truth_queue}
    )
    first.wait_until(
        lambda: generators.status("fleet").get("scenarios", [{}])[0].get("open"), what="an episode in the status"
    )
    (before,) = generators.status("fleet")["scenarios"]
    first.kill()
    cluster.delete_leases()
    second = start_operator("second")
    wait_until(lambda: records(consumer, truth_queue), what="the record of the next process")
    (record,) = records(consumer, truth_queue)
    assert record["episode"] == before["open"]
    assert (record["complete"], record["endReason"], record["type"]) == (False, "OperatorLost", "BruteForce")
    assert "events" not in record
    second.wait_until(
        lambda: generators.status("fleet")["scenarios"][0]["episodes"], what="the status of the next process"
    )
    (after,) = generators.status("fleet")["scenarios"]
    assert (after["episodes"], after.get("open"), after["lastEpisode"]) == (1, None, before["open"])


def test_an_episode_of_a_deleted_resource_has_its_record_and_describe_shows_scenarios(
    start_operator, generators, cluster, consumer, queue, truth_queue
) -> None:
    operator = start_operator()
    slow = {**BRUTE, "every": "10m", "pace": {"min": "1s", "max": "1s"}}
    generators.create(
        "fleet", queue=queue, interval="1s", activity="Sessions", scenarios=[slow],
        groundTruth={"queue": truth_queue},
    )  # fmt: skip
    operator.wait_until(lambda: generators.status("fleet").get("scenarios", [{}])[0].get("open"), what="an episode")
    (scenario,) = generators.status("fleet")["scenarios"]
    described = cluster.kubectl("describe", "aeg", "fleet", "-n", generators.namespace).stdout
    assert f"Open:             {scenario['open']}" in described
    wait_until(
        lambda: "EpisodeStarted" in cluster.kubectl("describe", "aeg", "fleet", "-n", generators.namespace).stdout,
        what="the Kubernetes Event",
    )
    wait_until(lambda: len(events(consumer, queue)) >= 4, what="some events")
    generators.delete("fleet")
    wait_until(lambda: records(consumer, truth_queue), timeout_seconds=5, what="the record of a deleted resource")
    (record,) = records(consumer, truth_queue)
    assert (record["complete"], record["endReason"], record["episode"]) == (False, "ResourceDeleted", scenario["open"])
    assert {each["eventId"] for each in record["events"]} <= {event.event_id for event in events(consumer, queue)}


def test_a_truth_queue_that_is_missing_has_a_condition_and_holds_nothing_up(
    start_operator, generators, rabbitmq, consumer, queue, truth_queue
) -> None:
    operator = start_operator()
    missing = f"{truth_queue}-missing"
    generators.create(
        "fleet", queue=queue, interval="100ms", activity="Sessions", scenarios=[BRUTE], groundTruth={"queue": missing},
        queueDeclaration={"mode": "MustExist"},
    )  # fmt: skip
    operator.wait_until(lambda: generators.condition("fleet", "GroundTruthUndelivered"), what="the condition")
    condition = generators.condition("fleet", "GroundTruthUndelivered")
    assert condition["message"].startswith(
        f'Records of the ground truth cannot be delivered to queue "{missing}". Queue "{missing}"'
    )
    consumer.wait_for_more(30)
    assert generators.ready("fleet") == ("True", "Publishing")
    try:
        rabbitmq.declare(missing)
        operator.wait_until(
            lambda: not generators.condition("fleet", "GroundTruthUndelivered"), timeout_seconds=60, what="its end"
        )
        (first, *_) = rabbitmq.take(missing, 1)
        assert first.json()["scenario"] == "brute"
    finally:
        rabbitmq.delete(missing)
