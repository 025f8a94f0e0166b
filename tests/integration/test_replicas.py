"""Two real operators, one API server, one broker: they share the streams, and none is ever served twice."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from support.parts.controlplane import LEASES, OPERATOR, ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess
from support.parts.rabbitmq import Broker
from support.replicas import confirmed_by_process, longest_pause_seconds, turns

STREAMS = 32
RATE = 10
BUCKETS = 16


@pytest.fixture
def streams(generators: Generators, queue: str) -> Iterator[list[str]]:
    """Names of streams of ten events per second, all to one queue."""
    names = [f"stream-{number:02}" for number in range(STREAMS)]
    for name in names:
        generators.create(name, queue=queue, interval="100ms")
    yield names
    generators.delete_all()


class Pair:
    """Two replicas with a journal each."""

    def __init__(self, start: Callable[..., OperatorProcess], folder, names: tuple[str, ...]) -> None:
        self.journals = {name: folder / f"journal-{name}.jsonl" for name in names}
        self.started = {name: start(name, AEG_JOURNAL_FILE=str(self.journals[name])) for name in names}
        self.first, self.second = self.started.values()

    def buckets(self) -> tuple[int, int]:
        return buckets_of(self.first), buckets_of(self.second)

    def confirmed(self):
        return confirmed_by_process(self.journals)


@pytest.fixture
def pair(start_operator: Callable[..., OperatorProcess], streams: list[str], tmp_path) -> Pair:
    """Both, once each has its half."""
    pair = Pair(start_operator, tmp_path, ("first", "second"))
    pair.second.wait_until(lambda: pair.buckets() == (8, 8), what="eight buckets each")
    pair.second.wait_until(lambda: len(served_by(pair.first) | served_by(pair.second)) == STREAMS, what="all streams")
    return pair


def buckets_of(operator: OperatorProcess) -> int:
    return int(operator.metric("audit_event_operator_buckets") or 0)


def served_by(operator: OperatorProcess) -> set[str]:
    return {row["name"] for row in operator.get_json("/generators")["generators"] if row["owner"] is None}


def test_they_share_the_streams_and_kubectl_tells_who_has_what(
    pair: Pair, streams: list[str], cluster: ControlPlane, generators: Generators
) -> None:
    here, there = served_by(pair.first), served_by(pair.second)
    assert here | there == set(streams)
    assert not here & there
    assert here
    assert there
    for operator, mine in ((pair.first, here), (pair.second, there)):
        assert [operator.status_of(path) for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
        assert operator.post("/generate_event", {"event_type": "user_login"}).status == 202
        assert operator.metric("audit_event_operator_members") == 2
        assert operator.get_json("/healthz")["generators"]["total"] == len(mine)
    held = cluster.kubectl(
        "get", "leases", "-n", OPERATOR, "-o", "custom-columns=N:.metadata.name,H:.spec.holderIdentity"
    )
    holders = dict(line.split() for line in held.stdout.splitlines()[1:])
    assert len(holders) == BUCKETS + 2
    assert len(set(holders.values())) == 2
    # A post that comes to the wrong replica is told the right one, which is the one in the status.
    stranger = min(there)
    answer = pair.first.post(f"/generate_event?generator={generators.namespace}/{stranger}", {"event_type": "x"})
    owner = generators.status(stranger)["owner"].rpartition("/")[2]
    assert answer.status == 503
    assert answer.json()["error"] == f"The replica {owner} serves this generator; post to that one."
    assert owner in holders.values()


@pytest.mark.row(33)
def test_after_sigkill_every_stream_goes_on_within_twenty_seconds(pair: Pair, streams: list[str], measured) -> None:
    killed_at = time.time_ns()
    pair.first.kill()
    pair.second.wait_until(lambda: served_by(pair.second) == set(streams), timeout_seconds=40, what="all streams")
    pair.second.wait_until(lambda: buckets_of(pair.second) == BUCKETS, what="all buckets")
    time.sleep(2)  # what is due meanwhile
    for stream, worked in pair.confirmed().items():
        assert longest_pause_seconds(worked) <= 20, stream
        assert len(turns(worked)) <= 3, stream
        assert worked[-1].at_ns > killed_at
    longest = max(map(longest_pause_seconds, pair.confirmed().values()))
    measured(f"{STREAMS} streams at two replicas, one killed: longest pause {longest:.1f} s, never two at once")


@pytest.mark.row(33)
def test_at_sigterm_no_stream_pauses_for_more_than_five_seconds_and_no_count_is_lost(
    pair: Pair, streams: list[str], generators: Generators, rabbitmq: Broker, queue: str, measured
) -> None:
    stopped = pair.first.stop()
    assert stopped.exit_code == 0
    pair.second.wait_until(lambda: served_by(pair.second) == set(streams), what="all streams")
    time.sleep(2)  # what is due meanwhile
    assert pair.second.stop().exit_code == 0
    confirmed = pair.confirmed()
    assert len(confirmed) == STREAMS
    for stream, worked in confirmed.items():
        assert longest_pause_seconds(worked) <= 5, stream
        assert len(turns(worked)) <= 3, stream
        told = generators.status(stream.rpartition("/")[2])["eventsPublished"]
        assert told == len(worked), stream
    messages = rabbitmq.drain(queue)
    identities = [message.properties.message_id for message in messages]
    assert len(set(identities)) == len(identities) == sum(map(len, confirmed.values()))
    longest = max(map(longest_pause_seconds, confirmed.values()))
    measured(
        f"{STREAMS} streams at two replicas, SIGTERM to one: longest pause {longest:.1f} s, no event twice or lost"
    )


def test_a_replica_that_was_stopped_generates_nothing_after_it_goes_on(pair: Pair, streams: list[str]) -> None:
    pair.first.pause()
    pair.second.wait_until(lambda: served_by(pair.second) == set(streams), timeout_seconds=40, what="all streams")
    pair.first.resume()
    pair.first.wait_until(lambda: pair.buckets() == (8, 8), what="eight buckets each again")
    time.sleep(2)
    for stream, worked in pair.confirmed().items():
        # At most: first, second, first, second, first.
        assert len(turns(worked)) <= 5, (stream, turns(worked))


def test_a_deleted_lease_changes_nothing(pair: Pair, streams: list[str], cluster: ControlPlane) -> None:
    leases = cluster.request("GET", LEASES).body["items"]
    before = {each["metadata"]["name"]: each["spec"]["holderIdentity"] for each in leases}
    for name in before:
        cluster.request("DELETE", f"{LEASES}/{name}")

    def again() -> bool:
        found = cluster.request("GET", LEASES).body["items"]
        return {each["metadata"]["name"] for each in found} == before.keys()

    pair.first.wait_until(again, what="all Leases again")
    pair.first.wait_until(lambda: pair.buckets() == (8, 8), what="eight buckets each")
    time.sleep(1)
    for stream, worked in pair.confirmed().items():
        assert len(turns(worked)) <= 4, (stream, json.dumps(turns(worked)))
        assert longest_pause_seconds(worked) <= 10
