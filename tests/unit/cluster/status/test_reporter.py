"""What is written to the API server, when, and what is done when it does not work."""

import asyncio
import itertools
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from audit_event_operator.cluster.api.errors import Conflict, Forbidden, Throttled, Unprocessable, Unreachable
from audit_event_operator.cluster.status.reporter import Pace, Reporter
from audit_event_operator.cluster.status.writer import StatusWriter
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.conditions import Completion, CompletionReason, Ready, Reason
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from support.doubles.fleet import FakeFleet
from support.doubles.kubernetes import FakeCluster, make_resource

pytestmark = pytest.mark.looptime

UNREACHABLE = Ready(Reason.BROKER_UNREACHABLE, "The broker cannot be reached.")
STARTING = Ready(Reason.STARTING, "Connecting.")


class Reporting:
    """A reporter between a fleet and an API server."""

    def __init__(self, **pace):
        self.fleet, self.cluster = FakeFleet(), FakeCluster()
        self.announced = []
        self.writer = StatusWriter(
            cluster=self.cluster, owner="me", gone=self.fleet.discard, wall=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        self.reporter = Reporter(self.fleet, self.writer, announce=self._announce, pace=Pace(**pace))
        self.fleet.on_change(self.reporter.changed)
        self.fleet.on_departure(self.reporter.forget)

    def start(self, name="demo", *, status=None):
        resource = self.cluster.add(make_resource(name, status=status))
        uid = resource["metadata"]["uid"]
        self.reporter.seen(uid, status or {})
        self.fleet.apply(Ref("default", name), uid, 1, parse_spec({}), Progress())
        return uid

    def status(self, name="demo"):
        return self.cluster.resources["default", name].get("status", {})

    def reason(self, name="demo"):
        return self.status(name)["conditions"][0]["reason"]

    def written(self, name="demo"):
        return sum(1 for _, who, _ in self.cluster.statuses if who == name)

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.reporter.run())
        await asyncio.sleep(0.01)
        yield self
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def flush(self, *, parallel=40):
        return await self.writer.flush(self.fleet.snapshots(), seconds=3, parallel=parallel)

    def _announce(self, snapshot, before, after):
        self.announced.append((snapshot.uid, after["conditions"][0]["reason"]))


@pytest.fixture
async def reporting():
    async with Reporting().running() as reporting:
        yield reporting


async def stopped():
    """A reporting whose reporter has ended after it wrote of a resource."""
    async with Reporting().running() as reporting:
        reporting.start()
        await asyncio.sleep(1)
    return reporting


async def begin_after_a_restart(reporting):
    """With a resource that another process left Ready and that is starting now."""
    uid = reporting.start(status=(await stopped()).status())
    reporting.fleet.become(uid, ready=STARTING)


async def test_a_change_is_written_at_once_with_everything_a_status_shows(reporting):
    reporting.start()
    await asyncio.sleep(0.1)
    assert reporting.reason() == "Publishing"
    shown = {"observedGeneration": 1, "owner": "me", "targetRate": "0.2/s", "eventsPublished": 0}
    assert reporting.status() | shown == reporting.status()
    assert reporting.announced == [("uid-demo", "Publishing")]
    assert reporting.written() == 1


async def test_counters_alone_wait_for_their_turn_and_are_written_only_when_they_changed(reporting):
    uid = reporting.start()
    await asyncio.sleep(1)
    reporting.fleet.become(uid, events_published=10)
    await asyncio.sleep(20)
    assert reporting.written() == 1
    await asyncio.sleep(15)
    assert reporting.written() == 2
    assert reporting.status()["eventsPublished"] == 10
    await asyncio.sleep(300)
    assert reporting.written() == 2
    reporting.fleet.become(uid, events_published=11)
    await asyncio.sleep(31)
    assert reporting.written() == 3


async def test_changes_while_a_write_is_on_its_way_are_one_more_write(reporting):
    reporting.cluster.latency_seconds = 1.0
    uid = reporting.start()
    for generation in range(2, 20):
        await asyncio.sleep(0.01)
        reporting.fleet.become(uid, generation=generation)
    await asyncio.sleep(5)
    assert reporting.written() == 2
    assert reporting.status()["observedGeneration"] == 19


async def test_a_write_that_takes_longer_than_the_pause_of_the_counters_is_waited_for():
    reporting = Reporting(counter_seconds=2)
    reporting.cluster.latency_seconds = 10.0
    async with reporting.running():
        uid = reporting.start()
        for published in range(60):
            await asyncio.sleep(1)
            reporting.fleet.become(uid, events_published=published)
        await asyncio.sleep(30)
    times = [at for at, _, _ in reporting.cluster.statuses]
    assert len(times) >= 4
    assert all(later - earlier >= 9.99 for earlier, later in itertools.pairwise(times)), times
    assert reporting.status()["eventsPublished"] == 59


async def test_many_changes_keep_to_the_rate():
    reporting = Reporting(transitions_per_second=100)
    async with reporting.running():
        for number in range(300):
            reporting.start(f"r{number}")
        await asyncio.sleep(1.0)
        assert 100 <= len(reporting.cluster.statuses) <= 145
        await asyncio.sleep(2.0)
        assert len(reporting.cluster.statuses) == 300


async def test_many_counters_keep_to_their_own_rate():
    reporting = Reporting(counters_per_second=10)
    async with reporting.running():
        uids = [reporting.start(f"r{number}") for number in range(100)]
        await asyncio.sleep(5)
        for uid in uids:
            reporting.fleet.become(uid, events_published=5)
        before = len(reporting.cluster.statuses)
        await asyncio.sleep(30)
        assert len(reporting.cluster.statuses) - before <= 70
        await asyncio.sleep(30)
        assert all(reporting.status(f"r{number}")["eventsPublished"] == 5 for number in range(100))


async def test_nobody_waits_behind_one_slow_answer(reporting):
    reporting.cluster.latency_seconds = 5.0
    for number in range(40):
        reporting.start(f"r{number}")
    await asyncio.sleep(5.5)
    assert len(reporting.cluster.statuses) == 40


@pytest.mark.parametrize("now_there", [{}, {("default", "demo"): make_resource(uid="another")}])
async def test_a_resource_that_is_gone_is_reported_so_and_what_has_its_name_now_is_not_written(reporting, now_there):
    uid = reporting.start()
    reporting.cluster.resources = now_there
    await asyncio.sleep(0.1)
    assert reporting.fleet.told[-1] == ("discard", uid)
    assert reporting.cluster.statuses == []


async def test_a_status_that_the_schema_refuses_is_our_bug_and_no_reason_to_insist(reporting, caplog):
    reporting.cluster.trouble["patch_generator_status"] = [Unprocessable("status.queue: too long")]
    reporting.start()
    await asyncio.sleep(20)
    assert reporting.fleet.names() == {"demo"}
    assert reporting.cluster.calls.count("patch_generator_status") == 1
    assert "status.queue: too long" in caplog.text


@pytest.mark.parametrize("error", [Conflict("conflict"), Unreachable("away")])
async def test_what_did_not_work_is_tried_again(reporting, error):
    reporting.cluster.trouble["patch_generator_status"] = [error, error]
    reporting.start()
    await asyncio.sleep(3)
    assert reporting.written() == 1


async def test_an_api_server_that_is_away_is_asked_less_and_less_and_then_told_everything(reporting):
    reporting.cluster.broken["*"] = Unreachable("connection refused")
    for number in range(50):
        reporting.start(f"r{number}")
    await asyncio.sleep(60)
    asked = len(reporting.cluster.calls)
    assert asked < 500
    reporting.cluster.broken.clear()
    await asyncio.sleep(15)
    assert len(reporting.cluster.statuses) == 50


async def test_retry_after_is_honoured_by_all(reporting):
    reporting.cluster.trouble["patch_generator_status"] = [Throttled("too many requests", 20.0)]
    reporting.start()
    await asyncio.sleep(0.1)
    reporting.start("other")
    await asyncio.sleep(19)
    assert reporting.cluster.calls.count("patch_generator_status") == 1
    await asyncio.sleep(2)
    assert reporting.written() == reporting.written("other") == 1


async def test_a_missing_right_is_named_and_asked_for_rarely(reporting, caplog):
    reporting.cluster.broken["patch_generator_status"] = Forbidden("may not patch auditeventgenerators/status")
    reporting.start()
    await asyncio.sleep(100)
    assert reporting.cluster.calls.count("patch_generator_status") <= 5
    assert "may not patch auditeventgenerators/status" in caplog.text


async def test_a_right_that_is_missing_in_one_namespace_holds_up_no_other(reporting):
    reporting.cluster.trouble["patch_generator_status"] = [Forbidden("may not patch auditeventgenerators/status")]
    reporting.cluster.add(make_resource("closed", "theirs"))
    reporting.fleet.apply(Ref("theirs", "closed"), "uid-closed", 1, parse_spec({}), Progress())
    await asyncio.sleep(0.1)
    reporting.start()
    await asyncio.sleep(0.1)
    assert reporting.status()["observedGeneration"] == 1
    reporting.fleet.become("uid-closed", generation=2)
    await asyncio.sleep(1)
    assert reporting.written("closed") == 0
    await asyncio.sleep(2)
    assert reporting.cluster.resources["theirs", "closed"]["status"]["observedGeneration"] == 2
    assert reporting.written("closed") == 1


async def test_a_refusal_by_an_api_server_that_has_just_started_is_forgotten_within_seconds(reporting):
    reporting.cluster.trouble["patch_generator_status"] = [Forbidden("not yet"), Forbidden("not yet")]
    reporting.start()
    await asyncio.sleep(11)
    assert reporting.written() == 1
    reporting.cluster.trouble["patch_generator_status"] = [Forbidden("not yet")]
    reporting.fleet.become("uid-demo", generation=2)
    await asyncio.sleep(3)
    assert reporting.status()["observedGeneration"] == 2, "after a success the pause is short again"


async def test_counters_that_come_due_while_a_namespace_rests_are_not_forgotten(reporting):
    reporting.start("one")
    await asyncio.sleep(1)
    uid = reporting.start("two")
    await asyncio.sleep(28.5)
    reporting.cluster.trouble["patch_generator_status"] = [Forbidden("not yet")]
    reporting.fleet.become("uid-one", events_published=7)
    reporting.fleet.become(uid, events_published=7)
    await asyncio.sleep(70)
    assert reporting.status("one")["eventsPublished"] == 7
    assert reporting.status("two")["eventsPublished"] == 7


async def test_somebody_elses_words_are_put_right(reporting):
    uid = reporting.start()
    await asyncio.sleep(10)
    reporting.cluster.resources["default", "demo"]["status"] = {}
    reporting.reporter.seen(uid, {})
    await asyncio.sleep(1)
    assert reporting.reason() == "Publishing"


async def test_an_old_word_right_after_our_own_write_changes_nothing(reporting):
    uid = reporting.start()
    await asyncio.sleep(0.1)
    reporting.reporter.seen(uid, {})
    await asyncio.sleep(3)
    assert reporting.written() == 1


async def test_a_restart_of_the_operator_does_not_make_a_ready_resource_unready(reporting):
    await begin_after_a_restart(reporting)
    await asyncio.sleep(5)
    reporting.fleet.become("uid-demo", ready=Ready(Reason.PUBLISHING, "Events are confirmed."))
    await asyncio.sleep(20)
    assert reporting.cluster.statuses == []
    await asyncio.sleep(15)
    assert reporting.written() <= 1


async def test_a_resource_that_does_not_come_back_is_reported_as_starting_after_a_while(reporting):
    await begin_after_a_restart(reporting)
    await asyncio.sleep(11)
    assert reporting.reason() == "Starting"


async def test_a_new_resource_that_is_ready_within_a_minute_is_written_once(reporting):
    reporting.start()
    reporting.fleet.become("uid-demo", ready=STARTING)
    await asyncio.sleep(40)
    assert reporting.cluster.statuses == []
    reporting.fleet.become("uid-demo", ready=Ready(Reason.PUBLISHING, "Events are confirmed."))
    await asyncio.sleep(1)
    assert (reporting.reason(), reporting.written()) == ("Publishing", 1)


async def test_a_new_resource_that_is_not_ready_after_a_minute_is_reported_as_starting(reporting):
    reporting.start()
    reporting.fleet.become("uid-demo", ready=STARTING)
    await asyncio.sleep(59)
    assert reporting.cluster.statuses == []
    await asyncio.sleep(2)
    assert reporting.reason() == "Starting"


async def test_the_last_words_come_with_bounded_runs_first_and_keep_the_conditions():
    async with Reporting().running() as reporting:
        uids = {reporting.start("endless"): False, reporting.start("bounded"): True}
        await asyncio.sleep(1)
    for uid, bounded in uids.items():
        reporting.fleet.become(uid, events_published=99, ready=STARTING, bounded=bounded)
    reporting.cluster.statuses.clear()
    assert await reporting.flush(parallel=1) == 2
    assert [name for _, name, _ in reporting.cluster.statuses] == ["bounded", "endless"]
    assert reporting.status("bounded")["eventsPublished"] == 99
    assert reporting.reason("bounded") == "Publishing"


async def test_all_last_words_are_counted_also_those_that_are_written_at_once():
    async with Reporting().running() as reporting:
        uids = [reporting.start(f"stream-{number}") for number in range(6)]
        await asyncio.sleep(1)
    for uid in uids:
        reporting.fleet.become(uid, events_published=99)
    reporting.cluster.latency_seconds = 0.1
    assert await reporting.flush(parallel=3) == 6


async def test_a_run_that_completed_while_draining_says_so():
    reporting = await stopped()
    message = "Published 9 events; spec.maxEvents is 9."
    complete = Completion(CompletionReason.MAX_EVENTS_REACHED, message)
    ready = Ready(Reason.COMPLETED, message)
    reporting.fleet.become("uid-demo", events_published=9, bounded=True, ready=ready, complete=complete)
    await reporting.flush()
    assert "Complete" in {condition["type"] for condition in reporting.status()["conditions"]}


async def test_the_last_words_take_no_longer_than_they_may():
    reporting = await stopped()
    reporting.cluster.latency_seconds = 100
    reporting.fleet.become("uid-demo", events_published=99)
    before = asyncio.get_running_loop().time()
    assert await reporting.flush() == 0
    assert asyncio.get_running_loop().time() - before < 3.5


async def test_nothing_is_written_by_who_is_not_the_leader_any_more():
    reporting = await stopped()
    reporting.fleet.become("uid-demo", ready=UNREACHABLE)
    await asyncio.sleep(60)
    assert reporting.written() == 1
