"""How episodes begin, go on and end, whatever happens to their stream: each ends in one record."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from audit_event_operator.resource.status import Progress, ScenarioStatus
from audit_event_operator.timeline.episodes import Episodes
from audit_event_operator.world.scenarios.ending import Ending
from support.episodes import Stage
from support.worlds import MONDAY

BRUTE = {
    "name": "brute", "type": "BruteForce", "every": "1m", "jitterPercent": 0, "attempts": {"min": 10, "max": 10},
    "pace": {"min": "1s", "max": "1s"}, "successPercent": 0,
}  # fmt: skip
SECOND = {**BRUTE, "name": "second", "startAfter": "2s"}


def stage(*scenarios, **fields):
    return Stage(interval="1s", scenarios=[*scenarios], **fields)


def endings(told):
    return [str(record.end_reason) for record in told.records]


def only(statuses):
    (status,) = statuses
    return status


def test_an_episode_begins_with_the_run_and_then_again_and_again():
    running = stage(BRUTE).until(200)
    assert endings(running.told) == ["Completed"] * 4
    status = only(running.playbook.status())
    assert (status.name, status.episodes, status.missed, status.open) == ("brute", 4, 0, None)
    assert status.expected_alerts == 4 * 8
    assert status.last_time == datetime.fromtimestamp(MONDAY + 36_180, UTC)
    assert status.last_episode == running.told.records[-1].episode


def test_events_have_their_own_times_beside_the_paced_ones_and_numbers_like_all():
    own = {"name": "numbered", "details": {"number": "${sequence}"}}
    steps = {"name": "own", "type": "Steps", "steps": [{"event": "numbered", "repeat": 3}]}
    running = stage(steps, eventTypes=[own], eventMix={"numbered": 1}, activity="Independent").until(9)
    numbers = [event.body.split(b'"number":"')[1].split(b'"')[0] for event in running.told.events]
    assert sorted(map(int, numbers)) == list(range(13))
    assert [event.mark.step for event in running.told.staged] == [1, 1, 1]


def test_an_episode_is_missed_when_its_outlet_is_not_ready_for_five_seconds():
    running = stage(BRUTE)
    running.ready = False
    running.until(4)
    assert only(running.playbook.status()).missed == 0
    running.ready = True
    running.until(30)
    assert endings(running.told) == ["Completed"]
    running.ready = False
    running.until(190)
    assert only(running.playbook.status())[1:3] == (1, 3)
    assert endings(running.told) == ["Completed"]


def test_an_event_that_finds_no_room_for_five_seconds_ends_the_episode_with_what_was_published():
    running = stage(BRUTE).until(4.5)
    running.room = 0
    running.until(20)
    assert endings(running.told) == ["NoRoom"]
    (record,) = running.told.records
    assert not record.complete
    assert (len(record.said), [alert.times for alert in record.expected()]) == (5, [3])


def test_room_that_comes_back_in_time_lets_the_episode_go_on():
    running = stage(BRUTE).until(4.5)
    running.room = 0
    running.until(8)
    running.room = 100
    running.until(20)
    assert endings(running.told) == ["Completed"]


def test_a_cap_that_leaves_nothing_ends_the_episode():
    running = Stage(interval="100ms", scenarios=[BRUTE], cap=10).until(30)
    assert endings(running.told) == ["RateLimited"]


def test_what_a_cap_leaves_beside_the_paced_events_may_be_used():
    running = Stage(interval="1s", scenarios=[BRUTE], cap=3).until(30)
    assert endings(running.told) == ["Completed"]


@pytest.mark.parametrize(
    "change, ending",
    [
        ({"suspend": True}, "Suspended"),
        ({"queue": "another"}, "DestinationChanged"),
        ({"runId": "again"}, "NewRun"),
        ({"scenarios": []}, "ScenarioRemoved"),
        ({"scenarios": [{**BRUTE, "suspend": True}]}, "ScenarioSuspended"),
        ({"maxEvents": 5}, "RunComplete"),
        ({"runDuration": "5s"}, "RunComplete"),
    ],
)
def test_a_change_ends_what_is_under_way_and_the_record_says_so(change, ending):
    running = stage(BRUTE).until(4.5).patch(**change).until(6)
    assert endings(running.told)[0] == ending
    assert not running.told.records[0].complete
    assert len(running.told.records[0].said) == 5


def test_a_changed_scenario_counts_from_its_next_episode():
    longer = {**BRUTE, "attempts": {"min": 3, "max": 3}, "pace": {"min": "2s", "max": "2s"}}
    running = stage(BRUTE).until(4.5).patch(scenarios=[longer]).until(80)
    assert [len(record.said) for record in running.told.records] == [10, 3]


def test_scenarios_that_stay_are_not_disturbed_by_one_that_is_added_or_removed():
    running = stage(BRUTE).until(4.5).patch(scenarios=[BRUTE, SECOND]).until(8).patch(scenarios=[BRUTE]).until(30)
    ended = sorted((record.scenario, str(record.end_reason)) for record in running.told.records)
    assert ended == [("brute", "Completed"), ("second", "ScenarioRemoved")]


def test_a_single_episode_that_is_added_late_begins_at_once_and_only_once():
    once = {key: value for key, value in BRUTE.items() if key != "every"}
    running = stage().until(100).patch(scenarios=[once]).until(101)
    assert only(running.playbook.status()).open is not None
    running.until(5_000).patch(interval="2s").until(6_000)
    assert endings(running.told) == ["Completed"]


def test_a_new_run_plays_the_single_episode_again_and_counts_anew():
    once = {key: value for key, value in BRUTE.items() if key != "every"}
    running = stage(once, runId="1").until(100).patch(runId="2").until(200)
    assert endings(running.told) == ["Completed", "Completed"]
    assert only(running.playbook.status()).episodes == 1
    assert only(running.playbook.totals()).complete == 2


def test_nothing_is_missed_while_the_stream_is_suspended():
    running = stage(BRUTE).until(30).patch(suspend=True).until(1_000).patch(suspend=False).until(1_025)
    assert only(running.playbook.status()).missed == 0
    running.until(1_200)
    assert len(running.told.records) >= 3


def test_an_event_that_is_lost_makes_the_record_incomplete():
    lost = iter([True, True, False])
    running = stage(BRUTE, publishes=lambda event: event.mark is None or next(lost, True)).until(30)
    (record,) = running.told.records
    assert (record.complete, str(record.end_reason), len(record.said)) == (False, "EventsLost", 9)


def test_what_is_on_its_way_keeps_the_record_back_until_its_outcome_is_known(monkeypatch):
    running = stage(BRUTE)
    waiting = []
    monkeypatch.setattr(Episodes, "settle", lambda _, mark, published: waiting.append(mark))
    running.until(30)
    assert running.told.records == []
    assert only(running.playbook.status()).open is not None
    for mark in waiting:
        running.playbook.settle(mark, published=True)
    assert [str(record.end_reason) for record in running.playbook.records] == ["Completed"]
    assert running.playbook.settle(waiting[0], published=True) is False


def test_giving_up_tells_what_is_known(monkeypatch):
    running = stage(BRUTE)
    monkeypatch.setattr(Episodes, "settle", lambda *_, **__: None)
    running.until(4.5)
    running.playbook.end(Ending.RESOURCE_DELETED)
    assert running.playbook.records == []
    running.playbook.give_up()
    (record,) = running.playbook.records
    assert (str(record.end_reason), len(record.said)) == ("ResourceDeleted", 0)


def told_before(**fields):
    status = ScenarioStatus("brute", **fields)
    start = datetime.fromtimestamp(MONDAY + 36_000, UTC)
    return Progress(events_published=100, start_time=start, scenarios=(status,))


def test_after_a_kill_the_next_process_tells_of_the_episode_that_was_under_way_and_knows_nothing_of_it():
    began = datetime.fromtimestamp(MONDAY + 36_060, UTC)
    before = told_before(episodes=1, open="0f0f", last_episode="0f0f", last_time=began)
    running = stage(BRUTE, progress=before, start_seconds=MONDAY + 36_065).until(1)
    (record,) = running.told.records
    assert (record.episode, record.known, str(record.end_reason)) == ("0f0f", False, "OperatorLost")
    assert record.begins_unix_ns == (MONDAY + 36_060) * 1_000_000_000
    status = only(running.playbook.status())
    assert (status.episodes, status.open) == (2, None)
    running.until(60)
    assert endings(running.told) == ["OperatorLost"]
    assert only(running.playbook.status()).open is not None  # the one at 36,120


def test_after_a_kill_an_episode_whose_scenario_has_gone_is_told_of_too():
    before = told_before(open="0f0f", last_episode="0f0f")
    running = stage(SECOND, progress=before).until(1)
    assert [(record.scenario, record.episode) for record in running.told.records] == [("brute", "0f0f")]


def test_a_restart_begins_no_episode_twice_and_misses_none_that_was_of_the_time_between():
    began = datetime.fromtimestamp(MONDAY + 36_120, UTC)
    before = told_before(episodes=3, last_episode="0f", last_time=began.replace(microsecond=0))
    running = stage(BRUTE, progress=before, start_seconds=MONDAY + 36_122).until(30)
    assert running.told.records == []
    late = stage(BRUTE, progress=before, start_seconds=MONDAY + 39_950).until(45)
    assert only(late.playbook.status())[1:3] == (4, 0)


def test_a_single_episode_that_the_status_shows_is_not_played_again():
    once = {key: value for key, value in BRUTE.items() if key != "every"}
    for before in (told_before(episodes=1), told_before(missed=1)):
        assert stage(once, progress=before).until(100).told.records == []
    fresh = replace(told_before(), scenarios=())
    assert endings(stage(once, progress=fresh).until(100).told) == ["Completed"]


def test_events_of_an_episode_count_for_max_events():
    running = stage(BRUTE, maxEvents=30).until(200)
    assert len(running.told.events) == 30
    assert endings(running.told) == ["Completed"]


def test_another_run_repeats_no_session_and_no_account():
    again = {"name": "root", "type": "PrivilegeEscalation", "pace": {"min": "100ms", "max": "200ms"}}
    running = stage(again, runId="1").until(60).patch(runId="2").until(120)
    texts = [str(event.body) for event in running.told.staged]
    sessions = [text.split('"session_id":"')[1][:16] for text in texts if '"session_id"' in text]
    accounts = [text.split('"resource":"new_user_')[1][:6] for text in texts if "new_user_" in text]
    assert len(running.told.records) == 2
    assert len(set(sessions)) == 2
    assert len(set(accounts)) == 2
