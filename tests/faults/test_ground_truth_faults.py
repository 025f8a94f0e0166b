"""What can happen to records of episodes and to episodes under way: the stream is never held up, nothing is told twice."""

import time
from collections import Counter
from typing import Any

import pytest
from pika.exceptions import ChannelClosedByBroker

from support.faults.harness import SLACK, Harness, span
from support.judges.event import read
from support.judges.platform import PlatformRules
from support.parts.rabbitmq import Message
from support.waiting import wait_until

TRUTH = "audit_event_operator_truth_records_total"
EPISODES = "audit_event_operator_scenario_episodes_total"
BRUTE = {
    "name": "brute", "type": "BruteForce", "every": "10s", "jitterPercent": 0, "attempts": {"min": 6, "max": 6},
    "pace": {"min": "200ms", "max": "300ms"},
}  # fmt: skip
TAKEOVER = {
    "name": "takeover", "type": "AccountTakeover", "every": "10s", "startAfter": "3s", "attempts": {"min": 5, "max": 8},
    "pace": {"min": "50ms", "max": "200ms"},
}  # fmt: skip
LONG = {**BRUTE, "every": "10m", "attempts": {"min": 300, "max": 300}, "pace": {"min": "200ms", "max": "200ms"}}
STEADY = {"interval": "10ms", "activity": "Sessions", "scenarios": [BRUTE, TAKEOVER]}  # 100/s


def records(messages: list[Message]) -> dict[str, dict[str, Any]]:
    """Each episode's once; all of its copies are the same."""
    found: dict[str, dict[str, Any]] = {}
    for message in messages:
        record = message.json()
        assert message.properties.message_id == record["episode"]
        assert found.setdefault(record["episode"], record) == record
    return found


def told(harness: Harness, outcome: str) -> float:
    return harness.total(TRUTH, outcome=outcome)


def ended(harness: Harness) -> float:
    return harness.total(EPISODES, outcome="complete") + harness.total(EPISODES, outcome="incomplete")


def must_agree(harness: Harness, truth: dict[str, dict[str, Any]], events: list[Message]) -> None:
    """Every episode ended in one record or one counted loss, and what is told is what the platform finds."""
    assert ended(harness) == sum(told(harness, outcome) for outcome in ("delivered", "undelivered", "dropped"))
    assert len(truth) == told(harness, "delivered")
    seen = {message.properties.message_id: read(message.body) for message in events}
    assert all(each["eventId"] in seen for record in truth.values() for each in record.get("events", ()))
    if told(harness, "delivered") < ended(harness):
        return  # of what was lost nobody knows which alerts it should have raised
    rules = PlatformRules()
    raised = Counter(
        (alert.rule, alert.user, alert.host)
        for event in sorted(seen.values(), key=lambda each: each.microseconds)
        for alert in rules.feed(event)
    )
    expected: Counter[tuple[str, str, str]] = Counter()
    for record in truth.values():
        for alert in record["expectedAlerts"]:
            expected[alert["rule"], alert["userId"], alert["serverHostname"]] += alert["count"]
    assert raised == expected


def must_keep_its_rate(harness: Harness, seconds: float) -> float:
    """At least 100 events a second (less what a busy machine costs), for so long."""
    began, before = time.monotonic(), harness.value("events_published_total", "steady")
    time.sleep(seconds)
    rate = (harness.value("events_published_total", "steady") - before) / (time.monotonic() - began)
    assert rate > 100 * (1 - SLACK)
    assert harness.resources.ready("steady") == ("True", "Publishing")
    return rate


def condition(harness: Harness) -> str:
    return str(harness.resources.condition("steady", "GroundTruthUndelivered").get("message", ""))


def collected(harness: Harness, truth_queue: str) -> tuple[dict[str, dict[str, Any]], list[Message]]:
    """End all episodes; the records and the events."""
    harness.settle()
    wait_until(
        lambda: ended(harness) <= sum(told(harness, outcome) for outcome in ("delivered", "undelivered", "dropped")),
        timeout_seconds=30,
        what="all records to be told",
    )
    truth = records(harness.broker.drain(truth_queue))
    events = [message for queue in sorted(harness.queues - {truth_queue}) for message in harness.broker.drain(queue)]
    return truth, events


def deleted_when_empty(harness: Harness, queue: str) -> dict[str, dict[str, Any]]:
    """Delete a queue with nothing in it; what was taken out of it before."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        found |= records(harness.broker.drain(queue))
        try:
            with harness.broker.channel() as channel:
                channel.queue_delete(queue, if_empty=True)
        except ChannelClosedByBroker:
            continue
        return found


@pytest.mark.row(55)
@pytest.mark.timeout(300)
def test_a_truth_queue_that_is_missing_and_comes_later_gets_every_record(harness, measured) -> None:
    harness.start()
    harness.broker.declare(harness.queue())
    truth_queue = harness.queue("truth")
    harness.stream("steady", **STEADY, queueDeclaration={"mode": "MustExist"}, groundTruth={"queue": truth_queue})
    with harness.watched():
        harness.operator.wait_until(lambda: "does not exist" in condition(harness), what="the condition")
        rate = must_keep_its_rate(harness, span(120, 15))
        harness.broker.declare(truth_queue)
        harness.operator.wait_until(
            lambda: not condition(harness), timeout_seconds=330 if span(1, 0) else 30, what="the end of the condition"
        )
        truth, events = collected(harness, truth_queue)
    assert told(harness, "dropped") == 0
    must_agree(harness, truth, events)
    measured(f"missing: {rate:.0f}/s meanwhile, {len(truth)} records of {ended(harness):.0f} episodes afterwards")


@pytest.mark.row(55)
@pytest.mark.timeout(300)
def test_a_truth_queue_that_is_deleted_under_load_is_declared_again(harness, measured) -> None:
    harness.start()
    truth_queue = harness.queue("truth")
    harness.stream("steady", **STEADY, groundTruth={"queue": truth_queue})
    deleted: dict[str, dict[str, Any]] = {}
    with harness.watched():
        for _ in range(3):
            harness.operator.wait_until(lambda: harness.broker.queue_depth(truth_queue), what="a record")
            deleted |= deleted_when_empty(harness, truth_queue)
        rate = must_keep_its_rate(harness, span(60, 12))
        truth, events = collected(harness, truth_queue)
    must_agree(harness, truth | deleted, events)
    measured(
        f"deleted three times: {rate:.0f}/s meanwhile, {len(truth | deleted)} records of {ended(harness):.0f} episodes"
    )


@pytest.mark.row(56)
@pytest.mark.timeout(300)
def test_a_full_truth_queue_gets_its_records_in_the_end(harness, own_rabbitmq, policy, measured) -> None:
    harness.start()
    truth_queue = harness.queue("truth")
    harness.broker.declare(truth_queue)
    row = {"vhost": "/", "name": policy, "pattern": f"^{truth_queue}$", "apply-to": "queues"}
    own_rabbitmq.define(policies=[{**row, "definition": {"max-length": 1, "overflow": "reject-publish"}}])
    harness.stream("steady", **STEADY, groundTruth={"queue": truth_queue})
    with harness.watched():
        harness.operator.wait_until(lambda: condition(harness), what="the condition", timeout_seconds=60)
        rate = must_keep_its_rate(harness, span(120, 12))
        own_rabbitmq.rabbitmqctl("clear_policy", policy)
        harness.operator.wait_until(lambda: not condition(harness), what="the end of the condition", timeout_seconds=60)
        truth, events = collected(harness, truth_queue)
    assert told(harness, "dropped") == 0
    must_agree(harness, truth, events)
    measured(f"full: {rate:.0f}/s meanwhile, {len(truth)} records of {ended(harness):.0f} episodes afterwards")


@pytest.mark.row(56)
@pytest.mark.timeout(300)
def test_without_the_right_to_create_the_truth_queue_the_stream_goes_on(harness, own_rabbitmq, measured) -> None:
    user, password = f"user-{harness.namespace}", "a-password"
    truth_queue = harness.queue("truth")
    # Rights to write are about exchanges: through the default one a user may write to every queue, or to none.
    own_rabbitmq.add_user(user, password, configure=f"^(?!{truth_queue}).*")
    secret = harness.broker.secret("limited", harness.namespace, username=user, password=password)
    assert harness.plane.request("POST", f"/api/v1/namespaces/{harness.namespace}/secrets", secret).status == 201
    harness.start()
    harness.stream("steady", **STEADY, groundTruth={"queue": truth_queue}, rabbitmq={"secretRef": {"name": "limited"}})
    with harness.watched():
        harness.operator.wait_until(lambda: condition(harness), what="the condition", timeout_seconds=60)
        said = condition(harness)
        rate = must_keep_its_rate(harness, span(120, 12))
        own_rabbitmq.rabbitmqctl("set_permissions", "-p", "/", user, ".*", ".*", ".*")
        harness.operator.wait_until(
            lambda: not condition(harness), timeout_seconds=330 if span(1, 0) else 60, what="the end of the condition"
        )
        truth, events = collected(harness, truth_queue)
    assert user not in said
    must_agree(harness, truth, events)
    measured(f"no right: {rate:.0f}/s meanwhile, {len(truth)} records of {ended(harness):.0f} episodes afterwards")


def begun(harness: Harness, stream: str) -> str:
    """Wait until the status tells of the episode under way and some of its events are published; its id."""
    harness.operator.wait_until(
        lambda: (harness.resources.status(stream).get("scenarios") or [{}])[0].get("open"),
        what="an episode in the status",
    )
    harness.wait_published(stream, 300)
    return str(harness.resources.status(stream)["scenarios"][0]["open"])


@pytest.mark.row(57)
def test_sigterm_in_an_episode_has_its_record_of_what_was_published(harness, measured) -> None:
    operator = harness.start()
    truth_queue = harness.queue("truth")
    harness.stream("steady", **{**STEADY, "scenarios": [LONG]}, groundTruth={"queue": truth_queue})
    episode = begun(harness, "steady")
    assert operator.stop().exit_code == 0
    (record,) = records(harness.broker.drain(truth_queue)).values()
    assert (record["episode"], record["complete"], record["endReason"]) == (episode, False, "OperatorStopped")
    assert "open" not in harness.resources.status("steady")["scenarios"][0]
    seen = {message.properties.message_id for message in harness.broker.drain(harness.streams["steady"])}
    assert {each["eventId"] for each in record["events"]} <= seen
    measured(f"SIGTERM: a record of {record['eventCount']} events")


@pytest.mark.row(57)
def test_after_a_kill_in_an_episode_the_next_process_tells_of_it_once(harness, measured) -> None:
    first = harness.start()
    truth_queue = harness.queue("truth")
    harness.stream("steady", **{**STEADY, "scenarios": [LONG]}, groundTruth={"queue": truth_queue})
    episode = begun(harness, "steady")
    first.kill()
    harness.plane.delete_leases()
    began = time.monotonic()
    harness.start(name="second")
    harness.operator.wait_until(lambda: told(harness, "delivered") == 1, what="the record")
    took = time.monotonic() - began
    harness.operator.wait_until(
        lambda: "open" not in harness.resources.status("steady")["scenarios"][0], what="the status to say so"
    )
    harness.wait_published("steady", 200)
    (record,) = records(harness.broker.drain(truth_queue)).values()
    assert (record["episode"], record["complete"], record["endReason"]) == (episode, False, "OperatorLost")
    assert not record.keys() & {"events", "expectedAlerts"}
    assert ended(harness) == 1
    measured(f"SIGKILL: told {took:.1f} s after the start of the next process")


@pytest.mark.row(58)
@pytest.mark.parametrize("change", ["suspend", "queue", "deletion"])
def test_an_episode_that_is_cut_off_has_one_record_of_what_was_published(change, harness, measured) -> None:
    harness.start()
    truth_queue = harness.queue("truth")
    harness.stream("steady", **{**STEADY, "scenarios": [LONG]}, groundTruth={"queue": truth_queue})
    episode = begun(harness, "steady")
    began = time.monotonic()
    if change == "deletion":
        harness.resources.delete("steady")
    else:
        harness.resources.patch(
            "steady", **({"suspend": True} if change == "suspend" else {"queue": harness.queue("moved")})
        )
    wait_until(lambda: harness.broker.queue_depth(truth_queue), timeout_seconds=10, what="the record")
    took = time.monotonic() - began
    (record,) = records(harness.broker.drain(truth_queue)).values()
    reason = {"suspend": "Suspended", "queue": "DestinationChanged", "deletion": "ResourceDeleted"}[change]
    assert (record["episode"], record["complete"], record["endReason"]) == (episode, False, reason)
    seen = {message.properties.message_id for message in harness.broker.drain(harness.streams["steady"])}
    assert {each["eventId"] for each in record["events"]} <= seen
    assert record["eventCount"] == len(record["events"]) > 3
    assert ended(harness) == told(harness, "delivered") == 1
    measured(f"{change}: a record of {record['eventCount']} events after {took:.1f} s")
