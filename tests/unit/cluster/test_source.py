"""Membership, informer and reporter together, on an API server in a dictionary and a watch that tests speak through."""

import asyncio
import itertools

import pytest

from audit_event_operator.cluster.api.errors import Unprocessable, Unreachable
from audit_event_operator.cluster.leadership.buckets import bucket_lease_name, bucket_of
from audit_event_operator.cluster.leadership.gate import BucketAssignment, MemberGate
from audit_event_operator.cluster.source import ClusterSource
from audit_event_operator.cluster.status.reporter import Reporter
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.conditions import Ready, Reason
from support.doubles.fleet import FakeFleet
from support.doubles.kubernetes import make_resource

pytestmark = pytest.mark.looptime


class FakeWatch:
    def __init__(self, cluster, deliver, opened, namespaces):
        self.cluster, self.deliver, self.opened, self.namespaces = cluster, deliver, opened, namespaces
        self.ended = asyncio.get_running_loop().create_future()
        self.trouble = "not open yet"

    async def run(self):
        await asyncio.sleep(0.1)
        self.trouble = None
        self.opened()
        self.cluster.watches.append(self.deliver)
        try:
            return await self.ended
        finally:
            self.cluster.watches.remove(self.deliver)


class Process:
    def __init__(self, cluster, identity, namespaces=()):
        self.cluster, self.fleet, self.watches = cluster, FakeFleet(running=False), []
        self.gate = MemberGate(clock=asyncio.get_running_loop().time)
        self.source = ClusterSource(
            self.fleet, cluster, None, BucketAssignment(self.gate), identity=identity, lease_namespace="ops",
            make_watch=self._watch, namespaces=namespaces,
        )  # fmt: skip
        self.task = asyncio.create_task(self.source.run())

    @property
    def watch(self):
        return self.watches[-1]

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def shut_down(self):
        self.source.retire()
        await self.source.flush()
        await self.stop()
        await self.source.close()

    def _watch(self, deliver, opened, namespaces):
        self.watches.append(FakeWatch(self.cluster, deliver, opened, namespaces))
        return self.watches[-1]


@pytest.fixture
async def start(cluster):
    """Starts a process beside resources of these names, and gives it a second."""
    processes = []

    async def start(*names, identity="a", namespaces=()):
        for name in names:
            cluster.add(make_resource(name))
        processes.append(Process(cluster, identity, namespaces))
        await asyncio.sleep(1)
        return processes[-1]

    yield start
    for process in processes:
        await process.stop()


async def test_what_is_there_joins_and_what_comes_later_starts_now(cluster, start):
    process = await start("old")
    process.watch.deliver("ADDED", cluster.add(make_resource("new")))
    assert process.fleet.told == [("start",), ("apply", "old", 1, True), ("apply", "new", 1, False)]
    assert process.source.readiness() == []
    assert process.source.leader


async def test_it_is_not_ready_before_the_crd_is_there_and_takes_up_work_when_it_comes(cluster, start):
    cluster.served = False
    process = await start()
    await asyncio.sleep(20)
    (sentence,) = process.source.readiness()
    assert "auditeventgenerators.auditflow.jojees.net" in sentence
    cluster.served = True
    cluster.add(make_resource())
    await asyncio.sleep(6)
    assert process.fleet.names() == {"demo"}
    assert process.source.readiness() == []


async def test_a_crd_that_goes_stops_all_and_one_that_comes_back_starts_anew(cluster, start):
    process = await start("demo")
    await asyncio.sleep(5)
    cluster.served = False
    cluster.resources.clear()
    process.watch.ended.set_result("404")
    await asyncio.sleep(5)
    assert process.fleet.uids() == frozenset()
    assert process.source.readiness() != []
    cluster.served = True
    cluster.add(make_resource(uid="another"))
    await asyncio.sleep(10)
    assert process.fleet.uids() == {"another"}
    assert ("apply", "demo", 1, False) in process.fleet.told


async def test_a_crd_that_goes_unnoticed_is_found_by_the_resync(cluster, start):
    process = await start("demo")
    cluster.served = False
    await asyncio.sleep(65)
    assert process.fleet.uids() == frozenset()


async def test_one_wrong_404_stops_nobody(cluster, start):
    process = await start("demo")
    await asyncio.sleep(58)
    cluster.served = False
    await asyncio.sleep(1.5)
    cluster.served = True
    await asyncio.sleep(10)
    assert cluster.calls.count("list_generators") == 4
    assert ("stop_all",) not in process.fleet.told


async def test_the_fleet_does_not_notice_when_the_watch_dies(start):
    process = await start("demo")
    told = list(process.fleet.told)
    for _ in range(4):
        process.watch.ended.set_result("a broken line")
        await asyncio.sleep(40)
    assert process.fleet.told == told
    assert len(process.watches) == 5
    assert process.source.readiness() == []


async def test_what_was_deleted_while_the_watch_was_away_stops_as_soon_as_it_is_back(cluster, start):
    process = await start("gone", "stays")
    del cluster.resources["default", "gone"]
    process.watch.opened()
    await asyncio.sleep(0.5)
    assert process.fleet.names() == {"stays"}


async def test_a_patch_that_the_watch_missed_is_found_by_the_resync(cluster, start):
    process = await start("demo")
    cluster.add(make_resource(generation=2))
    await asyncio.sleep(61)
    assert process.fleet.told[-1] == ("apply", "demo", 2, False)


async def test_a_resource_that_the_watch_missed_is_started_by_the_second_resync(cluster, start):
    process = await start()
    cluster.add(make_resource())
    await asyncio.sleep(61)
    assert process.fleet.uids() == frozenset()
    await asyncio.sleep(61)
    assert process.fleet.uids() == {"uid-demo"}


def in_bucket(bucket, count=1):
    """Names of resources whose UIDs fall into a bucket."""
    names = (f"r{number}" for number in itertools.count())
    return list(itertools.islice((name for name in names if bucket_of(f"uid-{name}") == bucket), count))


def bucket_lease(cluster, bucket):
    return cluster.leases["ops", bucket_lease_name("audit-event-operator", bucket)]


async def test_a_second_process_gets_half_of_the_resources_and_no_one_is_served_twice(start):
    names = [name for bucket in range(16) for name in in_bucket(bucket, 3)]
    first, second = await start(*names), await start(identity="b")
    for _ in range(100):
        await asyncio.sleep(0.1)
        assert not first.fleet.uids() & second.fleet.uids()
    assert (first.source.buckets, second.source.buckets) == (8, 8)
    assert first.fleet.names() | second.fleet.names() == set(names)
    assert len(first.fleet.uids()) == len(second.fleet.uids()) == 24
    assert (first.fleet.members, second.fleet.members) == (2, 2)
    assert first.source.readiness() == second.source.readiness() == []
    assert set(second.fleet.spreads) == {1.0}, "their rhythm goes on"


async def test_a_resource_goes_on_where_its_last_status_says_although_the_watch_is_late(cluster, start):
    (name,) = in_bucket(15)
    first = await start(name)
    first.fleet.become(f"uid-{name}", events_published=77)
    second = await start(identity="b")
    cluster.watches.remove(second.watch.deliver)  # nothing of the last status is heard, so a list has to tell
    await asyncio.sleep(15)
    assert first.fleet.names() == set()
    assert second.fleet.known[f"uid-{name}"].facts.progress.events_published == 77
    cluster.watches.append(second.watch.deliver)


async def test_what_a_stream_has_done_is_written_before_it_moves(cluster, start):
    (name,) = in_bucket(15)
    first = await start(name)
    first.fleet.drain_seconds = 2
    second = await start(identity="b")
    first.fleet.become(f"uid-{name}", events_published=77)
    while first.fleet.uids():
        await asyncio.sleep(0.1)
    assert second.fleet.uids() == frozenset()
    await asyncio.sleep(5)
    assert second.fleet.known[f"uid-{name}"].facts.progress.events_published == 77
    assert cluster.resources["default", name]["status"]["owner"].endswith("/b")


async def test_everything_moves_on_sigterm(start):
    names = [name for bucket in range(16) for name in in_bucket(bucket)]
    first, second = await start(*names), await start(identity="b")
    await asyncio.sleep(10)
    for uid in first.fleet.uids():
        first.fleet.become(uid, events_published=77)
    moving = first.fleet.uids()
    await first.shut_down()
    await asyncio.sleep(3)
    assert second.fleet.names() == set(names)
    assert {second.fleet.known[uid].facts.progress.events_published for uid in moving} == {77}
    assert second.fleet.members == 1


async def test_a_bucket_in_other_hands_is_stopped_at_once_and_taken_again_once_it_is_free(cluster, start):
    (moved,), (stays,) = in_bucket(3), in_bucket(4)
    process = await start(moved, stays)
    lease = bucket_lease(cluster, 3)
    lease["spec"]["holderIdentity"] = "somebody"
    lease["metadata"]["resourceVersion"] = "999"
    await asyncio.sleep(3)
    assert process.fleet.told[-1] == ("stop", moved)
    assert process.fleet.names() == {stays}
    assert process.source.buckets == 15
    await asyncio.sleep(15)
    assert process.source.buckets == 16
    assert process.fleet.told[-1] == ("apply", moved, 1, True)
    process.watch.deliver("MODIFIED", cluster.add(make_resource(moved, generation=2)))
    await asyncio.sleep(1)
    assert cluster.resources["default", moved]["status"]["observedGeneration"] == 2


async def test_a_late_status_of_the_old_owner_is_refused(cluster, start):
    (name,) = in_bucket(15)
    first, second = await start(name), await start(identity="b")
    before = dict(cluster.resources["default", name]["status"])
    await asyncio.sleep(15)
    assert second.fleet.names() == {name}
    with pytest.raises(Unprocessable):
        await cluster.patch_generator_status("default", name, f"uid-{name}", before, owner=before["owner"])
    assert first.fleet.names() == set()


async def test_what_others_serve_is_known_with_its_owner(cluster, start):
    here, there = in_bucket(0)[0], in_bucket(15)[0]
    first, second = await start(here, there), await start(identity="b")
    await asyncio.sleep(15)
    (row,) = first.source.elsewhere.all()
    assert (row.ref.name, row.owner, row.foreign) == (there, "b", False)
    assert row.snapshot().facts.ready.reason is Reason.PUBLISHING
    assert first.source.elsewhere.find(row.ref).owner == "b"
    assert first.source.elsewhere.find(Ref("default", here)) is None
    assert second.source.elsewhere.find(Ref("default", here)).owner == "a"
    second.watch.deliver("DELETED", cluster.resources["default", here])
    assert second.source.elsewhere.find(Ref("default", here)) is None


async def test_the_api_server_may_go_and_come_back(cluster, start):
    process = await start("demo")
    told = list(process.fleet.told)
    cluster.broken["*"] = Unreachable("connection refused")
    await asyncio.sleep(120)
    assert process.fleet.told == told
    assert process.gate.is_open()
    cluster.broken.clear()
    del cluster.resources["default", "demo"]
    await asyncio.sleep(10)
    assert process.fleet.uids() == frozenset()


async def test_with_company_it_stops_while_the_api_server_is_away_and_goes_on_when_it_is_back(cluster, start):
    first, second = await start("demo"), await start(identity="b")
    await asyncio.sleep(20)
    told = [list(first.fleet.told), list(second.fleet.told)]
    cluster.broken["*"] = Unreachable("connection refused")
    await asyncio.sleep(60)
    assert not first.gate.is_open()
    assert not second.gate.is_open()
    cluster.broken.clear()
    await asyncio.sleep(5)
    assert first.gate.is_open()
    assert second.gate.is_open()
    assert [first.fleet.told, second.fleet.told] == told, "everybody kept what it had"


async def test_a_process_that_slept_reads_the_leases_before_it_works_again(start):
    process = await start("demo")
    process.gate._awake_at -= 60
    assert not process.gate.is_open()
    await asyncio.sleep(0.5)
    assert process.gate.is_open()
    assert process.fleet.woken == 1


async def test_who_takes_over_has_a_warm_view_and_starts_all_of_it_without_waiting_for_a_list(cluster, start):
    names = [f"r{number}" for number in range(120)]
    first, second = await start(*names), await start(identity="b")
    await asyncio.sleep(15)
    cluster.blocked = {"list_generators"}
    second.watch.deliver("ADDED", cluster.add(make_resource("new", status={"eventsPublished": 7})))
    second.watch.deliver("DELETED", cluster.resources.pop(("default", "r0")))
    await first.stop()
    await asyncio.sleep(15)
    assert second.source.buckets == 16
    assert second.fleet.names() == {*names[1:], "new"}
    assert second.fleet.known["uid-new"].facts.progress.events_published == 7
    assert second.source.readiness() == []


async def test_a_list_confirms_the_view_soon_after_it_was_taken_over(cluster, start):
    first, second = await start("stays", "gone"), await start(identity="b")
    await asyncio.sleep(15)
    del cluster.resources["default", "gone"]  # and the watch tells nobody
    await first.shut_down()
    await asyncio.sleep(5)
    assert second.fleet.names() == {"stays"}


async def test_one_whose_watch_has_ended_lists_before_it_starts_anything(cluster, start):
    first, second = await start("stays", "gone"), await start(identity="b")
    for _ in range(5):  # so often that the next pause is a long one
        second.watch.ended.set_result("a broken line")
        await asyncio.sleep(10)
    del cluster.resources["default", "gone"]
    await first.shut_down()
    await asyncio.sleep(3)
    assert second.fleet.names() == {"stays"}


async def test_a_process_without_buckets_writes_nothing_but_its_own_lease(cluster, start):
    cluster.add(make_resource())
    await start()
    for bucket in range(16):
        lease = bucket_lease(cluster, bucket)
        lease["spec"]["holderIdentity"] = "a"
    second = await start(identity="b")
    second.source._membership._stays = False
    await asyncio.sleep(1)
    cluster.calls.clear()
    second.watch.deliver("MODIFIED", make_resource(generation=2, status={"conditions": []}))
    await asyncio.sleep(0.1)
    assert ("apply", "demo", 2, True) not in second.fleet.told
    assert set(second.source.reconciles().values()) <= {0, 1}


async def test_a_resource_that_was_ready_is_not_called_starting_by_who_takes_over_late(cluster, start):
    first, second = await start("demo"), await start(identity="b")
    await asyncio.sleep(60)
    before = len(cluster.statuses)
    second.fleet.first_reason = Reason.STARTING
    await first.shut_down()
    await asyncio.sleep(5)
    second.fleet.become("uid-demo", ready=Ready(Reason.PUBLISHING, "Events are confirmed."))
    await asyncio.sleep(60)
    assert len(cluster.statuses) - before <= 1, "the new owner and counters"


async def test_a_bug_in_the_work_of_a_leader_ends_the_source_instead_of_leaving_one_that_does_nothing(
    cluster, monkeypatch
):
    monkeypatch.setattr(Reporter, "run", lambda _: asyncio.sleep(1, 1 / 0))
    process = Process(cluster, "a")
    with pytest.raises(ExceptionGroup, match="TaskGroup"):
        await process.task


# --- some namespaces only ---------------------------------------------------------------------------------------------

LATE = 'Namespace "late" in AEG_NAMESPACES'


async def test_a_missing_namespace_is_named_once_and_stops_nobody(cluster, start, caplog):
    cluster.missing = {"late"}
    process = await start("demo", namespaces=("default", "late"))
    await asyncio.sleep(180)
    assert process.fleet.names() == {"demo"}
    assert process.source.readiness() == []
    (sentence,) = process.source.warnings()
    assert sentence.startswith(f"{LATE} does not exist")
    assert caplog.text.count(LATE) == 1
    assert process.watch.namespaces == ["default", "late"], "it is heard of at once when it comes"
    cluster.missing = set()
    await asyncio.sleep(60)
    assert process.source.warnings() == []
    assert 'Namespace "late" is served now' in caplog.text or len(process.watches) == 1


async def test_a_refused_namespace_is_left_out_until_it_can_be_read(cluster, start, caplog):
    cluster.refused = {"late"}
    cluster.add(make_resource("there", "late"))
    process = await start("demo", namespaces=("default", "late"))
    await asyncio.sleep(180)
    assert process.fleet.names() == {"demo"}
    assert process.source.readiness() == []
    (sentence,) = process.source.warnings()
    assert sentence.startswith(f"{LATE} is not served: it does not exist, or the operator's account may not list")
    assert caplog.text.count(LATE) == 1
    assert [watch.namespaces for watch in process.watches] == [["default"]]
    cluster.refused = set()
    await asyncio.sleep(63)
    assert process.fleet.names() == {"demo", "there"}
    assert process.source.warnings() == []
    assert process.watch.namespaces == ["default", "late"]


async def test_a_refusal_right_after_the_start_is_looked_at_again_soon(cluster, start):
    cluster.refused = {"late"}
    cluster.add(make_resource("there", "late"))
    process = await start("demo", namespaces=("default", "late"))
    cluster.refused = set()
    await asyncio.sleep(13)
    assert process.fleet.names() == {"demo", "there"}


async def test_generators_of_a_namespace_that_may_not_be_read_any_more_keep_running(cluster, start):
    cluster.add(make_resource("there", "late"))
    process = await start("demo", namespaces=("default", "late"))
    told = list(process.fleet.told)
    cluster.refused = {"late"}
    del cluster.resources["default", "demo"]
    await asyncio.sleep(61)
    process.watch.ended.set_result("a broken line")
    await asyncio.sleep(5)
    assert process.fleet.names() == {"there"}, "one that is gone elsewhere is found nevertheless"
    assert process.fleet.told == [*told, ("discard", "uid-demo")]
    cluster.refused = set()
    del cluster.resources["late", "there"]
    await asyncio.sleep(70)
    assert process.fleet.names() == set()
