"""One generator at full speed beside a bare pika flood of the same bodies, in turns, into the same real RabbitMQ.

Each run is a process of its own, so that neither pays for the other; both keep 2,048 events unconfirmed. The exit code is 0
when the medians are within the budgets (ratio at least 0.9, at most 30 µs of CPU per event), else 1.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
for folder in ("tests", "operator"):
    sys.path.insert(0, str(ROOT / folder))

from support.parts.rabbitmq import Broker, RabbitMQ  # noqa: E402

RATIO_MIN = 0.9
CPU_MAX_MICROSECONDS = 30.0


def main() -> int:
    """Measure, print, judge."""
    if sys.argv[1:2] == ["many"]:
        from benchmarks import many

        return many.main(sys.argv[2:])
    if sys.argv[1:2] == ["rate"]:
        from benchmarks import rate

        return rate.main(sys.argv[2:])
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument(
        "what",
        nargs="?",
        choices=("delivery", "events", "generate", "many", "patch", "rate", "replicas", "scrape", "simulation"),
        default="delivery",
        help="events: making them, without a broker; generate: writing them into a file; many: resources in one process; "
        "patch: from a patch to its effect; rate: how true the rate is; replicas: events/s of several beside PerfTest; "
        "scrape: /metrics of a large fleet; simulation: several replicas on virtual time",
    )
    arguments.add_argument("--activity", choices=("Independent", "Sessions"), default="Independent")
    arguments.add_argument("--runs", type=int, default=5, help="alternating runs of each (default 5)")
    arguments.add_argument("--seconds", type=float, default=5.0, help="length of one run (default 5)")
    options = arguments.parse_args()
    if options.what == "events":
        from benchmarks import events

        return events.main()
    if options.what == "generate":
        from benchmarks import generate

        return generate.main()
    if options.what == "patch":
        from benchmarks import patch

        return patch.main()
    if options.what == "replicas":
        from benchmarks import replicas

        return replicas.main()
    if options.what == "scrape":
        from benchmarks import scrape

        return scrape.main()
    if options.what == "simulation":
        from benchmarks import fleet_simulation

        return fleet_simulation.main()
    os.environ["BENCH_ACTIVITY"] = options.activity
    with _broker() as broker:
        print(f"{options.runs} alternating runs of {options.seconds:g} s each, window 2048, persistent, confirmed\n")
        print("  run   generator/s   bare pika/s   ratio   generator CPU/event   bare CPU/event")
        rows = []
        for number in range(1, options.runs + 1):
            # Whoever is first in one run is second in the next: the machine is not the same for both otherwise.
            order = ["bare", "generator"] if number % 2 else ["generator", "bare"]
            result = {name: _run(name, broker, options.seconds) for name in order}
            ours, bare = result["generator"], result["bare"]
            rows.append((ours["rate"], bare["rate"], ours["rate"] / bare["rate"], ours["cpu"], bare["cpu"]))
            print(f"{number:5}  {_row(rows[-1])}", flush=True)
    medians = tuple(statistics.median(column) for column in zip(*rows, strict=True))
    ratio, cpu = medians[2], medians[3]
    print(f"median {_row(medians)}\n")
    good = ratio >= RATIO_MIN and cpu <= CPU_MAX_MICROSECONDS
    print(
        f"{'ok' if good else 'MISSED'}: ratio {ratio:.2f} (budget ≥{RATIO_MIN}), "
        f"{cpu:.1f} µs of CPU per event (budget ≤{CPU_MAX_MICROSECONDS:g})"
    )
    return 0 if good else 1


def _row(row: tuple[float, ...]) -> str:
    ours, bare, ratio, cpu, bare_cpu = row
    return f"{ours:11,.0f}   {bare:11,.0f}   {ratio:5.2f}   {cpu:16.1f} µs   {bare_cpu:11.1f} µs"


def _run(name: str, broker: Broker, seconds: float) -> dict[str, Any]:
    queue = f"bench-{name}"
    broker.delete(queue)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in (".", "operator", "tests")),
        "BENCH_BROKER": json.dumps([broker.host, broker.port, broker.vhost, broker.user, broker.password]),
    }
    command = [sys.executable, "-m", f"benchmarks.{name}", queue, str(seconds)]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=seconds + 60
    )
    broker.delete(queue)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@contextmanager
def _broker() -> Iterator[Broker]:
    if url := os.environ.get("AEG_TEST_AMQP_URL"):
        yield Broker.from_url(url)
        return
    with tempfile.TemporaryDirectory(prefix="aeg-bench-") as folder, RabbitMQ(Path(folder)) as broker:
        yield broker


if __name__ == "__main__":
    sys.exit(main())
