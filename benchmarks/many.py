"""Many resources in one process, with a real API server, the rights of the manifests and a real RabbitMQ.

The resources are there before the operator starts. Who publishes is read from the operator's delivery journal, who is Ready
from a watch of the API server, neither of which asks the operator anything. The exit code is 0 when all figures are within
the budgets. The last column is how late a process is that only sleeps: no figure can be better than the machine.
"""

import argparse
import contextlib
import gzip
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from prometheus_client.parser import text_string_to_metric_families

from support.parts.controlplane import OPERATOR, ControlPlane
from support.parts.many_generators import ManyGenerators
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs
from support.parts.processes import free_port
from support.parts.rabbitmq import RabbitMQ
from support.parts.usage import Usage
from support.waiting import wait_until

NAMESPACES: Final = 20
QUEUES: Final = 50
PATCHES: Final = 100
SECRET: Final = "broker"
START_SECONDS: Final = 400
STEADY_SECONDS: Final = 60.0
PRODUCTION: Final = {"AEG_LEASE_NAMESPACE": OPERATOR, "AEG_LOG_FORMAT": "json"}
_NS: Final = 1e9


@dataclass(frozen=True, slots=True)
class Kind:
    """What all resources of a run are like; `budgets`: the most of each figure by how many there are."""

    spec: Mapping[str, Any] = field(default_factory=lambda: {"interval": "10s"})
    queues: int = QUEUES
    brokers: int = 1
    """Virtual hosts of one RabbitMQ: for the operator each is a broker with connections of its own."""
    broker_down: bool = False
    budgets: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


KINDS: Final[Mapping[str, Kind]] = {
    "independent": Kind(
        budgets={
            1_000: {"publishing": 8, "ready": 8, "peak": 130, "lag": 25, "patch": 250},
            10_000: {"publishing": 25, "ready": 75, "peak": 320, "cpu": 15, "lag": 50, "scrape": 1, "patch": 250},
        }
    ),
    "sessions": Kind(
        {
            "interval": "10s",
            "activity": "Sessions",
            "scenarios": [{"name": "guess", "type": "BruteForce", "every": "1h"}],
        },
        budgets={1_000: {"peak": 220, "lag": 50}},
    ),
    "queues": Kind(queues=1_000),
    "brokers": Kind(queues=200, brokers=200),
    "down": Kind(broker_down=True, budgets={2_000: {"lag": 50}}),
}


class Statuses:
    """What a user sees of the resources: since when each has been Ready, how often it was written, when it was deleted."""

    def __init__(self, resources: ManyGenerators) -> None:
        self.ready_ns: dict[str, int] = {}
        self.deleted_ns: dict[str, int] = {}
        self.told: dict[str, str] = {}
        self.writes = 0
        threading.Thread(target=self._read, args=(resources.watch(),), daemon=True).start()

    def _read(self, events: Iterator[Mapping[str, Any]]) -> None:
        with contextlib.suppress(OSError):  # the API server ends with the benchmark
            for event in events:
                self._see(event)

    def _see(self, event: Mapping[str, Any]) -> None:
        now, what = time.time_ns(), event["object"]
        if event["type"] == "ADDED":
            return
        ref = f"{what['metadata']['namespace']}/{what['metadata']['name']}"
        if event["type"] == "DELETED":
            self.deleted_ns[ref] = now
            return
        self.writes += event["type"] == "MODIFIED"
        ready = next((each for each in what.get("status", {}).get("conditions", ()) if each["type"] == "Ready"), None)
        if ready is not None:
            self.told[ref] = ready["reason"]
            if ready["status"] == "True":
                self.ready_ns.setdefault(ref, now)


class Published:
    """What was confirmed, by the operator's delivery journal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.first_ns: dict[str, int] = {}
        self.times_ns: dict[str, list[int]] = {}

    def look(self) -> "Published":
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                entry = orjson.loads(line)
                if entry.get("outcome") == "ack":
                    ref, at_ns = entry["generator"], entry["time_unix_ns"]
                    self.first_ns.setdefault(ref, at_ns)
                    self.times_ns.setdefault(ref, []).append(at_ns)
        return self


def scrape(operator: OperatorProcess) -> bytes:
    """What Prometheus reads, gzipped as it asks for it."""
    gzipped = {"Accept-Encoding": "gzip"}
    answer = operator.request("GET", "/metrics", headers=gzipped, port=operator.metrics_port, timeout_seconds=60)
    assert answer.status == 200
    return gzip.decompress(answer.body)


def loop_lag(operator: OperatorProcess) -> dict[float, float]:
    """Cumulative counts of how late the event loop was, by upper bound in seconds."""
    lines = scrape(operator).decode().splitlines(keepends=True)
    text = "".join(line for line in lines if "audit_event_operator_event_loop_lag_seconds" in line)
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        if family.name == "audit_event_operator_event_loop_lag_seconds"
        for sample in family.samples
        if "le" in sample.labels
    }


def slowest_scrape(operator: OperatorProcess) -> float:
    """The longest of three scrapes, gzipped as Prometheus asks for it, in seconds; each time all rows have changed."""
    took = []
    for _ in range(3):
        time.sleep(10)
        began = time.monotonic()
        scrape(operator)
        took.append(time.monotonic() - began)
    return max(took)


def p99_of(before: Mapping[float, float], after: Mapping[float, float]) -> float:
    """The bound of the histogram below which 99 % of what was observed between two readings are, in milliseconds."""
    grown = {bound: count - before.get(bound, 0.0) for bound, count in sorted(after.items())}
    total = max(grown.values())
    return next(bound for bound, count in grown.items() if count >= 0.99 * total) * 1000


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else float("nan")


def sleep_and_see(seconds: float) -> float:
    """Sleep in steps of 100 ms; by how many milliseconds 99 % of them were late at most."""
    late = []
    end = time.monotonic() + seconds
    while (began := time.monotonic()) < end:
        time.sleep(0.1)
        late.append((time.monotonic() - began - 0.1) * 1000)
    return percentile(late, 0.99)


def patch_to_effect(resources: ManyGenerators, published: Published, refs: Sequence[str]) -> float:
    """p99 in milliseconds from sending a patch to the confirm of the event that it makes due.

    A shorter interval makes the next event due at once where the last one is longer ago than that; such resources are taken.
    """
    sent: dict[str, int] = {}
    for ref in refs:
        while ref not in sent:
            last_ns = published.look().times_ns[ref][-1]
            ago = (time.time_ns() - last_ns) / _NS
            if 1.5 < ago < 8:  # else its next event is about to come anyway
                sent[ref] = time.time_ns()
                resources.patch(ref, {"interval": "1s"})
            else:
                time.sleep(0.1)
    time.sleep(2)
    published.look()
    took = [next(at for at in published.times_ns[ref] if at > then) - then for ref, then in sent.items()]
    for ref in refs:
        resources.patch(ref, {"interval": "10s"})
    print(f"  patch to effect: half within {percentile(took, 0.5) / 1e6:.0f} ms", flush=True)
    return percentile(took, 0.99) / 1e6


def make_brokers(cluster: ControlPlane, broker: RabbitMQ, count: int) -> None:
    """So many virtual hosts, and a Secret in each namespace that leads to them."""
    names = [f"many-{number:04}" for number in range(count)]
    everything = {"user": broker.user, "configure": ".*", "write": ".*", "read": ".*"}
    broker.define(
        vhosts=[{"name": name} for name in names], permissions=[everything | {"vhost": name} for name in names]
    )
    for number in range(NAMESPACES):
        secret = broker.secret(SECRET, f"many-{number:02}")
        answer = cluster.request("POST", f"/api/v1/namespaces/many-{number:02}/secrets", secret)
        assert answer.status == 201, answer.body


class Run:
    """One size: what is measured, and what it must not exceed."""

    def __init__(self, kind: Kind, count: int) -> None:
        self._kind, self._count = kind, count
        self.figures: dict[str, float] = {}

    def measure(self, cluster: ControlPlane, broker: RabbitMQ, folder: Path, *, steady: float, delete: bool) -> None:
        kind, figures = self._kind, self.figures
        for number in range(NAMESPACES):
            cluster.create_namespace(f"many-{number:02}")
        if kind.brokers > 1:
            make_brokers(cluster, broker, kind.brokers)
        resources = ManyGenerators(cluster)
        refs = self._create(resources, "stream")
        statuses = Statuses(resources)
        journal = folder / "journal"
        target = broker.environment() | ({"RABBITMQ_PORT": str(free_port())} if kind.broker_down else {})
        env = target | PRODUCTION | {"AEG_JOURNAL_FILE": str(journal)}
        operator = OperatorProcess(folder, "run", kubeconfig=cluster.operator_kubeconfig(), env=env)
        began_ns = time.time_ns()
        operator.start(wait_ready=False)
        usage = Usage(operator.pid)
        try:
            wait_until(journal.exists, timeout_seconds=30, what="the journal", explain=lambda: operator.log[-3000:])
            published = Published(journal)
            if kind.broker_down:
                self._wait(operator, lambda: _all(statuses.told, refs, "BrokerUnreachable"), "BrokerUnreachable")
                figures["ready"] = (time.time_ns() - began_ns) / _NS
            else:
                self._wait(operator, lambda: len(published.look().first_ns) >= self._count, "events")
                figures["publishing"] = (max(published.first_ns.values()) - began_ns) / _NS
                self._wait(operator, lambda: len(statuses.ready_ns) >= self._count, "Ready")
                figures["ready"] = (max(statuses.ready_ns.values()) - began_ns) / _NS
            figures["start rss"] = usage.mib("VmHWM")  # before anything has read /metrics
            figures["start cpu"] = usage.cpu_seconds()
            figures["writes"] = statuses.writes
            at_start = loop_lag(operator)
            figures["start lag"] = p99_of({}, at_start)
            time.sleep(5)
            at_start, cpu, clock = loop_lag(operator), usage.cpu_seconds(), time.monotonic()
            figures["machine"] = sleep_and_see(steady)
            figures["scrape"] = slowest_scrape(operator)
            figures["cpu"] = (usage.cpu_seconds() - cpu) / (time.monotonic() - clock) * 100
            figures["lag"] = p99_of(at_start, loop_lag(operator))
            if not kind.broker_down:
                figures["patch"] = patch_to_effect(resources, published, refs[:: max(1, self._count // PATCHES)])
            figures["rss"], figures["peak"] = usage.mib("VmRSS"), usage.mib("VmHWM")
            if delete:
                self._delete_and_begin_again(operator, resources, statuses, published)
                figures["second peak"] = usage.mib("VmHWM") - figures["peak"]
            must_be_free_of_bugs(operator)
        finally:
            operator.end()

    def _create(self, resources: ManyGenerators, prefix: str) -> list[str]:
        refs = [f"many-{number % NAMESPACES:02}/{prefix}-{number:05}" for number in range(self._count)]
        resources.create(refs, self._spec)
        return refs

    def _spec(self, number: int) -> dict[str, Any]:
        kind = self._kind
        spec = {"queue": f"many-{number % kind.queues:04}", **kind.spec}
        if kind.brokers == 1:
            return spec
        return spec | {"rabbitmq": {"secretRef": {"name": SECRET}, "vhost": f"many-{number % kind.brokers:04}"}}

    def _delete_and_begin_again(
        self, operator: OperatorProcess, resources: ManyGenerators, statuses: Statuses, published: Published
    ) -> None:
        for number in range(NAMESPACES):
            resources.delete_all(f"many-{number:02}")
        self._wait(operator, lambda: len(statuses.deleted_ns) >= self._count, "deletions")
        time.sleep(6)
        published.look()
        gone = [(published.times_ns[ref][-1] - at_ns) / 1e6 for ref, at_ns in statuses.deleted_ns.items()]
        self.figures["stopped"] = max(gone)
        self._create(resources, "again")
        self._wait(operator, lambda: len(published.look().first_ns) >= 2 * self._count, "events")
        self._wait(operator, lambda: len(statuses.ready_ns) >= 2 * self._count, "Ready")
        time.sleep(10)

    def _wait(self, operator: OperatorProcess, condition: Callable[[], bool], what: str) -> None:
        operator.wait_until(condition, timeout_seconds=START_SECONDS, what=f"{self._count} times {what}")

    def missed(self) -> list[str]:
        budgets = {"stopped": 1000.0, "second peak": 30.0} | dict(self._kind.budgets.get(self._count, {}))
        return [
            f"{name} {self.figures[name]:.3g} (budget {most:g})"
            for name, most in budgets.items()
            if self.figures.get(name, 0) > most
        ]


COLUMNS: Final = {
    "publishing": "all publishing, s",
    "ready": "all Ready, s",
    "start cpu": "CPU till then, s",
    "start rss": "peak till then, MiB",
    "writes": "statuses written",
    "start lag": "lag p99 till then, ms",
    "rss": "RSS, MiB",
    "peak": "peak, MiB",
    "cpu": "CPU, %",
    "lag": "lag p99, ms",
    "scrape": "slowest of three scrapes, s",
    "patch": "patch to effect p99, ms",
    "stopped": "deleted to last event, ms",
    "second peak": "second set, MiB more",
    "machine": "lag of the machine p99, ms",
}


def _all(told: Mapping[str, str], refs: Sequence[str], reason: str) -> bool:
    return all(told.get(ref) == reason for ref in refs)


@contextlib.contextmanager
def parts(folder: Path) -> Iterator[tuple[ControlPlane, RabbitMQ]]:
    """A control plane with the operator's rights, and a broker, in an empty folder."""
    for part in ("cluster", "broker", "operator"):
        (folder / part).mkdir()
    with ControlPlane(folder / "cluster") as cluster, RabbitMQ(folder / "broker") as broker:
        cluster.install_crd()
        cluster.install_rbac()
        yield cluster, broker


def main(arguments: Sequence[str]) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks many", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[1_000, 10_000], help="how many resources (1000 10000)")
    parser.add_argument("--kind", choices=KINDS, default="independent")
    parser.add_argument("--steady", type=float, default=STEADY_SECONDS, help="seconds of the steady state (60)")
    parser.add_argument("--delete", action="store_true", help="delete all afterwards, and create as many again")
    options = parser.parse_args(arguments)
    missed = False
    for count in options.sizes:
        run = Run(KINDS[options.kind], count)
        with tempfile.TemporaryDirectory(prefix="aeg-bench-") as folder, parts(Path(folder)) as (cluster, broker):
            run.measure(cluster, broker, Path(folder) / "operator", steady=options.steady, delete=options.delete)
        row = [f"{title} {run.figures[name]:.3g}" for name, title in COLUMNS.items() if name in run.figures]
        print(f"{count:,} {options.kind}: {'; '.join(row)}", flush=True)
        if over := run.missed():
            print(f"  MISSED: {', '.join(over)}", flush=True)
        missed |= bool(over)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
