"""How true the rate is: streams from 0.1 to 2,000 events/s side by side in one process, with a real RabbitMQ.

Counts what the broker confirmed within a minute. A slow stream has few events in a minute, and where its ticks fall in the
window is chance, so the error is told in events, too. The exit code is 0 when no stream is off by more than one event, or one
in a thousand.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from support.parts.operator_process import SERIES, OperatorProcess, must_be_free_of_bugs
from support.parts.rabbitmq import RabbitMQ
from support.waiting import wait_until

STREAMS: Final[Mapping[str, tuple[str, int, float]]] = {
    "rate-0.1": ("10s", 1, 0.1),
    "rate-1": ("1s", 1, 1.0),
    "rate-10": ("100ms", 1, 10.0),
    "rate-100": ("10ms", 1, 100.0),
    "rate-500": ("10ms", 5, 500.0),
    "rate-2000": ("10ms", 20, 2000.0),
}
"""Interval, events per interval, and the rate that they make."""
PUBLISHED: Final = f"{SERIES}events_published_total"
MOST_EVENTS, MOST_PART = 1.0, 0.001


def manifests() -> str:
    """All streams, as a file that `standalone -f` reads."""
    return "\n---\n".join(
        json.dumps(
            {
                "apiVersion": "auditflow.jojees.net/v1alpha1",
                "kind": "AuditEventGenerator",
                "metadata": {"name": name},
                "spec": {"queue": name, "interval": interval, "eventsPerInterval": count},
            }
        )
        for name, (interval, count, _) in STREAMS.items()
    )


def main(arguments: Sequence[str]) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks rate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the window (60)")
    seconds: float = parser.parse_args(arguments).seconds
    missed = False
    with tempfile.TemporaryDirectory(prefix="aeg-bench-") as name, RabbitMQ(Path(name)) as broker:
        folder = Path(name) / "operator"
        folder.mkdir()
        (folder / "streams.yaml").write_text(manifests())
        operator = OperatorProcess(folder, "standalone", "-f", folder / "streams.yaml", env=broker.environment())
        with operator:

            def published() -> dict[str, float]:
                families = text_string_to_metric_families(operator.metrics_text())
                samples = [sample for family in families for sample in family.samples]
                counts = {each.labels["generator"]: each.value for each in samples if each.name == PUBLISHED}
                return {stream: counts.get(stream, 0.0) for stream in STREAMS}

            wait_until(lambda: all(published().values()), timeout_seconds=30, what="all streams")
            before, began = published(), time.monotonic()
            time.sleep(seconds)
            after, lasted = published(), time.monotonic() - began
            must_be_free_of_bugs(operator)
    print(f"{'asked for':>12} {'confirmed':>12} {'off by':>12} {'error':>9}")
    for stream, (_, _, rate) in STREAMS.items():
        count = after[stream] - before[stream]
        off = count - rate * lasted
        good = abs(off) <= max(MOST_EVENTS, MOST_PART * rate * lasted)
        missed |= not good
        print(
            f"{rate:10g}/s {count / lasted:10.4g}/s {off:+5.1f} events {off / rate / lasted:+8.2%}"
            + ("" if good else "  MISSED"),
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
