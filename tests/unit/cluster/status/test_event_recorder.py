"""What `kubectl describe` shows: turns of fortune, and few of them."""

import asyncio
from datetime import UTC, datetime

import pytest

from audit_event_operator.cluster.api.errors import Unreachable
from audit_event_operator.cluster.status.announcements import Announcement, announcement, announcements
from audit_event_operator.cluster.status.event_recorder import EventRecorder
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.status import ReadyCondition, ready_condition
from support.doubles.fleet import make_snapshot

pytestmark = pytest.mark.looptime


def ready(status, reason):
    return ReadyCondition(status, reason, f"about {reason}")


def status(ready_status, reason, message="a sentence"):
    return {"conditions": [{"type": "Ready", "status": ready_status, "reason": reason, "message": message}]}


WELL, LOST = status("True", "Publishing"), status("False", "BrokerUnreachable")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, ready("Unknown", "Starting"), None),
        (ready("Unknown", "Starting"), ready("True", "Publishing"), ("Normal", "Started")),
        (ready("True", "Connected"), ready("True", "Publishing"), None),
        (ready("True", "Publishing"), ready("Unknown", "BrokerUnreachable"), None),
        (ready("Unknown", "BrokerUnreachable"), ready("False", "BrokerUnreachable"), ("Warning", "BrokerUnreachable")),
        (ready("False", "BrokerUnreachable"), ready("True", "Publishing"), ("Normal", "Recovered")),
        (ready("False", "SecretNotFound"), ready("False", "AuthenticationFailed"), ("Warning", "AuthenticationFailed")),
        (ready("True", "Publishing"), ready("True", "Completed"), ("Normal", "Completed")),
        (ready("True", "Publishing"), ready("True", "Suspended"), ("Normal", "Suspended")),
        (ready("True", "Publishing"), ready("True", "Publishing"), None),
        (ready("True", "Publishing"), None, None),
    ],
)
def test_only_a_turn_is_worth_telling(before, after, told):
    expected = None if told is None else Announcement(*told, f"about {after.reason}")
    assert announcement(before, after) == expected


def with_scenarios(*scenarios):
    return WELL | {
        "scenarios": [{"name": name, "missed": missed, "open": episode} for name, missed, episode in scenarios]
    }


NONE_OPEN, A_OPEN = with_scenarios(("brute", 1, None)), with_scenarios(("brute", 1, "A"))
MISSED = "did not begin, because the stream was not ready in time."


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (WELL, with_scenarios(("brute", 0, "A")), [("Normal", "EpisodeStarted", "Episode A of scenario brute began.")]),
        (NONE_OPEN, A_OPEN, [("Normal", "EpisodeStarted", "Episode A of scenario brute began.")]),
        (A_OPEN, NONE_OPEN, [("Normal", "EpisodeEnded", "Episode A of scenario brute ended.")]),
        (A_OPEN, WELL, [("Normal", "EpisodeEnded", "Episode A of scenario brute ended.")]),
        (
            A_OPEN,
            with_scenarios(("brute", 1, "B")),
            [
                ("Normal", "EpisodeEnded", "Episode A of scenario brute ended."),
                ("Normal", "EpisodeStarted", "Episode B of scenario brute began."),
            ],
        ),
        (
            NONE_OPEN,
            with_scenarios(("brute", 2, None)),
            [("Warning", "EpisodeMissed", f"An episode of scenario brute {MISSED}")],
        ),
        (
            NONE_OPEN,
            with_scenarios(("brute", 4, None)),
            [("Warning", "EpisodeMissed", f"3 episodes of scenario brute {MISSED}")],
        ),
        (
            with_scenarios(("a", 0, "A"), ("b", 0, None)),
            with_scenarios(("b", 0, "B"), ("a", 0, None)),
            [
                ("Normal", "EpisodeStarted", "Episode B of scenario b began."),
                ("Normal", "EpisodeEnded", "Episode A of scenario a ended."),
            ],
        ),
        (A_OPEN, A_OPEN, []),
        (A_OPEN, A_OPEN | {"eventsPublished": 7}, []),
        (with_scenarios(("brute", 5, None)), with_scenarios(("brute", 0, None)), []),  # a new run
        (WELL | {"scenarios": "strange"}, WELL | {"scenarios": [None, 3, {"open": "A"}]}, []),
    ],
)
def test_episodes_that_begin_end_or_are_missed_are_worth_telling(before, after, told):
    assert list(announcements(before, after)) == [Announcement(*each) for each in told]


def test_a_turn_of_ready_and_an_episode_are_told_side_by_side():
    told = announcements(A_OPEN, LOST | {"scenarios": NONE_OPEN["scenarios"]})
    assert [each.reason for each in told] == ["BrokerUnreachable", "EpisodeEnded"]


@pytest.mark.parametrize("strange", [{}, {"conditions": None}, {"conditions": [None, 3, {"type": "Other"}]}])
def test_a_strange_status_has_no_ready_condition(strange):
    assert ready_condition(strange) is None


@pytest.fixture
def gone():
    """UIDs of resources that are not there any more."""
    return set()


@pytest.fixture
async def recorder(cluster, gone):
    wall = lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)  # noqa: E731
    recorder = EventRecorder(cluster=cluster, instance="pod-1", alive=lambda uid: uid not in gone, wall=wall)
    task = asyncio.create_task(recorder.run())
    yield recorder
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def announce_failing(recorder, count):
    for number in range(count):
        recorder.announce(make_snapshot(uid=f"u{number}"), {}, LOST)


async def test_a_kubernetes_event_names_the_resource_and_says_why(cluster, recorder):
    snapshot = make_snapshot(Ref("team", "demo"), "u1")
    recorder.announce(snapshot, WELL, status("False", "QueueNotFound", "m" * 2000))
    await asyncio.sleep(1)
    (event,) = cluster.events
    assert event["involvedObject"] == {
        "apiVersion": "auditflow.jojees.net/v1alpha1", "kind": "AuditEventGenerator", "namespace": "team", "name": "demo",
        "uid": "u1",
    }  # fmt: skip
    assert (event["type"], event["reason"], len(event["message"])) == ("Warning", "QueueNotFound", 512)
    assert event["firstTimestamp"] == "2026-01-02T03:04:05Z"


async def test_the_same_reason_is_told_once_in_ten_minutes(cluster, recorder):
    for _ in range(5):
        recorder.announce(make_snapshot(), WELL, LOST)
        recorder.announce(make_snapshot(), LOST, WELL)
        await asyncio.sleep(60)
    assert [event["reason"] for event in cluster.events] == ["BrokerUnreachable", "Recovered"]
    await asyncio.sleep(400)
    recorder.announce(make_snapshot(), WELL, LOST)
    await asyncio.sleep(1)
    assert len(cluster.events) == 3


async def test_episodes_are_told_no_more_often_than_anything_else(cluster, recorder):
    for number in range(10):
        opened = with_scenarios(("brute", number, f"episode-{number}"))
        recorder.announce(make_snapshot(), with_scenarios(("brute", max(0, number - 1), None)), opened)
        recorder.announce(make_snapshot(), opened, with_scenarios(("brute", number, None)))
        await asyncio.sleep(60)
    told = [event["reason"] for event in cluster.events]
    assert told == ["EpisodeStarted", "EpisodeEnded", "EpisodeMissed"]


async def test_a_flood_is_thinned(cluster, recorder):
    announce_failing(recorder, 2000)
    await asyncio.sleep(10)
    assert 40 <= len(cluster.events) <= 60
    await asyncio.sleep(1000)
    assert len(cluster.events) == 500


async def test_nothing_is_told_of_a_resource_that_went_before_its_turn_and_others_need_not_wait_for_it(
    cluster, recorder, gone
):
    announce_failing(recorder, 400)
    await asyncio.sleep(1)
    told = len(cluster.events)
    assert 0 < told < 20
    gone.update(f"u{number}" for number in range(399))
    await asyncio.sleep(1)
    assert [event["involvedObject"]["uid"] for event in cluster.events[told:]] == ["u399"]


async def test_what_cannot_be_posted_is_given_up(cluster, recorder):
    cluster.trouble["create_event"] = [Unreachable("away")]
    recorder.announce(make_snapshot(), {}, status("False", "NoBroker"))
    await asyncio.sleep(5)
    assert cluster.events == []
    assert cluster.calls == ["create_event"]


async def test_one_namespaces_many_neither_push_out_nor_hold_up_anothers_one(cluster, recorder):
    announce_failing(recorder, 2_000)
    recorder.announce(make_snapshot(Ref("team-b", "lost"), uid="b"), {}, LOST)
    announce_failing(recorder, 2_000)
    await asyncio.sleep(1)
    assert "team-b" in {event["metadata"]["namespace"] for event in cluster.events}
