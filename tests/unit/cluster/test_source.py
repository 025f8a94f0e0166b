"""Lease, informer and reporter together, on an API server in a dictionary and a watch that tests speak through."""

import asyncio

import pytest

from audit_event_operator.cluster.api.errors import Unreachable
from audit_event_operator.cluster.leadership.gate import LeaseAssignment, LeaseGate
from audit_event_operator.cluster.source import ClusterSource
from audit_event_operator.cluster.status.reporter import Reporter
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
        self.gate = LeaseGate(clock=asyncio.get_running_loop().time)
        self.source = ClusterSource(
            self.fleet, cluster, None, LeaseAssignment(self.gate), identity=identity, lease_namespace="ops",
            make_watch=self._watch, namespaces=namespaces,
        )  # fmt: skip
        self.task = asyncio.create_task(self.source.run())

    @property
    def watch(self):
        return self.watches[-1]

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def hand_over(self):
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


async def test_a_standby_is_ready_and_does_nothing(start):
    first, second = await start("demo"), await start(identity="b")
    await asyncio.sleep(60)
    assert first.gate.is_open()
    assert not second.gate.is_open()
    assert second.fleet.told == []
    assert second.source.readiness() == []


async def test_the_work_moves_on_sigterm(start):
    first, second = await start("demo"), await start(identity="b")
    first.fleet.become("uid-demo", events_published=77)
    await first.source.flush()
    await first.hand_over()
    await asyncio.sleep(3)
    assert second.fleet.told == [("start",), ("apply", "demo", 1, True)]
    assert second.fleet.known["uid-demo"].facts.progress.events_published == 77


async def test_a_lease_in_other_hands_stops_everything_and_work_begins_anew_when_it_is_ours_again(cluster, start):
    process = await start("demo")
    lease = cluster.leases["ops", "audit-event-operator"]
    lease["spec"]["holderIdentity"] = "somebody"
    lease["metadata"]["resourceVersion"] = "999"
    await asyncio.sleep(3)
    assert not process.gate.is_open()
    assert not process.source.leader
    assert process.fleet.told[-1] == ("stand_down",)
    await asyncio.sleep(20)
    assert process.source.leader
    assert process.fleet.told[-2:] == [("start",), ("apply", "demo", 1, True)]
    process.watch.deliver("MODIFIED", cluster.add(make_resource(generation=2)))
    await asyncio.sleep(1)
    assert cluster.resources["default", "demo"]["status"]["observedGeneration"] == 2


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


async def test_a_process_that_slept_reads_the_lease_before_it_works_again(start):
    process = await start("demo")
    process.gate._awake_at -= 60
    assert not process.gate.is_open()
    await asyncio.sleep(0.5)
    assert process.gate.is_open()
    assert process.fleet.woken == 1


async def test_a_standby_has_a_warm_view_and_starts_all_of_it_without_waiting_for_a_list(cluster, start):
    names = [f"r{number}" for number in range(120)]
    first, second = await start(*names), await start(identity="b")
    cluster.blocked = {"list_generators"}
    second.watch.deliver("ADDED", cluster.add(make_resource("new", status={"eventsPublished": 7})))
    second.watch.deliver("DELETED", cluster.resources.pop(("default", "r0")))
    await first.stop()
    await asyncio.sleep(17)
    assert second.source.leader
    assert second.fleet.names() == {*names[1:], "new"}
    assert all(told == ("apply", told[1], 1, True) for told in second.fleet.told[1:]), "they existed before"
    assert second.fleet.known["uid-new"].facts.progress.events_published == 7
    assert second.source.readiness() == []


async def test_a_list_confirms_the_view_soon_after_it_was_taken_over(cluster, start):
    first, second = await start("stays", "gone"), await start(identity="b")
    del cluster.resources["default", "gone"]  # and the watch tells nobody
    await first.hand_over()
    await asyncio.sleep(3)
    assert second.fleet.told == [
        ("start",), ("apply", "stays", 1, True), ("apply", "gone", 1, True), ("discard", "uid-gone"),
    ]  # fmt: skip


async def test_a_standby_whose_watch_has_ended_lists_before_it_starts_anything(cluster, start):
    first, second = await start("stays", "gone"), await start(identity="b")
    for _ in range(5):  # so often that the next pause is a long one
        second.watch.ended.set_result("a broken line")
        await asyncio.sleep(10)
    del cluster.resources["default", "gone"]
    await first.hand_over()
    await asyncio.sleep(3)
    assert second.fleet.told == [("start",), ("apply", "stays", 1, True)]


async def test_a_standby_writes_nothing_but_its_attempts_on_the_lease(cluster, start):
    cluster.add(make_resource())
    cluster.add(make_resource("wrong", interval="abc"))
    first, second = await start(), await start(identity="b")
    await first.stop()
    cluster.calls.clear()
    cluster.leases["ops", "audit-event-operator"]["spec"]["leaseDurationSeconds"] = 3600
    second.watch.deliver("MODIFIED", make_resource(generation=2, status={"conditions": []}))
    second.watch.deliver("DELETED", make_resource("wrong"))
    await asyncio.sleep(300)
    assert set(cluster.calls) == {"get_lease", "list_generators"}
    assert second.fleet.told == []
    assert set(second.source.reconciles().values()) == {0}


async def test_a_resource_that_was_ready_is_not_called_starting_by_who_takes_over_late(cluster, start):
    first, second = await start("demo"), await start(identity="b")
    await asyncio.sleep(60)
    before = len(cluster.statuses)
    second.fleet.first_reason = Reason.STARTING
    await first.hand_over()
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
