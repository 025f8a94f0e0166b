"""The cluster package on a real API server, with the operator's own rights; only the fleet is a fake."""

import asyncio
import contextlib
import copy
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from audit_event_operator.cluster.access import KubernetesAuthorizer
from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.connection import Connection, connect
from audit_event_operator.cluster.api.errors import Conflict, Forbidden, NotFound, Unprocessable, Unreachable
from audit_event_operator.cluster.leadership.gate import BucketAssignment, MemberGate
from audit_event_operator.cluster.leadership.lease import LeaseTiming
from audit_event_operator.cluster.resources.informer import Rhythm
from audit_event_operator.cluster.source import ClusterSource
from audit_event_operator.cluster.status.reporter import Pace
from audit_event_operator.cluster.targets.cluster_targets import ClusterTargets
from audit_event_operator.resource.access import Decision
from audit_event_operator.resource.conditions import DestinationUnavailable, Ready, Reason
from audit_event_operator.resource.names import CREDENTIALS_LABEL
from audit_event_operator.resource.spec import parse_spec
from support.doubles.fleet import FakeFleet
from support.parts.controlplane import GENERATORS, LEASES, OPERATOR, ControlPlane
from support.parts.generators import MERGE, Generators

CRD_NAME = GENERATORS.crd_name
FAST_LEASE = LeaseTiming(duration=3, renew=2, retry=0.5)


class Pages(list[list[dict[str, Any]]]):
    """Takes in a list and keeps it."""

    async def __call__(self, page: list[dict[str, Any]]) -> None:
        self.append(page)


async def until(condition: Callable[[], Any], seconds: float = 15.0, what: str = "") -> float:
    """Wait; returns how long it took."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise AssertionError(f"not within {seconds:g} s: {what or condition}")
        await asyncio.sleep(0.02)
    return time.monotonic() - started


class Follower:
    """A source with a fake fleet, as one process has it."""

    def __init__(self, kubeconfig: Path, connection: Connection, lease: str, **options: Any) -> None:
        self.fleet, self.gate = FakeFleet(running=False), MemberGate(FAST_LEASE)
        self.connection = connection
        self.cluster = Cluster(connection, namespaces=options.get("namespaces", ()))
        self.source = ClusterSource(
            self.fleet,
            self.cluster,
            lambda: connect({"KUBECONFIG": str(kubeconfig)}),
            BucketAssignment(self.gate),
            identity=f"test-{os.getpid()}-{uuid.uuid4().hex[:6]}",
            lease_namespace=OPERATOR,
            lease_name=lease,
            rhythm=Rhythm(resync=options.pop("resync", 60.0), crd_poll=0.5, retry=0.5),
            pace=Pace(counter_seconds=1.0),
            **options,
        )
        self.task = asyncio.create_task(self.source.run())

    async def ready(self, seconds: float = 15.0) -> None:
        await until(lambda: self.source.leader and self.source.readiness() == [], seconds, "ready")

    async def kill(self) -> None:
        """End without a word, like SIGKILL."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def end(self) -> None:
        self.source.retire()
        await self.source.flush()
        await self.kill()
        await self.source.close()


@pytest.fixture
async def follow(cluster: ControlPlane, operator_kubeconfig: Path) -> AsyncIterator[Callable[..., Any]]:
    """follow(lease=…, **options): a source that runs, with the operator's ServiceAccount."""
    started: list[Follower] = []

    async def start(lease: str = OPERATOR, *, ready: bool = True, **options: Any) -> Follower:
        connection = await connect({"KUBECONFIG": str(operator_kubeconfig)})
        follower = Follower(operator_kubeconfig, connection, lease, **options)
        started.append(follower)
        if ready:
            await follower.ready()
        return follower

    yield start
    for follower in started:
        await follower.kill()
        with contextlib.suppress(Exception):
            await follower.source.close()
        await follower.connection.close()
    cluster.delete_leases()


# --- following --------------------------------------------------------------------------------------------------------


async def test_resources_are_followed_and_nothing_but_their_status_is_written(generators, follow):
    before = generators.create("old")
    follower = await follow()
    assert ("apply", "old", 1, True) in follower.fleet.told
    generators.create("new", interval="7s")
    assert await until(lambda: ("apply", "new", 1, False) in follower.fleet.told) < 1
    generators.patch("new", interval="8s")
    assert await until(lambda: ("apply", "new", 2, False) in follower.fleet.told) < 1
    await until(lambda: generators.status("new").get("observedGeneration") == 2)
    await until(lambda: generators.ready("old") == ("True", "Publishing"))
    after = generators.get("old")
    for part in ("annotations", "finalizers", "labels", "generation", "uid"):
        assert after["metadata"].get(part) == before["metadata"].get(part), part
    assert after["spec"] == before["spec"]
    generators.delete("new")
    assert await until(lambda: "new" not in follower.fleet.names()) < 1


async def test_a_name_that_is_used_again_is_another_resource(generators, follow):
    follower = await follow()
    for _ in range(20):
        generators.create("blink")
        generators.delete("blink")
    last = generators.create("blink")
    await until(lambda: last["metadata"]["uid"] in follower.fleet.uids())
    assert follower.fleet.uids() == {last["metadata"]["uid"]}
    await until(lambda: generators.ready("blink") == ("True", "Publishing"))


async def test_a_resource_that_waits_for_a_foreign_finalizer_has_stopped_and_says_so(generators, follow):
    follower = await follow()
    generators.create("held")
    generators.merge("held", {"metadata": {"finalizers": ["example.com/hold"]}})
    await until(lambda: generators.ready("held") == ("True", "Publishing"))
    generators.delete("held")
    await until(lambda: follower.fleet.names() == set())
    await until(lambda: generators.ready("held") == ("False", "Terminating"))
    assert "example.com/hold" in generators.condition("held")["message"]
    assert generators.status("held")["targetRate"] == "0/s"
    generators.merge("held", {"metadata": {"finalizers": None}})


async def test_only_the_named_namespaces_are_followed(generators, cluster, namespace, follow):
    other = Generators(cluster, cluster.create_namespace(f"other-{uuid.uuid4().hex[:8]}"))
    follower = await follow(namespaces=(namespace, "nowhere"))
    generators.create("mine")
    other.create("theirs")
    await until(lambda: "mine" in follower.fleet.names())
    await asyncio.sleep(0.5)
    assert follower.fleet.names() == {"mine"}
    other.delete_all()


async def test_a_transition_becomes_a_kubernetes_event(generators, cluster, namespace, follow):
    follower = await follow()
    uid = generators.create("demo")["metadata"]["uid"]
    await until(lambda: generators.ready("demo") == ("True", "Publishing"))
    follower.fleet.become(uid, ready=Ready(Reason.QUEUE_NOT_FOUND, 'Queue "x" does not exist.'))
    await until(lambda: generators.ready("demo") == ("False", "QueueNotFound"))

    def reasons() -> list[tuple[str, str, str]]:
        events = cluster.request("GET", f"/api/v1/namespaces/{namespace}/events").body["items"]
        return sorted((event["type"], event["reason"], event["involvedObject"]["name"]) for event in events)

    await until(
        lambda: reasons() == [("Normal", "Started", "demo"), ("Warning", "QueueNotFound", "demo")], what="events"
    )
    stalled = [c["type"] for c in generators.status("demo")["conditions"]]
    assert "Stalled" in stalled


@pytest.mark.row(40)
async def test_a_wiped_status_is_restored_and_the_api_server_returns_it_as_we_wrote_it(generators, follow):
    follower = await follow(resync=2.0)
    generators.create("demo")
    await until(lambda: generators.ready("demo") == ("True", "Publishing"))
    await until(lambda: follower.cluster.writes["status", "ok"] == 1)  # the answer to it has come, too
    await asyncio.sleep(6)
    assert follower.cluster.writes["status", "ok"] == 1, "nothing changed, so nothing is written"
    generators.merge("demo", {"status": {"conditions": None}}, "/status")
    assert await until(lambda: generators.ready("demo") == ("True", "Publishing"), 60) < 60


# --- the CustomResourceDefinition comes and goes --------------------------------------------------------------------------


@pytest.fixture
def without_crd(cluster: ControlPlane) -> Any:
    def remove() -> None:
        cluster.kubectl("delete", "crd", CRD_NAME)

    yield remove
    cluster.install_crd()


async def test_an_operator_that_is_there_before_the_crd_takes_up_work_when_it_comes(
    generators, cluster, follow, without_crd
):
    await asyncio.to_thread(without_crd)
    follower = await follow(ready=False)
    await until(lambda: CRD_NAME in "".join(follower.source.readiness()), what="readiness names the CRD")
    await asyncio.to_thread(cluster.install_crd)
    generators.create("demo")
    await follower.ready()
    await until(lambda: "demo" in follower.fleet.names())


async def test_when_the_crd_is_deleted_all_stops_and_starts_again_with_it(generators, cluster, follow, without_crd):
    generators.create("demo")
    follower = await follow()
    await asyncio.to_thread(without_crd)
    await until(lambda: follower.fleet.uids() == frozenset(), 10, "all stopped")
    await until(lambda: CRD_NAME in "".join(follower.source.readiness()), 90, "readiness names the CRD")
    await asyncio.to_thread(cluster.install_crd)
    generators.create("demo")
    await until(lambda: "demo" in follower.fleet.names(), 20)
    await follower.ready()
    generators.patch("demo", interval="9s")
    await until(lambda: ("apply", "demo", 2, False) in follower.fleet.told)


# --- the API server goes and comes back -------------------------------------------------------------------------------


async def test_the_api_server_may_be_away(generators, own_control_plane, follow):
    for name in ("stays", "goes", "patched"):
        generators.create(name)
    follower = await follow()
    told = copy.copy(follower.fleet.told)
    own_control_plane.kill_apiserver()
    uid = next(uid for uid, each in follower.fleet.known.items() if each.ref.name == "stays")
    follower.fleet.become(uid, ready=Ready(Reason.BROKER_UNREACHABLE, "The broker cannot be reached."))
    await asyncio.sleep(10)
    assert follower.fleet.told == told
    assert follower.gate.is_open()
    own_control_plane.start_apiserver()  # not in a thread: it would end with it
    generators.delete("goes")
    generators.patch("patched", interval="9s")
    assert await until(lambda: ("apply", "patched", 2, False) in follower.fleet.told, 30) < 15
    assert await until(lambda: follower.fleet.names() == {"stays", "patched"}, 30) < 15
    await until(lambda: generators.ready("stays") == ("False", "BrokerUnreachable"), 30)
    assert follower.source.leader


# --- leadership -------------------------------------------------------------------------------------------------------


async def test_each_works_on_its_share_and_a_killed_one_is_followed_when_its_lease_has_run_out(generators, follow):
    names = {f"demo-{number}" for number in range(20)}
    for name in names:
        generators.create(name)
    first = await follow()
    second = await follow(ready=False)
    await until(lambda: (first.source.buckets, second.source.buckets) == (8, 8), what="half of the buckets each")
    await until(lambda: first.fleet.names() | second.fleet.names() == names)
    await asyncio.sleep(2 * FAST_LEASE.duration)
    assert (first.gate.is_open(), second.gate.is_open()) == (True, True)
    assert not first.fleet.names() & second.fleet.names()
    await first.kill()
    took = await until(lambda: second.fleet.names() == names)
    assert FAST_LEASE.duration - FAST_LEASE.retry - 0.5 <= took < FAST_LEASE.duration + 4
    assert all(told[0] != "apply" or told[3] for told in second.fleet.told), "all of them existed before"


async def test_what_an_orderly_one_leaves_is_taken_at_once_with_its_last_counts(generators, follow):
    generators.create("demo")
    first = await follow()
    second = await follow(ready=False)
    await until(lambda: (first.source.buckets, second.source.buckets) == (8, 8), what="half of the buckets each")
    owner, other = (first, second) if first.fleet.uids() else (second, first)
    (uid,) = owner.fleet.uids()
    await until(lambda: generators.ready("demo") == ("True", "Publishing"))
    owner.fleet.become(uid, events_published=1234)
    await owner.end()
    assert await until(lambda: "demo" in other.fleet.names()) < 3
    assert other.fleet.known[uid].facts.progress.events_published == 1234


async def test_a_process_that_was_stopped_until_another_took_over_does_nothing_when_it_goes_on(
    generators, cluster, follow
):
    generators.create("demo")
    first = await follow()
    time.sleep(FAST_LEASE.duration + 3)  # the loop stands still, as by SIGSTOP; meanwhile another takes all buckets
    for lease in cluster.request("GET", LEASES).body["items"]:
        if "-of-16" in lease["metadata"]["name"]:
            theirs = {"spec": {"holderIdentity": "another"}}
            path = f"{LEASES}/{lease['metadata']['name']}"
            assert cluster.request("PATCH", path, theirs, content_type=MERGE).status == 200
    assert not first.gate.is_open()
    await until(lambda: not first.source.leader, 3)
    assert first.fleet.told[-1] == ("stop", "demo")
    assert first.fleet.uids() == frozenset()


async def test_a_late_status_of_an_earlier_owner_is_refused_by_the_api_server(generators, namespace, api):
    uid = generators.create("demo")["metadata"]["uid"]
    mine, theirs = ({"observedGeneration": 1, "owner": f"ops/aeo/{who}"} for who in ("a", "b"))
    with pytest.raises(Unprocessable):
        await api.patch_generator_status(namespace, "demo", uid, mine, owner="ops/aeo/a")
    await api.patch_generator_status(namespace, "demo", uid, mine)
    await api.patch_generator_status(namespace, "demo", uid, theirs, owner="ops/aeo/a")
    with pytest.raises(Unprocessable):
        await api.patch_generator_status(namespace, "demo", uid, mine, owner="ops/aeo/a")
    assert generators.status("demo")["owner"] == "ops/aeo/b"


# --- one request at a time --------------------------------------------------------------------------------------------


@pytest.fixture
async def api(operator_kubeconfig: Path) -> AsyncIterator[Cluster]:
    connection = await connect({"KUBECONFIG": str(operator_kubeconfig)})
    yield Cluster(connection)
    await connection.close()


async def test_answers_are_told_apart(generators, cluster, namespace, api):
    uid = generators.create("demo")["metadata"]["uid"]
    status = {"observedGeneration": 1}
    await api.patch_generator_status(namespace, "demo", uid, status)
    with pytest.raises(Unprocessable):
        await api.patch_generator_status(namespace, "demo", "another-uid", status)
    with pytest.raises(Unprocessable):
        await api.patch_generator_status(namespace, "demo", uid, {"observedGeneration": "x"})
    with pytest.raises(NotFound):
        await api.patch_generator_status(namespace, "absent", uid, status)
    with pytest.raises(NotFound):
        await api.get_secret(namespace, "absent")
    with pytest.raises(Conflict):
        await api.update_lease(OPERATOR, OPERATOR, await stale_lease(cluster, api))
    with pytest.raises(Forbidden, match=r'list leases\.coordination\.k8s\.io in namespace "default"'):
        await api.list_leases("default", "a=b")
    with pytest.raises(Forbidden, match="create tokenreviews"):
        await api.review_token("x")


async def stale_lease(cluster: ControlPlane, api: Cluster) -> dict[str, Any]:
    lease = cluster.request("POST", LEASES, {"metadata": {"name": OPERATOR}, "spec": {"holderIdentity": "x"}}).body
    newer = copy.deepcopy(lease)
    newer["spec"]["holderIdentity"] = "y"
    await api.update_lease(OPERATOR, OPERATOR, newer)
    return dict(lease)


async def test_an_api_server_that_is_not_there_is_unreachable(tmp_path, cluster):
    text = cluster.kubeconfig.read_text().replace(f":{cluster.port}", ":1")
    (tmp_path / "config").write_text(text)
    connection = await connect({"KUBECONFIG": str(tmp_path / "config")})
    with pytest.raises(Unreachable, match="Cannot reach"):
        await Cluster(connection).list_generators(Pages())
    await connection.close()


async def test_an_api_server_with_another_authority_is_not_trusted(tmp_path, cluster):
    import json

    config = json.loads(cluster.kubeconfig.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority-data"]
    (tmp_path / "config").write_text(json.dumps(config))
    connection = await connect({"KUBECONFIG": str(tmp_path / "config")})
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        await Cluster(connection).list_generators(Pages())
    await connection.close()


async def test_long_lists_come_in_pages_and_are_complete(generators, namespace, api, monkeypatch):
    monkeypatch.setattr("audit_event_operator.cluster.api.client.PAGE_SIZE", 3)
    for number in range(10):
        generators.create(f"r{number}")
    pages = Pages()
    await api.list_generators(pages)
    listed = [each for page in pages for each in page]
    assert len(pages) >= 4
    assert {each["metadata"]["name"] for each in listed if each["metadata"]["namespace"] == namespace} == {
        f"r{number}" for number in range(10)
    }


async def test_a_secret_of_the_namespace_is_a_broker_once_it_is_labelled(cluster, namespace, api):
    targets = ClusterTargets(api, None)
    reference = targets.destination(namespace, parse_spec({"rabbitmq": {"secretRef": {"name": "broker"}}})).reference
    secret = {"metadata": {"name": "broker"}, "stringData": {"host": "rabbit.test", "username": "u", "password": "p"}}
    cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    with pytest.raises(DestinationUnavailable) as caught:
        await targets.resolve(reference)
    assert caught.value.reason is Reason.SECRET_NOT_ALLOWED
    label = {"metadata": {"labels": {CREDENTIALS_LABEL: "true"}}}
    cluster.request("PATCH", f"/api/v1/namespaces/{namespace}/secrets/broker", label, content_type=MERGE)
    assert (await targets.resolve(reference)).host == "rabbit.test"


async def test_who_may_post_is_what_the_roles_say(cluster, namespace):
    connection = await connect({"KUBECONFIG": str(cluster.kubeconfig)})
    authorizer = KubernetesAuthorizer(Cluster(connection), OPERATOR)
    role = f"poster-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "role", role, "-n", namespace, "--verb=create", f"--resource={CRD_NAME}/events")
    cluster.kubectl("create", "rolebinding", role, "-n", namespace, f"--role={role}", "--user=alice")
    assert await authorizer.may_post("token-of-alice", namespace) is Decision.ALLOWED
    assert await authorizer.may_post("token-of-alice", None) is Decision.FORBIDDEN
    assert await authorizer.may_post("token-of-bob", namespace) is Decision.FORBIDDEN
    assert await authorizer.may_post("no-such-token", namespace) is Decision.UNAUTHENTICATED
    await connection.close()


# --- many -------------------------------------------------------------------------------------------------------------


async def test_many_resources_are_taken_up_and_reported_without_haste(generators, follow):
    count = 300
    for number in range(count):
        generators.create(f"r{number}")
    follower = await follow()
    assert len(follower.fleet.known) == count
    took = await until(lambda: follower.cluster.writes["status", "ok"] >= count, 30)
    assert took < 15
    assert {generators.ready(f"r{number}") for number in range(count)} == {("True", "Publishing")}
    generators.delete_all()
    await until(lambda: follower.fleet.uids() == frozenset(), 20)
