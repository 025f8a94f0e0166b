"""One works, the others stand by."""

import asyncio

import pytest

from audit_event_operator.cluster.api.errors import Forbidden, Unreachable
from audit_event_operator.cluster.leadership.gate import LeaseGate
from audit_event_operator.cluster.leadership.leader_elector import LeaderElector

pytestmark = pytest.mark.looptime

PLACE = ("ops", "audit-event-operator")


class Contender:
    """A process that wants the Lease; it can be stopped like by SIGSTOP, and killed."""

    def __init__(self, cluster, identity, *, strict=False):
        loop = asyncio.get_running_loop()
        self.log = []
        self.gate = LeaseGate(clock=loop.time)
        self.elector = LeaderElector(
            cluster=cluster, gate=self.gate, namespace=PLACE[0], name=PLACE[1], identity=identity, strict=strict,
            started=lambda: self.log.append(("started", loop.time())),
            stopped=lambda: self.log.append(("stopped", loop.time())),
        )  # fmt: skip
        self.gate.on_doubt = self.elector.hurry
        self.task = asyncio.create_task(self.elector.run())

    async def die(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def contend(cluster):
    contenders = []

    def start(identity, **options):
        contenders.append(Contender(cluster, identity, **options))
        return contenders[-1]

    yield start
    for contender in contenders:
        await contender.die()


def holder(cluster):
    return cluster.leases[PLACE]["spec"]["holderIdentity"]


async def test_the_first_one_gets_it_and_keeps_it(cluster, contend):
    a, b = contend("a"), contend("b")
    await asyncio.sleep(120)
    assert (holder(cluster), a.gate.is_open(), b.gate.is_open()) == ("a", True, False)
    assert [what for what, _ in a.log] == ["started"]
    assert b.log == []
    assert a.elector.trouble is b.elector.trouble is None


async def test_a_killed_holder_is_followed_within_twenty_seconds(cluster, contend):
    a, b = contend("a"), contend("b")
    await asyncio.sleep(31)
    await a.die()
    killed_at = asyncio.get_running_loop().time()
    await asyncio.sleep(30)
    ((what, at),) = b.log
    assert what == "started"
    assert 13 <= at - killed_at <= 17.5
    assert cluster.leases[PLACE]["spec"]["leaseTransitions"] == 2


async def test_a_lease_that_is_given_back_is_taken_at_the_next_look(cluster, contend):
    a, b = contend("a"), contend("b")
    await asyncio.sleep(10)
    await a.die()
    await a.elector.release()
    assert holder(cluster) == ""
    assert not a.gate.is_open()
    await asyncio.sleep(2.5)
    assert b.gate.is_open()


async def test_a_standby_gives_nothing_back(cluster, contend):
    contend("a")
    b = contend("b")
    await asyncio.sleep(10)
    await b.die()
    await b.elector.release()
    assert holder(cluster) == "a"


async def test_a_holder_that_sees_it_in_other_hands_stops_at_once(cluster, contend):
    a = contend("a")
    await asyncio.sleep(10)
    cluster.leases[PLACE]["spec"]["holderIdentity"] = "somebody"
    cluster.leases[PLACE]["metadata"]["resourceVersion"] = "999"
    await asyncio.sleep(2.5)
    assert [what for what, _ in a.log] == ["started", "stopped"]
    assert not a.gate.is_open()


async def test_a_holder_goes_on_while_the_api_server_is_away_and_keeps_the_lease_when_it_is_back(cluster, contend):
    a, b = contend("a"), contend("b")
    await asyncio.sleep(10)
    cluster.broken["*"] = Unreachable("connection refused")
    await asyncio.sleep(60)
    assert a.gate.is_open()
    assert "connection refused" in a.elector.trouble
    cluster.broken.clear()
    await asyncio.sleep(60)
    assert (holder(cluster), a.elector.trouble) == ("a", None)
    assert b.log == []


async def test_a_strict_holder_stops_before_its_lease_runs_out_and_comes_back(cluster, contend):
    a = contend("a", strict=True)
    await asyncio.sleep(10)
    away_at = asyncio.get_running_loop().time()
    cluster.broken["*"] = Unreachable("connection refused")
    await asyncio.sleep(20)
    assert not a.gate.is_open()
    assert a.log[1][0] == "stopped"
    assert a.log[1][1] - away_at <= 15
    cluster.broken.clear()
    await asyncio.sleep(3)
    assert a.gate.is_open()
    assert [what for what, _ in a.log] == ["started", "stopped", "started"]


async def test_a_deleted_lease_is_made_again(cluster, contend):
    a = contend("a")
    await asyncio.sleep(10)
    cluster.leases.clear()
    await asyncio.sleep(3)
    assert (holder(cluster), a.gate.is_open()) == ("a", True)


async def test_a_missing_right_is_named(cluster, contend, caplog):
    cluster.broken["create_lease"] = Forbidden("The operator's account may not create leases")
    a = contend("a")
    await asyncio.sleep(20)
    assert a.elector.trouble == "The operator's account may not create leases"
    assert caplog.text.count("may not create leases") == 1
    assert cluster.calls.count("create_lease") >= 5


async def test_two_that_start_together_do_not_both_work(cluster, contend):
    cluster.latency_seconds = 0.5
    contenders = [contend(name) for name in ("a", "b", "c")]
    for _ in range(100):
        await asyncio.sleep(0.3)
        assert sum(each.gate.is_open() for each in contenders) <= 1
    assert sum(each.gate.is_open() for each in contenders) == 1
