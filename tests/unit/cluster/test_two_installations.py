"""Two installations on one API server in a dictionary: one serves, the other one yields, and takes over when it is alone."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from audit_event_operator.cluster.api.errors import Unreachable
from audit_event_operator.cluster.leadership.gate import BucketAssignment, MemberGate
from audit_event_operator.cluster.source import ClusterSource
from audit_event_operator.resource.conditions import Ready, Reason
from support.doubles.fleet import FakeFleet
from support.doubles.kubernetes import make_resource
from unit.cluster.test_source import FakeWatch

pytestmark = pytest.mark.looptime

UID = "uid-demo"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Installation:
    """One process of an installation, whose stream counts an event each second while it runs."""

    def __init__(self, cluster, lease_namespace, identity="pod-1"):
        self.cluster, self.fleet, self.name = (
            cluster,
            FakeFleet(running=False),
            f"{lease_namespace}/audit-event-operator",
        )
        loop = asyncio.get_running_loop()
        self.source = ClusterSource(
            self.fleet, cluster, None, BucketAssignment(MemberGate(clock=loop.time)), identity=identity,
            lease_namespace=lease_namespace, make_watch=lambda *arguments: FakeWatch(cluster, *arguments),
            wall=lambda: EPOCH + timedelta(seconds=loop.time()),
        )  # fmt: skip
        self.tasks = [asyncio.create_task(self.source.run()), asyncio.create_task(self._publish())]

    @property
    def serves(self):
        return UID in self.fleet.uids()

    async def _publish(self):
        while True:
            await asyncio.sleep(1)
            if self.serves:
                self.fleet.become(UID, ready=Ready(Reason.PUBLISHING, "Events flow."))

    async def kill(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def install(cluster):
    running = []

    def install(lease_namespace, **changes):
        running.append(Installation(cluster, lease_namespace, **changes))
        return running[-1]

    yield install
    for each in running:
        await each.kill()


def status(cluster):
    return cluster.resources["default", "demo"]["status"]


def foreign_owner(cluster):
    return next((each for each in status(cluster)["conditions"] if each["type"] == "ForeignOwner"), None)


def writes_since(cluster, began):
    return [owner_of(written) for at, _, written in cluster.statuses if at >= began]


def owner_of(written):
    return written["owner"].rpartition("/")[0]


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("apart_seconds", [0, 45])
async def test_the_smaller_name_serves_whoever_came_first_and_both_say_so(
    cluster, install, first, second, apart_seconds
):
    cluster.add(make_resource())
    one = install(first)
    await asyncio.sleep(apart_seconds)
    other = install(second)
    await asyncio.sleep(15)
    winner, loser = sorted((one, other), key=lambda each: each.name)
    assert (winner.serves, loser.serves) == (True, False)
    assert owner_of(status(cluster)) == winner.name
    assert "ownerRenewTime" in status(cluster)
    assert loser.name in foreign_owner(cluster)["message"]
    assert winner.source.foreign_owners() == loser.source.foreign_owners() == 1
    assert winner.source.warnings() == []
    (warning,) = loser.source.warnings()
    assert winner.name in warning
    assert "default/demo" in warning
    told = [each for each in cluster.events if each["reason"] == "ForeignOwner"]
    assert [each["message"].startswith("Another installation") for each in told] == [True]


async def test_while_both_are_there_only_the_winner_writes_and_not_often(cluster, install):
    cluster.add(make_resource())
    install("a")
    loser = install("b")
    await asyncio.sleep(20)
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(280)
    written = writes_since(cluster, began)
    assert set(written) == {"a/audit-event-operator"}
    assert len(written) <= 280 / 30 + 2
    assert not loser.serves


async def test_the_winner_asks_now_and_then_and_the_condition_stays_while_the_other_one_is_there(cluster, install):
    cluster.add(make_resource())
    install("a")
    loser = install("b")
    await asyncio.sleep(20)
    since = foreign_owner(cluster)["lastTransitionTime"]
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(3600)
    assert foreign_owner(cluster)["lastTransitionTime"] == since
    assert not loser.serves
    assert writes_since(cluster, began).count(loser.name) <= 3600 / 300, "one short answer to each question"


async def test_the_loser_takes_over_when_the_winner_is_gone_and_goes_on_where_it_ended(cluster, install):
    cluster.add(make_resource())
    winner, loser = install("a"), install("b")
    await asyncio.sleep(20)
    await winner.kill()
    await cluster.patch_generator_status("default", "demo", UID, status(cluster) | {"eventsPublished": 17})
    await asyncio.sleep(85)
    assert not loser.serves
    await asyncio.sleep(11)
    assert loser.serves
    assert loser.fleet.told[-1] == ("apply", "demo", 1, True)
    assert loser.fleet.known[UID].facts.progress.events_published == 17
    await asyncio.sleep(5)
    assert owner_of(status(cluster)) == loser.name
    assert foreign_owner(cluster) is None
    assert loser.source.foreign_owners() == 0


async def test_the_condition_goes_when_the_other_one_is_gone(cluster, install):
    cluster.add(make_resource())
    winner, loser = install("a"), install("b")
    await asyncio.sleep(20)
    await loser.kill()
    await asyncio.sleep(60)
    assert foreign_owner(cluster) is not None
    await asyncio.sleep(400)
    assert foreign_owner(cluster) is None
    assert "ownerRenewTime" not in status(cluster)
    assert winner.serves
    assert winner.source.foreign_owners() == 0


async def test_an_owner_that_was_removed_long_ago_delays_nothing(cluster, install):
    old = {"owner": "a/audit-event-operator/pod-0", "ownerRenewTime": "2025-12-24T00:00:00Z", "eventsPublished": 3}
    cluster.add(make_resource(status=old))
    install_b = install("b")
    await asyncio.sleep(1.5)
    assert install_b.serves
    await asyncio.sleep(15)
    assert owner_of(status(cluster)) == install_b.name
    assert foreign_owner(cluster) is None


async def test_silence_of_the_api_server_is_not_the_winners(cluster, install):
    cluster.add(make_resource())
    install("a")
    loser = install("b")
    await asyncio.sleep(20)
    cluster.broken["*"] = Unreachable("down")
    await asyncio.sleep(600)
    assert not loser.serves
    del cluster.broken["*"]
    for _ in range(300):
        await asyncio.sleep(1)
        assert not loser.serves


async def test_a_take_over_within_an_installation_is_as_fast_as_ever_and_keeps_the_other_one_out(cluster, install):
    cluster.add(make_resource())
    winner = install("a")
    loser = install("b")
    standby = install("a", identity="pod-2")
    await asyncio.sleep(20)
    assert standby.source.foreign_owners() == 0
    assert not standby.serves
    await winner.kill()
    await asyncio.sleep(20)
    assert standby.serves
    await asyncio.sleep(200)
    assert not loser.serves
    assert status(cluster)["owner"] == "a/audit-event-operator/pod-2"
    assert foreign_owner(cluster) is not None


async def test_a_standby_of_the_loser_that_takes_the_lease_starts_nothing(cluster, install):
    cluster.add(make_resource())
    install("a")
    loser = install("b")
    standby = install("b", identity="pod-2")
    await asyncio.sleep(20)
    await loser.kill()
    for _ in range(100):
        await asyncio.sleep(1)
        assert not standby.serves
    assert standby.source.leader
    assert standby.source.foreign_owners() == 1


async def test_a_resource_that_goes_is_forgotten(cluster, install):
    cluster.add(make_resource())
    winner, loser = install("a"), install("b")
    await asyncio.sleep(20)
    gone = cluster.resources.pop(("default", "demo"))
    for deliver in cluster.watches:
        deliver("DELETED", gone)
    assert winner.source.foreign_owners() == loser.source.foreign_owners() == 0
    await asyncio.sleep(200)
    assert not loser.serves
