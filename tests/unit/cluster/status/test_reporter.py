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


class Bench:
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
async def bench():
    async with Bench().running() as bench:
        yield bench


async def stopped():
    """A bench whose reporter has ended after it wrote of a resource."""
    async with Bench().running() as bench:
        bench.start()
        await asyncio.sleep(1)
    return bench


async def begin_after_a_restart(bench):
    """With a resource that another process left Ready and that is starting now."""
    uid = bench.start(status=(await stopped()).status())
    bench.fleet.become(uid, ready=STARTING)


async def test_a_change_is_written_at_once_with_everything_a_status_shows(bench):
    bench.start()
    await asyncio.sleep(0.1)
    assert bench.reason() == "Publishing"
    shown = {"observedGeneration": 1, "owner": "me", "targetRate": "0.2/s", "eventsPublished": 0}
    assert bench.status() | shown == bench.status()
    assert bench.announced == [("uid-demo", "Publishing")]
    assert bench.written() == 1


async def test_counters_alone_wait_for_their_turn_and_are_written_only_when_they_changed(bench):
    uid = bench.start()
    await asyncio.sleep(1)
    bench.fleet.become(uid, events_published=10)
    await asyncio.sleep(20)
    assert bench.written() == 1
    await asyncio.sleep(15)
    assert bench.written() == 2
    assert bench.status()["eventsPublished"] == 10
    await asyncio.sleep(300)
    assert bench.written() == 2
    bench.fleet.become(uid, events_published=11)
    await asyncio.sleep(31)
    assert bench.written() == 3


async def test_changes_while_a_write_is_on_its_way_are_one_more_write(bench):
    bench.cluster.latency_seconds = 1.0
    uid = bench.start()
    for generation in range(2, 20):
        await asyncio.sleep(0.01)
        bench.fleet.become(uid, generation=generation)
    await asyncio.sleep(5)
    assert bench.written() == 2
    assert bench.status()["observedGeneration"] == 19


async def test_a_write_that_takes_longer_than_the_pause_of_the_counters_is_waited_for():
    bench = Bench(counter_seconds=2)
    bench.cluster.latency_seconds = 10.0
    async with bench.running():
        uid = bench.start()
        for published in range(60):
            await asyncio.sleep(1)
            bench.fleet.become(uid, events_published=published)
        await asyncio.sleep(30)
    times = [at for at, _, _ in bench.cluster.statuses]
    assert len(times) >= 4
    assert all(later - earlier >= 9.99 for earlier, later in itertools.pairwise(times)), times
    assert bench.status()["eventsPublished"] == 59


async def test_many_changes_keep_to_the_rate():
    bench = Bench(transitions_per_second=100)
    async with bench.running():
        for number in range(300):
            bench.start(f"r{number}")
        await asyncio.sleep(1.0)
        assert 100 <= len(bench.cluster.statuses) <= 145
        await asyncio.sleep(2.0)
        assert len(bench.cluster.statuses) == 300


async def test_many_counters_keep_to_their_own_rate():
    bench = Bench(counters_per_second=10)
    async with bench.running():
        uids = [bench.start(f"r{number}") for number in range(100)]
        await asyncio.sleep(5)
        for uid in uids:
            bench.fleet.become(uid, events_published=5)
        before = len(bench.cluster.statuses)
        await asyncio.sleep(30)
        assert len(bench.cluster.statuses) - before <= 70
        await asyncio.sleep(30)
        assert all(bench.status(f"r{number}")["eventsPublished"] == 5 for number in range(100))


async def test_nobody_waits_behind_one_slow_answer(bench):
    bench.cluster.latency_seconds = 5.0
    for number in range(40):
        bench.start(f"r{number}")
    await asyncio.sleep(5.5)
    assert len(bench.cluster.statuses) == 40


@pytest.mark.parametrize("now_there", [{}, {("default", "demo"): make_resource(uid="another")}])
async def test_a_resource_that_is_gone_is_reported_so_and_what_has_its_name_now_is_not_written(bench, now_there):
    uid = bench.start()
    bench.cluster.resources = now_there
    await asyncio.sleep(0.1)
    assert bench.fleet.told[-1] == ("discard", uid)
    assert bench.cluster.statuses == []


async def test_a_status_that_the_schema_refuses_is_our_bug_and_no_reason_to_insist(bench, caplog):
    bench.cluster.trouble["patch_generator_status"] = [Unprocessable("status.queue: too long")]
    bench.start()
    await asyncio.sleep(20)
    assert bench.fleet.names() == {"demo"}
    assert bench.cluster.calls.count("patch_generator_status") == 1
    assert "status.queue: too long" in caplog.text


@pytest.mark.parametrize("error", [Conflict("conflict"), Unreachable("away")])
async def test_what_did_not_work_is_tried_again(bench, error):
    bench.cluster.trouble["patch_generator_status"] = [error, error]
    bench.start()
    await asyncio.sleep(3)
    assert bench.written() == 1


async def test_an_api_server_that_is_away_is_asked_less_and_less_and_then_told_everything(bench):
    bench.cluster.broken["*"] = Unreachable("connection refused")
    for number in range(50):
        bench.start(f"r{number}")
    await asyncio.sleep(60)
    asked = len(bench.cluster.calls)
    assert asked < 500
    bench.cluster.broken.clear()
    await asyncio.sleep(15)
    assert len(bench.cluster.statuses) == 50


async def test_retry_after_is_honoured_by_all(bench):
    bench.cluster.trouble["patch_generator_status"] = [Throttled("too many requests", 20.0)]
    bench.start()
    await asyncio.sleep(0.1)
    bench.start("other")
    await asyncio.sleep(19)
    assert bench.cluster.calls.count("patch_generator_status") == 1
    await asyncio.sleep(2)
    assert bench.written() == bench.written("other") == 1


async def test_a_missing_right_is_named_and_asked_for_rarely(bench, caplog):
    bench.cluster.broken["patch_generator_status"] = Forbidden("may not patch auditeventgenerators/status")
    bench.start()
    await asyncio.sleep(100)
    assert bench.cluster.calls.count("patch_generator_status") <= 5
    assert "may not patch auditeventgenerators/status" in caplog.text


async def test_a_right_that_is_missing_in_one_namespace_holds_up_no_other(bench):
    bench.cluster.trouble["patch_generator_status"] = [Forbidden("may not patch auditeventgenerators/status")]
    bench.cluster.add(make_resource("closed", "theirs"))
    bench.fleet.apply(Ref("theirs", "closed"), "uid-closed", 1, parse_spec({}), Progress())
    await asyncio.sleep(0.1)
    bench.start()
    await asyncio.sleep(0.1)
    assert bench.status()["observedGeneration"] == 1
    bench.fleet.become("uid-closed", generation=2)
    await asyncio.sleep(1)
    assert bench.written("closed") == 0
    await asyncio.sleep(2)
    assert bench.cluster.resources["theirs", "closed"]["status"]["observedGeneration"] == 2
    assert bench.written("closed") == 1


async def test_a_refusal_by_an_api_server_that_has_just_started_is_forgotten_within_seconds(bench):
    bench.cluster.trouble["patch_generator_status"] = [Forbidden("not yet"), Forbidden("not yet")]
    bench.start()
    await asyncio.sleep(11)
    assert bench.written() == 1
    bench.cluster.trouble["patch_generator_status"] = [Forbidden("not yet")]
    bench.fleet.become("uid-demo", generation=2)
    await asyncio.sleep(3)
    assert bench.status()["observedGeneration"] == 2, "after a success the pause is short again"


async def test_counters_that_come_due_while_a_namespace_rests_are_not_forgotten(bench):
    bench.start("one")
    await asyncio.sleep(1)
    uid = bench.start("two")
    await asyncio.sleep(28.5)
    bench.cluster.trouble["patch_generator_status"] = [Forbidden("not yet")]
    bench.fleet.become("uid-one", events_published=7)
    bench.fleet.become(uid, events_published=7)
    await asyncio.sleep(70)
    assert bench.status("one")["eventsPublished"] == 7
    assert bench.status("two")["eventsPublished"] == 7


async def test_somebody_elses_words_are_put_right(bench):
    uid = bench.start()
    await asyncio.sleep(10)
    bench.cluster.resources["default", "demo"]["status"] = {}
    bench.reporter.seen(uid, {})
    await asyncio.sleep(1)
    assert bench.reason() == "Publishing"


async def test_an_old_word_right_after_our_own_write_changes_nothing(bench):
    uid = bench.start()
    await asyncio.sleep(0.1)
    bench.reporter.seen(uid, {})
    await asyncio.sleep(3)
    assert bench.written() == 1


async def test_a_restart_of_the_operator_does_not_make_a_ready_resource_unready(bench):
    await begin_after_a_restart(bench)
    await asyncio.sleep(5)
    bench.fleet.become("uid-demo", ready=Ready(Reason.PUBLISHING, "Events are confirmed."))
    await asyncio.sleep(20)
    assert bench.cluster.statuses == []
    await asyncio.sleep(15)
    assert bench.written() <= 1


async def test_a_resource_that_does_not_come_back_is_reported_as_starting_after_a_while(bench):
    await begin_after_a_restart(bench)
    await asyncio.sleep(11)
    assert bench.reason() == "Starting"


async def test_the_last_words_come_with_bounded_runs_first_and_keep_the_conditions():
    async with Bench().running() as bench:
        uids = {bench.start("endless"): False, bench.start("bounded"): True}
        await asyncio.sleep(1)
    for uid, bounded in uids.items():
        bench.fleet.become(uid, events_published=99, ready=STARTING, bounded=bounded)
    bench.cluster.statuses.clear()
    assert await bench.flush(parallel=1) == 2
    assert [name for _, name, _ in bench.cluster.statuses] == ["bounded", "endless"]
    assert bench.status("bounded")["eventsPublished"] == 99
    assert bench.reason("bounded") == "Publishing"


async def test_a_run_that_completed_while_draining_says_so():
    bench = await stopped()
    message = "Published 9 events; spec.maxEvents is 9."
    complete = Completion(CompletionReason.MAX_EVENTS_REACHED, message)
    ready = Ready(Reason.COMPLETED, message)
    bench.fleet.become("uid-demo", events_published=9, bounded=True, ready=ready, complete=complete)
    await bench.flush()
    assert "Complete" in {condition["type"] for condition in bench.status()["conditions"]}


async def test_the_last_words_take_no_longer_than_they_may():
    bench = await stopped()
    bench.cluster.latency_seconds = 100
    bench.fleet.become("uid-demo", events_published=99)
    before = asyncio.get_running_loop().time()
    assert await bench.flush() == 0
    assert asyncio.get_running_loop().time() - before < 3.5


async def test_nothing_is_written_by_who_is_not_the_leader_any_more():
    bench = await stopped()
    bench.fleet.become("uid-demo", ready=UNREACHABLE)
    await asyncio.sleep(60)
    assert bench.written() == 1
