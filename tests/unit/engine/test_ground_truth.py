"""Episodes in a running generator, and the telling of what they did, over brokers that obey."""

import asyncio
import dataclasses
import json
from fractions import Fraction

import pytest

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.ledger import Outcome
from audit_event_operator.engine.ports import Trouble
from audit_event_operator.engine.snapshot import Ref, TruthCounts
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress, ScenarioStatus
from support.doubles.fleet import series

REF = Ref("team", "stream")
BRUTE = {
    "name": "brute", "type": "BruteForce", "every": "1m", "jitterPercent": 0, "attempts": {"min": 5, "max": 5},
    "pace": {"min": "1s", "max": "1s"}, "successPercent": 0,
}  # fmt: skip
SPEC = {"interval": "1s", "activity": "Sessions", "scenarios": [BRUTE], "groundTruth": {"queue": "truth"}}
pytestmark = pytest.mark.looptime


@pytest.fixture
async def fleet(context):
    fleet = Fleet(context)
    yield fleet
    if fleet.running:
        await fleet.shutdown(0)


def apply(fleet, generation=1, **changes):
    fleet.start()
    fleet.apply(REF, "u1", generation, parse_spec({**SPEC, **changes}), Progress())


def records(brokers):
    return [json.loads(event.body) for event in brokers.queues.get("truth", ())]


def seen(fleet):
    return fleet.find(REF)


async def test_a_record_goes_to_the_truth_queue_when_the_last_event_is_confirmed(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(5.5)
    (record,) = records(brokers)
    staged = [event for event in brokers.queues["audit_events"] if event.mark is not None]
    assert [each["eventId"] for each in record["events"]] == [event.event_id for event in staged]
    assert record["expectedAlerts"][0]["count"] == 3
    assert record["complete"]
    assert seen(fleet).truth == TruthCounts(delivered=1)
    (counts,) = seen(fleet).scenarios
    assert (counts.complete, counts.events) == (1, 5)
    assert counts.expected_alerts == {"ANLY-SEC-001": 3, "ANLY-SEC-002": 0}
    (status,) = seen(fleet).facts.progress.scenarios
    assert (status.episodes, status.open) == (1, None)


async def test_events_of_episodes_are_generated_published_and_counted_like_all_others(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(10)
    counts = seen(fleet).counts
    assert counts.generated == counts.published == len(brokers.queues["audit_events"]) > 14
    assert float(seen(fleet).facts.target_rate) == 1


async def test_a_truth_queue_that_is_away_never_holds_the_stream_up_and_is_told_of(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(0.1)
    truth = next(outlet for outlet in brokers.outlets if outlet.destination.label == "truth")
    truth.trouble(Trouble(Reason.QUEUE_NOT_FOUND, "Queue truth is not there.", asyncio.get_running_loop().time()))
    await asyncio.sleep(200)
    facts = seen(fleet).facts
    assert facts.ready.reason is Reason.PUBLISHING
    assert "Queue truth is not there." in facts.truth_undelivered
    assert len(brokers.queues["audit_events"]) > 200
    assert records(brokers) == []
    truth.ready()
    await asyncio.sleep(0.1)
    assert len(records(brokers)) == 4
    assert seen(fleet).facts.truth_undelivered is None


async def test_records_that_nobody_takes_are_bounded_and_counted(fleet, brokers):
    brokers.deaf.add("truth")
    apply(fleet, scenarios=[{**BRUTE, "every": "10s", "attempts": {"min": 1, "max": 1}}])
    await asyncio.sleep(2_000)
    counts = seen(fleet).truth
    assert counts.dropped > 100
    assert counts.delivered == 0
    assert counts.dropped + 64 >= seen(fleet).scenarios[0].complete


async def test_without_a_truth_queue_episodes_are_only_counted(fleet, brokers):
    apply(fleet, groundTruth=None)
    await asyncio.sleep(10)
    assert [outlet.destination.label for outlet in brokers.outlets] == ["audit_events"]
    assert seen(fleet).truth == TruthCounts()
    assert seen(fleet).scenarios[0].complete == 1


async def test_a_listener_gets_the_records_in_place_of_the_queue(context, brokers):
    told = []
    fleet = Fleet(dataclasses.replace(context, truth_listener=lambda record: not told.append(record)))
    apply(fleet)
    await asyncio.sleep(10)
    await fleet.shutdown(1)
    assert [json.loads(record)["scenario"] for record in told] == ["brute"]
    assert "truth" not in brokers.queues


async def test_sigterm_ends_an_episode_and_its_record_is_delivered(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(2.5)
    await fleet.shutdown(5)
    (record,) = records(brokers)
    assert (record["complete"], record["endReason"], record["eventCount"]) == (False, "OperatorStopped", 3)
    assert seen(fleet).facts.progress.scenarios[0].open is None


async def test_a_deleted_resource_has_its_record_within_a_second(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(2.5)
    fleet.discard("u1")
    await asyncio.sleep(0.1)
    (record,) = records(brokers)
    assert (record["complete"], record["endReason"], record["eventCount"]) == (False, "ResourceDeleted", 3)


async def test_a_record_that_cannot_be_told_in_the_second_after_a_deletion_is_counted(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(2.5)
    brokers.deaf.add("truth")
    fleet.discard("u1")
    await asyncio.sleep(2)
    brokers.deaf.clear()
    for outlet in brokers.outlets:
        outlet.poke()
    await asyncio.sleep(2)
    assert records(brokers) == []
    (gone,) = series(fleet)
    assert gone.truth == TruthCounts(undelivered=1)


async def test_after_a_deletion_what_is_unconfirmed_is_not_told_as_published(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(1.5)
    brokers.answering = False
    await asyncio.sleep(1)
    fleet.discard("u1")
    brokers.answering = True
    await asyncio.sleep(10)
    (gone,) = series(fleet)
    assert gone.scenarios[0].incomplete == 1
    assert gone.scenarios[0].events == 2
    assert gone.truth.undelivered + gone.truth.delivered + gone.truth.dropped == 1


async def test_suspending_ends_an_episode_at_once_and_a_resumed_stream_begins_new_ones(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(2.5)
    apply(fleet, 2, suspend=True)
    await asyncio.sleep(0.1)
    assert [record["endReason"] for record in records(brokers)] == ["Suspended"]
    apply(fleet, 3)
    await asyncio.sleep(64)
    assert [record["endReason"] for record in records(brokers)] == ["Suspended", "Completed"]


async def test_a_moved_stream_ends_its_episode_and_tells_of_it_in_the_same_truth_queue(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(2.5)
    apply(fleet, 2, queue="elsewhere")
    await asyncio.sleep(1)
    assert [record["endReason"] for record in records(brokers)] == ["DestinationChanged"]


@pytest.mark.parametrize("changes", [{"scenarios": []}, {"scenarios": [], "groundTruth": None}, {"groundTruth": {}}])
async def test_the_last_record_is_told_when_scenarios_or_their_truth_queue_go(changes, fleet, brokers):
    apply(fleet)
    await asyncio.sleep(2.5)
    apply(fleet, 2, **changes)
    await asyncio.sleep(5)
    told = records(brokers)
    assert [record["endReason"] for record in told] == ([] if changes == {"groundTruth": {}} else ["ScenarioRemoved"])


async def test_another_truth_queue_gets_the_records_from_then_on(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(10)
    apply(fleet, 2, groundTruth={"queue": "other"})
    await asyncio.sleep(60)
    assert len(records(brokers)) == 1
    assert len(brokers.queues["other"]) == 1


async def test_a_change_of_the_queue_does_not_wait_for_a_truth_queue_that_is_away(fleet, brokers):
    brokers.deaf.add("truth")
    apply(fleet)
    await asyncio.sleep(10)
    began = asyncio.get_running_loop().time()
    apply(fleet, 2, queue="elsewhere")
    while "elsewhere" not in brokers.queues:
        await asyncio.sleep(0.1)
    assert asyncio.get_running_loop().time() - began < 2


async def test_an_episode_of_a_process_that_was_killed_is_told_of_by_the_next_one(fleet, brokers):
    fleet.start()
    before = Progress(10, scenarios=(ScenarioStatus("brute", open="0f0f"),))
    fleet.apply(REF, "u1", 1, parse_spec({**SPEC, "interval": "1h"}), before, preexisting=True)
    await asyncio.sleep(1)
    (record,) = records(brokers)
    assert (record["episode"], record["endReason"]) == ("0f0f", "OperatorLost")
    assert seen(fleet).truth == TruthCounts(delivered=1)


async def test_an_invalid_spec_ends_an_episode(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(2.5)
    fleet.reject(REF, "u1", 2, "no")
    await asyncio.sleep(1)
    assert [record["endReason"] for record in records(brokers)] == ["InvalidSpec"]


async def test_an_unconfirmed_event_keeps_the_record_back(fleet, brokers):
    apply(fleet)
    await asyncio.sleep(3.5)
    brokers.answering = False
    await asyncio.sleep(10)
    assert records(brokers) == []
    assert seen(fleet).facts.progress.scenarios[0].open is not None
    brokers.answering = True
    for outlet in brokers.outlets:
        outlet.answer(Outcome.ACK)
    await asyncio.sleep(0.1)
    assert [record["complete"] for record in records(brokers)] == [True]


async def test_a_begun_and_an_ended_episode_are_told_to_listeners_at_once(fleet):
    told = []
    fleet.on_change(lambda uid: told.append(fleet.snapshot(uid).facts.progress.scenarios))
    apply(fleet)
    await asyncio.sleep(10)
    opened = [bool(scenarios and scenarios[0].open) for scenarios in told]
    assert True in opened
    assert opened[-1] is False


async def test_a_namespace_cap_leaves_its_spare_part_to_scenarios(context, brokers):
    fleet = Fleet(dataclasses.replace(context, namespace_cap=Fraction(10)))
    apply(fleet)
    await asyncio.sleep(10)
    assert [record["complete"] for record in records(brokers)] == [True]
    await fleet.shutdown(0)


async def test_a_stream_may_have_nothing_but_scenarios(fleet, brokers):
    apply(fleet, eventsPerInterval=0)
    await asyncio.sleep(10)
    assert [record["complete"] for record in records(brokers)] == [True]
    assert all(event.mark is not None for event in brokers.queues["audit_events"])
    ready = seen(fleet).facts.ready
    assert ready.reason is Reason.IDLE
    assert "gets no events now but those of scenarios: spec.eventsPerInterval is 0." in ready.message
