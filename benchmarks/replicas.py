"""Events per second of 1, 2 and 4 replicas on 4 queues, beside RabbitMQ's PerfTest with as many producers.

Sixteen streams, one in each bucket, ask for more than any process can make. Both sides publish persistent, mandatory messages
of the same size, in turns, into one real RabbitMQ; each stream and each producer has at most 2,048 unconfirmed. Broker, API
server and replicas share the processors of this machine. Where none are idle, more replicas cannot publish more. Without Java
and Maven there is no PerfTest, and a line says so.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from audit_event_operator.cluster.leadership.buckets import BUCKETS, bucket_of
from benchmarks.many import PRODUCTION, Usage, parts
from support.parts.build import cache_folder
from support.parts.controlplane import ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

REPLICAS: Final = (1, 2, 4)
QUEUES: Final = tuple(f"replicas-{number}" for number in range(1, 5))
SECONDS: Final = 15.0
WARM_UP_SECONDS: Final = 3.0
WINDOW: Final = 2_048
BODY_BYTES: Final = 390
"""Of an event of these streams, on average."""
NAMESPACE: Final = "replicas"
SPEC: Final = {"interval": "100ms", "eventsPerInterval": 10_000, "randomSeed": 1}
POM: Final = Path(__file__).parent / "perf-test" / "pom.xml"


def one_in_each_bucket(cluster: ControlPlane) -> None:
    """Sixteen streams; the API server draws the UIDs, so streams are made until each bucket has one."""
    cluster.create_namespace(NAMESPACE)
    generators = Generators(cluster, NAMESPACE)
    taken: set[int] = set()
    number = 0
    while len(taken) < BUCKETS:
        name, number = f"stream-{number}", number + 1
        made: dict[str, Any] = generators.create(name, queue=QUEUES[len(taken) % len(QUEUES)], suspend=True, **SPEC)
        bucket = bucket_of(made["metadata"]["uid"])
        if bucket in taken:
            generators.delete(name)
        taken.add(bucket)
    for each in generators.items():
        generators.patch(each["metadata"]["name"], suspend=False)


@contextmanager
def emptied(broker: Broker) -> Iterator[None]:
    """Leave no message behind."""
    try:
        yield
    finally:
        with broker.channel() as channel:
            for queue in QUEUES:
                channel.queue_purge(queue)


class Processors:
    """How busy the machine is, from the kernel."""

    def __init__(self) -> None:
        self._before = self._read()

    def idle_part(self) -> float:
        """Since the last look."""
        before, self._before = self._before, self._read()
        idle, total = (now - then for now, then in zip(self._before, before, strict=True))
        return idle / total

    @staticmethod
    def _read() -> tuple[float, float]:
        fields = [float(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return fields[3] + fields[4], sum(fields)


def ours(count: int, cluster: ControlPlane, broker: Broker, folder: Path) -> tuple[float, float, float]:
    """Confirmed events per second of so many replicas, CPU microseconds per event, and how idle the processors were (0–1)."""
    with ExitStack() as stack:
        replicas = [
            OperatorProcess(
                folder,
                kubeconfig=cluster.operator_kubeconfig(),
                env=broker.environment() | PRODUCTION,
                name=f"replica-{count}-{number}",
            )
            for number in range(count)
        ]
        for each in replicas:
            stack.enter_context(each)

        def shared() -> bool:
            held = [each.metric("audit_event_operator_buckets") for each in replicas]
            return held == [BUCKETS / count] * count

        wait_until(shared, timeout_seconds=60, what="fair shares", explain=lambda: replicas[0].log[-2000:])
        time.sleep(WARM_UP_SECONDS)
        usages, processors = [Usage(each.pid) for each in replicas], Processors()
        before, cpu, began = _confirmed(replicas), sum(each.cpu_seconds() for each in usages), time.monotonic()
        time.sleep(SECONDS)
        lasted, events = time.monotonic() - began, _confirmed(replicas) - before
        cpu = sum(each.cpu_seconds() for each in usages) - cpu
        left = processors.idle_part()
        for each in replicas:
            must_be_free_of_bugs(each)
    return events / lasted, cpu / events * 1e6, left


def _confirmed(replicas: Sequence[OperatorProcess]) -> float:
    return sum(each.metric("audit_event_generator_published_success_total") or 0.0 for each in replicas)


def perf_test() -> Path | None:
    """The folder with PerfTest; None where Java or Maven is missing."""
    if shutil.which("java") is None or shutil.which("mvn") is None:
        return None
    version = re.findall(r"<version>([\d.]+\.[\d.]+)</version>", POM.read_text())[-1]
    folder = cache_folder() / f"perf-test-{version}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(prefix="perf-test-") as scratch:
            copy = [
                "mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(POM), "dependency:copy-dependencies",
                f"-DoutputDirectory={scratch}/jars",
            ]  # fmt: skip
            subprocess.run(copy, check=True, stdin=subprocess.DEVNULL)
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(f"{scratch}/jars", folder)
    return folder


def theirs(producers: int, jars: Path, broker: Broker) -> tuple[float, float]:
    """What PerfTest sends per second with so many producers, and how idle the processors were (0–1)."""
    command = [
        "java", "-cp", f"{jars}/*", "com.rabbitmq.perf.PerfTest", "--uri", broker.url,
        "--producers", str(producers), "--consumers", "0", "--predeclared", "--queue-pattern", "replicas-%d",
        "--queue-pattern-from", "1", "--queue-pattern-to", str(len(QUEUES)), "--flag", "persistent", "--flag", "mandatory",
        "--confirm", str(WINDOW), "--size", str(BODY_BYTES), "--time", f"{WARM_UP_SECONDS + SECONDS:.0f}",
    ]  # fmt: skip
    processors = Processors()
    done = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    left = processors.idle_part()
    rates = [float(each) for each in re.findall(r"^.*time .*?confirmed: ([\d.]+) msg/s", done.stdout, re.MULTILINE)]
    assert len(rates) > WARM_UP_SECONDS + 3, done.stdout
    measured = rates[int(WARM_UP_SECONDS) : -1]
    return sum(measured) / len(measured), left


def main() -> int:
    """Measure and print; there is no budget, for it is the machine that decides."""
    jars = perf_test()
    if jars is None:
        print("!!! Java or Maven is missing: there is NO PerfTest to compare with.", flush=True)
    print(f"{os.cpu_count()} processors, {len(QUEUES)} queues, {BODY_BYTES} bytes, window {WINDOW} each\n")
    print("replicas   events/s   of one   CPU/event   processors idle   PerfTest/s   processors idle")
    one = 0.0
    with tempfile.TemporaryDirectory(prefix="aeg-bench-") as folder, parts(Path(folder)) as (cluster, broker):
        one_in_each_bucket(cluster)
        for count in REPLICAS:
            with emptied(broker):
                rate, cpu, left = ours(count, cluster, broker, Path(folder) / "operator")
            one = one or rate
            row = f"{count:8} {rate:10,.0f} {rate / one:8.2f} {cpu:8.1f} µs {left:17.0%}"
            if jars is not None:
                with emptied(broker):
                    peer, left = theirs(count, jars, broker)
                row += f" {peer:12,.0f} {left:17.0%}"
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
