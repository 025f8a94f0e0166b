"""Several members share the buckets, on virtual time."""

import asyncio
import logging

import pytest

from audit_event_operator.cluster.api.errors import Forbidden
from audit_event_operator.cluster.leadership.buckets import BUCKETS
from audit_event_operator.cluster.leadership.gate import MemberGate
from audit_event_operator.cluster.leadership.membership import Hands, Membership
from support.simulation.api_server import Weather
from support.simulation.fleet import SimulatedFleet

ALL = set(range(BUCKETS))


@pytest.fixture
def start():
    """Start a fleet of some members that has settled, with a seed and options."""
    fleets = []

    def start(members, *, seed=1, drain_seconds=None, **options):
        drain = {} if drain_seconds is None else {"drain_seconds": drain_seconds}
        fleet = SimulatedFleet(seed, **options)
        fleets.append(fleet)
        processes = [fleet.start(name, **drain) for name in "abcdefghijklmnopqrst"[:members]]
        assert fleet.settle(60) is not None
        fleet.run(6)
        return fleet, *processes

    yield start
    for fleet in fleets:
        fleet.close()
        assert fleet.overlaps == []


def begun(process):
    return {bucket for bucket, begins in process.may_work().items() if begins}


def holders(fleet):
    return {each["spec"]["holderIdentity"] for name, each in fleet.server.leases.items() if "-member-" not in name}


def test_a_lone_member_serves_everything_at_once(start):
    fleet, a = start(1)
    assert fleet.worst_gap(0) <= 1
    assert begun(a) == ALL
    assert a.membership.trouble is None


@pytest.mark.parametrize("seed", range(5))
def test_who_joins_gets_its_share_one_bucket_after_the_other(start, seed):
    fleet, _ = start(1, seed=seed)
    begin = fleet.world.now
    fleet.start("b")
    fleet.settle(30)
    assert fleet.shares() == [8, 8]
    assert fleet.worst_gap(begin) <= 5


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_member_is_followed_within_twenty_seconds(start, seed):
    fleet, a, b, _ = start(3, seed=seed)
    begin = fleet.world.now
    a.kill()
    assert fleet.settle(20) is not None
    assert 5 < fleet.worst_gap(begin) <= 20
    fleet.run(60)
    assert not any("member-a" in name for name in fleet.server.leases), "its Lease is buried"
    assert begun(b)


@pytest.mark.parametrize("seed", range(5))
def test_buckets_that_are_given_back_are_taken_at_the_next_look(start, seed):
    fleet, a, b = start(2, seed=seed)
    begin = fleet.world.now
    a.terminate()
    assert fleet.settle(10) is not None
    assert fleet.worst_gap(begin) <= 5
    assert begun(b) == ALL
    assert "operator-member-a" not in fleet.server.leases


def test_the_last_one_that_leaves_frees_all_and_leaves_no_lease_of_its_own(start):
    fleet, a = start(1)
    a.terminate()
    fleet.run(5)
    assert not a.alive
    assert holders(fleet) == {""}
    assert len(fleet.server.leases) == BUCKETS


@pytest.mark.parametrize("seed", range(40))
def test_a_request_that_leaving_cuts_off_and_that_is_carried_out_all_the_same_keeps_nothing_back(start, seed):
    fleet, a = start(1, seed=seed, drain_seconds=(0, 0.1))
    fleet.run(seed * 0.05)
    a.terminate()
    fleet.run(5)
    assert not a.alive
    assert holders(fleet) == {""}
    assert len(fleet.server.leases) == BUCKETS


def test_who_leaves_while_its_own_lease_is_deleted_gives_everything_back(start):
    fleet, a = start(1)
    del fleet.server.leases["operator-member-a"]
    a.terminate()
    fleet.run(5)
    assert holders(fleet) == {""}
    assert len(fleet.server.leases) == BUCKETS


def test_a_lone_member_goes_on_through_an_outage_of_sixty_seconds_and_keeps_everything(start):
    fleet, a = start(1)
    begin, written = fleet.world.now, len(fleet.server.handed_over)
    fleet.server.be_away("*", begin + 60, silent=False)
    fleet.run(59)
    assert "connection refused" in a.membership.trouble
    fleet.run(20)
    assert fleet.worst_gap(begin) == 0
    assert a.membership.trouble is None
    assert len(fleet.server.handed_over) == written, "no Lease had to change hands"


@pytest.mark.parametrize("silent", [True, False])
def test_with_company_a_member_stops_by_itself_before_its_buckets_can_be_taken(start, silent):
    fleet, a, b = start(2)
    begin = fleet.world.now
    fleet.server.be_away("a", begin + 60, silent=silent)
    fleet.run(6.1)
    assert a.may_work() == {}
    assert len(begun(b)) == 8
    fleet.run(9)
    assert begun(b) == ALL
    fleet.run(60)
    assert fleet.shares() == [8, 8]


def test_several_members_stop_during_an_outage_for_all_and_keep_what_they_had(start):
    fleet, a, b = start(2)
    before = begun(a), begun(b)
    fleet.server.be_away("*", fleet.world.now + 60, silent=False)
    fleet.run(30)
    assert (a.may_work(), b.may_work()) == ({}, {})
    fleet.run(40)
    assert (begun(a), begun(b)) == before


def test_a_strict_member_stops_even_alone_and_comes_back(start):
    fleet, a = start(1, strict=True)
    fleet.server.be_away("*", fleet.world.now + 20, silent=False)
    fleet.run(10)
    assert a.may_work() == {}
    fleet.run(15)
    assert begun(a) == ALL


@pytest.mark.parametrize("seconds", [3, 8, 12, 60])
def test_a_stopped_process_reads_before_it_works(start, seconds):
    fleet, a, b = start(2)
    a.pause(seconds)
    fleet.run(seconds + 0.05)
    assert not (begun(a) & begun(b))
    assert (a.may_work() == {}) == (seconds > 6)
    fleet.run(40)
    assert fleet.shares() == [8, 8]


def test_deleted_leases_are_made_again_by_their_holders(start):
    fleet, a, b = start(2)
    before = begun(a), begun(b)
    fleet.server.leases.clear()
    fleet.run(10)
    assert len(fleet.server.leases) == BUCKETS + 2
    assert (begun(a), begun(b)) == before


def test_a_bucket_that_somebody_else_was_written_into_is_let_go(start):
    fleet, a = start(1)
    lease = fleet.server.leases["operator-03-of-16"]
    fleet.server._put("operator-03-of-16", {**lease, "spec": {**lease["spec"], "holderIdentity": "somebody"}}, "a")
    fleet.run(2.5)
    assert begun(a) == ALL - {3}


def write_into(fleet, bucket, holder):
    name = f"operator-{bucket:02}-of-16"
    lease = fleet.server.leases[name]
    fleet.server._put(name, {**lease, "spec": {**lease["spec"], "holderIdentity": holder}}, "a")


def draining(fleet, process):
    """Let time pass until a bucket is being given; returns it."""
    while process.membership._draining is None:
        fleet.run(0.1)
    return process.membership._draining


def test_a_bucket_that_is_lost_while_another_one_drains_is_let_go_and_the_giving_goes_on(start):
    fleet, a = start(1, drain_seconds=(2, 3))
    fleet.start("b")
    now = draining(fleet, a)
    *_, waiting = (each for each in a.membership._giving if each != now)
    write_into(fleet, waiting, "somebody")
    fleet.run(2.5)
    assert waiting not in a.may_work()
    assert waiting not in a.membership.held
    assert fleet.settle(60) is not None, "the rest is given, and what nobody who lives holds is taken"
    fleet.run(10)
    assert fleet.shares() == [8, 8]


def test_a_bucket_that_is_lost_while_it_drains_is_neither_given_nor_stopped_once_it_was_taken_again(start):
    fleet, a = start(1, drain_seconds=(4, 4))
    b = fleet.start("b")
    now = draining(fleet, a)
    write_into(fleet, now, "somebody")
    fleet.run(2.5)
    assert now not in a.membership.held
    b.kill()
    fleet.run(5)
    assert fleet.server.leases[f"operator-{now:02}-of-16"]["spec"]["holderIdentity"] == "somebody"
    assert fleet.settle(60) is not None
    assert begun(a) == ALL, "also the one that was lost: its holder does not live, and a serves it once more"


def test_a_release_that_is_refused_is_tried_again(start):
    fleet, a = start(1)
    b = fleet.start("b")
    draining(fleet, a)
    fleet.server.weather.refused_chance = 0.7
    fleet.run(20)
    fleet.server.recover()
    assert fleet.settle(30) is not None
    assert {len(begun(a)), len(begun(b))} == {8}


@pytest.mark.parametrize("seed", range(5))
def test_members_that_start_together_never_both_hold_a_bucket(seed):
    with SimulatedFleet(seed, Weather(latency=(0.1, 0.9))) as fleet:
        for _ in range(5):
            fleet.start()
        assert fleet.settle(60) is not None
        assert sorted(fleet.shares()) == [3, 3, 3, 3, 4]
        assert fleet.overlaps == []


@pytest.mark.parametrize(
    "weather",
    [Weather(lost_chance=0.2), Weather(refused_chance=0.2), Weather(late_chance=0.1, carried_out_late_chance=0.1)],
    ids=["lost answers", "refusals", "late ones"],
)
def test_members_share_in_bad_weather(weather):
    with SimulatedFleet(3, weather) as fleet:
        for _ in range(3):
            fleet.start()
        fleet.run(60)
        fleet.server.recover()
        assert fleet.settle(30) is not None
        assert fleet.overlaps == []


def test_a_member_whose_answers_are_late_costs_the_others_nothing_but_moves(start):
    fleet, _, b, c = start(3)
    fleet.server.slow.add("a")
    for _ in range(60):
        fleet.run(1)
        assert len(begun(b)) >= 5
        assert len(begun(c)) >= 5
    fleet.server.slow.clear()
    assert fleet.settle(30) is not None


def test_members_beyond_sixteen_wait_until_one_is_gone(start):
    fleet, *_ = start(18)
    assert sorted(fleet.shares()) == [0, 0] + [1] * BUCKETS
    victim = next(each for each in fleet.processes if begun(each))
    victim.terminate()
    assert fleet.settle(10) is not None
    assert sorted(fleet.shares()) == [0] + [1] * BUCKETS


@pytest.mark.parametrize("members", [1, 4])
def test_in_quiet_time_each_member_writes_and_looks_every_two_seconds(start, members):
    fleet, *_ = start(members)
    begin = fleet.world.now
    fleet.run(40)
    rates = fleet.server.per_second(begin, fleet.world.now)
    assert rates.keys() == {"update_lease", "list_leases"}
    assert rates["update_lease"] == pytest.approx(members / 2, rel=0.1)
    assert rates["list_leases"] == pytest.approx(members / 2, rel=0.1)


@pytest.mark.looptime
async def test_a_missing_right_is_named_once(cluster, caplog):
    caplog.set_level(logging.WARNING)
    cluster.broken["create_lease"] = Forbidden("The operator's account may not create leases")
    loop = asyncio.get_running_loop()

    async def give(_bucket):
        raise AssertionError

    member = Membership(
        cluster=cluster, gate=MemberGate(clock=loop.time), namespace="ops", name="operator", identity="a",
        hands=Hands(taken=lambda *_: None, lost=lambda _: None, give=give),
    )  # fmt: skip
    task = asyncio.create_task(member.run())
    await asyncio.sleep(20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert member.trouble == "The operator's account may not create leases"
    assert caplog.text.count("may not create leases") == 1
    assert cluster.calls.count("create_lease") >= 5
    assert not member.gate.joined
