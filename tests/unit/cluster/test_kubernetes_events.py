"""What `kubectl describe` shows: turns of fortune, and few of them."""

import asyncio
from datetime import UTC, datetime

import pytest

from audit_event_operator.cluster.errors import Unreachable
from audit_event_operator.cluster.kubernetes_events import Announcement, Announcer, announcement
from audit_event_operator.cluster.ready import ReadyCondition, ready_condition
from audit_event_operator.cluster.tally import Kind, Result, Tally
from audit_event_operator.engine.snapshot import Ref
from doubles.fleet import make_snapshot
from doubles.kubernetes import FakeCluster

pytestmark = pytest.mark.looptime


def ready(status: str, reason: str) -> ReadyCondition:
    return ReadyCondition(status, reason, f"about {reason}")


def status(ready_status: str, reason: str, message: str = "a sentence") -> dict:
    return {"conditions": [{"type": "Ready", "status": ready_status, "reason": reason, "message": message}]}


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


@pytest.mark.parametrize("strange", [{}, {"conditions": None}, {"conditions": [None, 3, {"type": "Other"}]}])
def test_a_strange_status_has_no_ready_condition(strange):
    assert ready_condition(strange) is None


@pytest.fixture
def gone() -> set[str]:
    """UIDs of resources that are not there any more."""
    return set()


@pytest.fixture
async def desk(gone):
    cluster, tally = FakeCluster(), Tally()
    announcer = Announcer(
        cluster,
        instance="pod-1",
        alive=lambda uid: uid not in gone,
        tally=tally,
        wall=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    task = asyncio.create_task(announcer.run())
    yield cluster, announcer, tally
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_kubernetes_event_names_the_resource_and_says_why(desk):
    cluster, announcer, tally = desk
    snapshot = make_snapshot(Ref("team", "demo"), "u1")
    announcer.announce(snapshot, status("True", "Publishing"), status("False", "QueueNotFound", "m" * 2000))
    await asyncio.sleep(1)
    (event,) = cluster.events
    assert event["involvedObject"] == {
        "apiVersion": "auditflow.jojees.net/v1alpha1",
        "kind": "AuditEventGenerator",
        "namespace": "team",
        "name": "demo",
        "uid": "u1",
    }
    assert (event["type"], event["reason"], len(event["message"])) == ("Warning", "QueueNotFound", 512)
    assert event["firstTimestamp"] == "2026-01-02T03:04:05Z"
    assert tally.writes == {(Kind.EVENT, Result.OK): 1}


async def test_the_same_reason_is_told_once_in_ten_minutes(desk):
    cluster, announcer, _ = desk
    for _ in range(5):
        announcer.announce(make_snapshot(), status("True", "Publishing"), status("False", "BrokerUnreachable"))
        announcer.announce(make_snapshot(), status("False", "BrokerUnreachable"), status("True", "Publishing"))
        await asyncio.sleep(60)
    assert [event["reason"] for event in cluster.events] == ["BrokerUnreachable", "Recovered"]
    await asyncio.sleep(400)
    announcer.announce(make_snapshot(), status("True", "Publishing"), status("False", "BrokerUnreachable"))
    await asyncio.sleep(1)
    assert len(cluster.events) == 3


async def test_a_flood_is_thinned(desk):
    cluster, announcer, _ = desk
    for number in range(2000):
        announcer.announce(make_snapshot(uid=f"u{number}"), {}, status("False", "BrokerUnreachable"))
    await asyncio.sleep(10)
    assert 40 <= len(cluster.events) <= 60
    await asyncio.sleep(1000)
    assert len(cluster.events) == 500


async def test_nothing_is_told_of_a_resource_that_went_before_its_turn_and_others_need_not_wait_for_it(desk, gone):
    cluster, announcer, _ = desk
    for number in range(400):
        announcer.announce(make_snapshot(uid=f"u{number}"), {}, status("False", "BrokerUnreachable"))
    await asyncio.sleep(1)
    told = len(cluster.events)
    assert 0 < told < 20
    gone.update(f"u{number}" for number in range(399))
    await asyncio.sleep(1)
    assert [event["involvedObject"]["uid"] for event in cluster.events[told:]] == ["u399"]


async def test_what_waits_when_another_process_takes_over_is_not_told(desk):
    cluster, announcer, _ = desk
    for number in range(100):
        announcer.announce(make_snapshot(uid=f"u{number}"), {}, status("False", "BrokerUnreachable"))
    await asyncio.sleep(1)
    told = len(cluster.events)
    announcer.clear()
    await asyncio.sleep(60)
    assert len(cluster.events) == told
    announcer.announce(make_snapshot(uid="later"), {}, status("False", "BrokerUnreachable"))
    await asyncio.sleep(1)
    assert len(cluster.events) == told + 1


async def test_what_cannot_be_posted_is_given_up(desk):
    cluster, announcer, tally = desk
    cluster.trouble["create_event"] = [Unreachable("away")]
    announcer.announce(make_snapshot(), {}, status("False", "NoBroker"))
    await asyncio.sleep(5)
    assert cluster.events == []
    assert tally.writes[Kind.EVENT, Result.UNREACHABLE] == 1
