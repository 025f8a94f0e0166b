from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from audit_event_operator.engine.elsewhere import ServedElsewhere
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.advice import Advice, AdviceReason
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.status import ScenarioStatus, build_status


async def test_generators_are_listed_in_order(ask, backend, a_snapshot, a_default_stream):
    backend.fleet.live = [a_snapshot("b", "z"), a_snapshot("b", "a"), a_snapshot("a", "m")]
    backend.fleet.default_stream_row = a_default_stream()
    _, listed = await ask("/generators")
    assert [(row["namespace"], row["name"]) for row in listed["generators"]] == [("a", "m"), ("b", "a"), ("b", "z")]


async def test_one_generator_shows_its_live_state(ask, backend, a_snapshot):
    backend.fleet.live = [a_snapshot(reason=Reason.SECRET_NOT_FOUND)]
    status, row = await ask("/generators/team-a/logins")
    assert status == 200
    assert (row["ready"], row["reason"], row["message"]) == ("False", "SecretNotFound", "A sentence.")
    assert row["target_events_per_second"] == 0.2
    assert row["last_publish_time"] == "2026-01-02T03:04:05+00:00"
    ends = ("events_published", "events_dropped", "events_buffered", "events_in_flight")
    assert row["events_generated"] == sum(row[end] for end in ends)


async def test_a_warning_about_the_spec_is_told(ask, backend, a_snapshot):
    blanks = Advice(AdviceReason.BLANKS_IN_NAME, "spec.queue", "queue ends with a blank.")
    backend.fleet.live = [a_snapshot(advice=(blanks,))]
    assert (await ask("/generators/team-a/logins"))[1]["warnings"] == ["queue ends with a blank."]


async def test_scenarios_are_told_as_in_the_status(ask, backend, a_snapshot):
    began = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    scenarios = (
        ScenarioStatus("brute", 4, 1, "an-episode", "an-episode", began, 72),
        ScenarioStatus("spray", 1, last_episode="another", last_time=began + timedelta(hours=1)),
        ScenarioStatus("takeover", missed=1),
    )
    backend.fleet.live = [a_snapshot(scenarios=scenarios, truth_undelivered="The queue is full.")]
    row = (await ask("/generators/team-a/logins"))[1]
    assert row["scenarios"] == build_status(backend.fleet.live[0].facts, None, began)["scenarios"]
    assert row["truth_undelivered"] == "The queue is full."
    table = (await ask("/generators?fields=open_scenarios,last_episode_time"))[1]
    assert table["rows"] == [[["brute"], "2026-01-02T04:04:05+00:00"]]


async def test_without_scenarios_there_is_nothing_to_tell_of_them(ask, backend, a_snapshot):
    backend.fleet.live = [a_snapshot()]
    table = (await ask("/generators?fields=scenarios,open_scenarios,last_episode_time,truth_undelivered"))[1]
    assert table["rows"] == [[[], [], None, None]]


async def test_resources_of_other_replicas_are_told_with_their_owner(ask, backend, a_snapshot):
    backend.fleet.live = [a_snapshot("b", "mine")]
    theirs = ServedElsewhere(
        Ref("a", "theirs"), "u9", "pod-2", foreign=False, snapshot=lambda: a_snapshot("a", "theirs")
    )
    backend.submissions.elsewhere = SimpleNamespace(
        all=lambda: [theirs], find=lambda ref: theirs if ref == theirs.ref else None
    )
    _, listed = await ask("/generators")
    assert [(row["name"], row["owner"]) for row in listed["generators"]] == [("theirs", "pod-2"), ("mine", None)]
    table = (await ask("/generators?fields=owner,name"))[1]
    assert table["rows"] == [["pod-2", "theirs"], [None, "mine"]]
    assert (await ask("/generators/a/theirs"))[1]["owner"] == "pod-2"
    assert (await ask("/healthz"))[1]["generators"]["total"] == 1


async def test_an_unknown_generator_is_not_found(ask):
    status, answer = await ask("/generators/team-a/nobody")
    assert status == 404
    assert "no such generator" in answer["error"]
