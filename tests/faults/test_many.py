"""Many resources, many changes, many with a broken broker: nobody disturbs anybody, and nothing is left over."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.faults.harness import FULL, span
from support.parts.generators import Generators
from support.parts.operator_process import SERIES
from support.waiting import wait_until

STEADY = {"interval": "20ms", "eventsPerInterval": 2}  # 100/s
MANY = 1000 if FULL else 300
MIB = 2**20
API_CONNECTIONS = 50
"""Most connections that the client's pool keeps; how many of them stay idle is up to how often they are used in turn."""


def at_once(work: Callable[[int], object], numbers: range, workers: int = 8) -> None:
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, numbers))


def lag_p99_seconds(before: str, after: str) -> float:
    """The upper bound of the bucket in which the 99th percentile of the loop's lag between two scrapes is."""

    def buckets(text: str) -> dict[float, float]:
        return {
            float(sample.labels["le"]): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "audit_event_operator_event_loop_lag_seconds_bucket"
        }

    first, last = buckets(before), buckets(after)
    counts = {bound: last[bound] - first.get(bound, 0) for bound in sorted(last)}
    total = counts[float("inf")]
    assert total > 0
    return next(bound for bound, count in counts.items() if count >= 0.99 * total)


@contextmanager
def mute_broker() -> Iterator[int]:
    """A port that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        taken: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    for each in taken:
        each.close()


@pytest.mark.row(25)
@pytest.mark.row(24)
@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["no such name", "mute", "full queue"])
def test_two_hundred_streams_without_a_broker_leave_the_others_their_rate(
    what, harness, own_rabbitmq, measured
) -> None:
    harness.start(AEG_CONNECT_SECONDS="5")
    harness.stream("steady", **STEADY)
    path = f"/api/v1/namespaces/{harness.namespace}/secrets"
    spec: dict[str, object] = {"interval": "1s", "rabbitmq": {"secretRef": {"name": "broken"}}}
    with mute_broker() as port:
        where = {"mute": {"port": str(port)}, "no such name": {"host": "broker.invalid"}, "full queue": {}}[what]
        assert (
            harness.plane.request("POST", path, harness.broker.secret("broken", harness.namespace, **where)).status
            == 201
        )
        if what == "full queue":
            full = harness.queue("full")
            own_rabbitmq.declare(full, {"x-max-length": 1, "x-overflow": "reject-publish"})
            harness.queues.discard(full)
            queue_of: Callable[[int], str] = lambda _: full  # noqa: E731
        else:
            queue_of = lambda number: f"never-{number}"  # noqa: E731
        at_once(lambda number: harness.resources.create(f"broken-{number}", queue=queue_of(number), **spec), range(200))
        reasons = {"RejectedByBroker"} if what == "full queue" else {"BrokerUnreachable"}

        def broken() -> bool:
            items = harness.resources.items()
            told = Counter(each["status"].get("conditions", [{}])[0].get("reason") for each in items)
            return sum(told[reason] for reason in reasons) >= 150

        harness.operator.wait_until(broken, timeout_seconds=90, what="the broken ones to say so")
        first, began, seconds = harness.operator.metrics_text(), time.time_ns(), span(60, 10)
        time.sleep(seconds)  # how it goes meanwhile
        lag = lag_p99_seconds(first, harness.operator.metrics_text())
        ended = began + int(seconds * 1e9)
        harness.operator.wait_until(lambda: harness.told_until() > ended, what="the journal to have come that far")
        rate = harness.confirmed("steady", began, ended) / seconds
        harness.resources.delete_all()
        if what == "full queue":
            own_rabbitmq.delete(full)
    assert rate == pytest.approx(100, rel=0.02 if FULL else 0.05)
    assert lag <= (0.1 if FULL else 0.5), "in the short run other tests share the processors"
    measured(f"{what}: the other stream at {rate:.1f}/s of 100/s, loop lag p99 ≤ {lag * 1000:g} ms")


@pytest.mark.row(34)
@pytest.mark.timeout(300)
def test_of_fifty_changes_a_second_the_last_one_wins(harness, measured) -> None:
    harness.start()
    queues = [harness.queue("a"), harness.queue("b")]
    harness.stream("moving", queues[0], **STEADY)
    connects = harness.connects()
    with harness.watched():
        count = int(span(30, 6) * 50)
        began = time.monotonic()
        for number in range(count):
            queue = queues[number // 25 % 2]
            last = harness.resources.patch("moving", queue=queue, interval=f"{20 + number % 30}ms")
            time.sleep(max(0.0, began + number / 50 - time.monotonic()))  # the pace
        harness.streams["moving"] = last["spec"]["queue"]
        harness.operator.wait_until(
            lambda: harness.resources.status("moving")["observedGeneration"] == last["metadata"]["generation"],
            what="the last change",
        )
        harness.wait_for("moving", "Publishing")
        seconds = time.monotonic() - began
        assert harness.resources.status("moving")["queue"] == last["spec"]["queue"]
        harness.wait_published("moving", 20)
        made = harness.connects() - connects
        harness.settle()
    assert made <= count / 25 + 2, "one connection for each move at most"
    measured(f"{count} patches in {seconds:.0f} s, {made:.0f} connects; {harness.check_delivery()}")


@pytest.mark.row(35)
def test_a_name_that_is_used_again_has_nothing_of_the_old_one(harness, measured) -> None:
    harness.start()
    rounds = 10
    for number in range(rounds):
        queue = harness.queue(f"turn-{number}")
        hosts = {"hosts": {"names": [f"host-{number}"]}}
        harness.stream("again", queue, **STEADY, entities=hosts)
        harness.wait_published("again", 5)
        assert harness.value("events_published_total", "again") < 5000
        if number < rounds - 1:
            harness.resources.delete("again")
    harness.settle()
    for number in range(rounds):
        bodies = [
            message.json()["server_hostname"] for message in harness.broker.drain(harness.queue(f"turn-{number}"))
        ]
        assert set(bodies) == {f"host-{number}"}, "no event of one in the queue of another"
    measured(f"{rounds} times: each queue has the events of its own resource only")


@pytest.mark.row(36)
def test_the_same_name_in_twenty_namespaces_is_twenty_streams(harness, cluster, measured) -> None:
    harness.start()
    before = harness.connections()
    namespaces = [cluster.create_namespace(f"{harness.namespace}-{number}") for number in range(20)]
    all_of_them = [Generators(cluster, each) for each in namespaces]
    for each in all_of_them:
        each.create("same", queue=harness.queue(), interval="100ms", maxEvents=20)

    def done() -> bool:
        published = [
            harness.operator.metric(f"{SERIES}events_published_total", generator_namespace=each, generator="same")
            for each in namespaces
        ]
        return published == [20.0] * 20

    harness.operator.wait_until(done, what="twenty runs of twenty events")
    links = harness.connections() - before
    for each in all_of_them:
        each.delete_all()
    messages = harness.drain()
    assert len({message.properties.message_id for message in messages}) == len(messages) == 400
    assert links == 1
    measured(f"20 series of 20 events, {len(messages)} unique ids, one connection")


def sockets(pid: int) -> int:
    """How many sockets a process has open."""
    files = Path(f"/proc/{pid}/fd").iterdir()
    return sum(1 for file in files if _leads_to(file).startswith("socket:"))


def _leads_to(file: Path) -> str:
    try:
        return str(file.readlink())
    except OSError:  # closed meanwhile
        return ""


@pytest.mark.row(37)
@pytest.mark.row(48)
@pytest.mark.timeout(900)
def test_a_thousand_resources_come_change_go_and_come_again(harness, measured) -> None:
    operator = harness.start(AEG_DEPARTED_SERIES_SECONDS="2", AEG_STATUS_COUNTER_SECONDS="30")
    base_connections, base_sockets = harness.connections(), sockets(operator.pid)
    queues, items = [harness.queue(f"q{number}") for number in range(4)], harness.resources.items
    names = range(MANY)

    def create_all(host: str) -> float:
        """By its host an event says which of two resources of one name it is from; seconds until all are Ready."""
        entities = {"hosts": {"names": [host]}}
        began = time.monotonic()
        at_once(
            lambda number: harness.resources.create(
                f"r{number}", queue=queues[number % 4], interval="2s", entities=entities
            ),
            names,
        )
        operator.wait_until(all_ready, timeout_seconds=180, what=f"all of {host} to be Ready")
        return time.monotonic() - began

    def all_ready() -> bool:
        found = items()
        return len(found) == MANY and all("'Publishing'" in repr(each["status"]) for each in found)

    def delete_all() -> float:
        """When the API server had told of every deletion (time.time())."""
        harness.resources.delete_all()
        return time.time()

    ready = create_all("old")
    writes = harness.total("audit_event_operator_api_writes_total")
    old = {each["metadata"]["uid"] for each in items()}

    began = time.monotonic()
    for number in range(int(span(1000, 200))):
        harness.resources.patch(f"r{number % MANY}", interval=f"{1500 + number}ms")
        time.sleep(max(0.0, began + number / 50 - time.monotonic()))  # 50 patches/s
    operator.wait_until(
        lambda: all(each["status"]["observedGeneration"] == each["metadata"]["generation"] for each in items()),
        what="every patch to be in effect",
    )
    patching = time.monotonic() - began
    per_second = (harness.total("audit_event_operator_api_writes_total") - writes) / patching
    memory = harness.memory_bytes()
    began = time.monotonic()
    text = operator.metrics_text()
    scrape_seconds = time.monotonic() - began

    old_gone = delete_all()
    create_all("new")  # at once, under the same names
    assert not old & {each["metadata"]["uid"] for each in items()}
    events = harness.plane.request("GET", f"/api/v1/namespaces/{harness.namespace}/events").body["items"]
    of_old = [
        datetime.fromisoformat(each["metadata"]["creationTimestamp"]).timestamp()
        for each in events
        if each["involvedObject"]["uid"] in old
    ]
    assert of_old, "there are Kubernetes Events to look at"
    assert max(of_old) <= old_gone + 1

    new_gone = delete_all()
    operator.wait_until(
        lambda: f'namespace="{harness.namespace}"' not in operator.metrics_text(),
        timeout_seconds=120,
        what="the series to go",
    )
    operator.wait_until(lambda: harness.connections() == base_connections, what="the connections to go")
    time.sleep(max(0.0, new_gone + 1 - time.time()))
    statuses = harness.total("audit_event_operator_api_writes_total", kind="status")
    wait_until(
        lambda: sockets(operator.pid) <= base_sockets + API_CONNECTIONS,
        timeout_seconds=60,
        what=f"all sockets but {base_sockets} and the idle ones to the API server to go",
        explain=lambda: sockets(operator.pid),
    )
    assert harness.total("audit_event_operator_api_writes_total", kind="status") == statuses
    assert len(json.loads(operator.get("/generators").body)["generators"]) <= 1

    assert per_second <= 220, "transitions ≤200/s, counters ≤20/s"
    assert memory <= 400 * MIB
    assert text.count("_created") == 0
    messages = harness.drain()
    hosts = {message.properties.message_id: message.json()["server_hostname"] for message in messages}
    assert set(hosts.values()) == {"old", "new"}
    last = {"old": 0.0, "new": 0.0}
    for entry in harness.entries():
        if host := hosts.get(entry["message_id"]):
            last[host] = max(last[host], entry["time_unix_ns"] / 1e9)
    assert last["old"] <= old_gone + 1, "nothing of an old one is written later"
    assert last["new"] <= new_gone + 1
    delivery = harness.check_delivery(messages)
    published = harness.total("audit_event_generator_published_success_total")
    assert published == delivery.published, "the counter, the journal and the queues agree"
    late = max(last["old"], *of_old) - old_gone
    when = f"{abs(late):.1f} s {'before' if late < 0 else 'after'} the answer to their deletion"
    measured(
        f"{MANY} Ready after {ready:.0f} s, {per_second:.0f} API writes/s at 50 patches/s, {memory / MIB:.0f} MiB, "
        f"scrape {scrape_seconds * 1000:.0f} ms; applied again at once, the last word of an old one came {when}; "
        f"no generator, series, socket or write left; {delivery}"
    )


@pytest.mark.row(46)
@pytest.mark.timeout(600)
def test_with_the_broker_down_many_resources_stay_below_the_memory_limit(harness, own_rabbitmq, measured) -> None:
    harness.start()
    harness.stream("first", **STEADY)
    own_rabbitmq.stop()
    spec = {"queue": harness.queue(), "interval": "100ms", "eventsPerInterval": 20}
    at_once(lambda number: harness.resources.create(f"r{number}", **spec), range(MANY))
    harness.operator.wait_until(
        lambda: harness.operator.get_json("/healthz?verbose=1")["generators"]["total"] >= MANY,
        what="all to be taken up",
    )
    time.sleep(span(60, 5))  # nothing may pile up
    memory = harness.memory_bytes()
    assert memory < 512 * MIB
    own_rabbitmq.start()
    harness.wait_published("r0", 1)
    harness.resources.delete_all()
    measured(f"{MANY} resources, broker down: {memory / MIB:.0f} MiB of 512")
