"""From `kubectl patch` to its effect: a shorter interval, sent to a real API server, until the broker confirms the next event.

A hundred resources, one after the other. The exit code is 0 when the slowest hundredth is within 250 ms.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.many import Kind, Run, parts

RESOURCES: Final = 100
MOST_MILLISECONDS: Final = 250
STEADY_SECONDS: Final = 5.0


def main() -> int:
    """Measure, print, judge."""
    run = Run(Kind(budgets={RESOURCES: {"patch": MOST_MILLISECONDS}}), RESOURCES)
    with tempfile.TemporaryDirectory(prefix="aeg-bench-") as folder, parts(Path(folder)) as (cluster, broker):
        run.measure(cluster, broker, Path(folder) / "operator", steady=STEADY_SECONDS, delete=False)
    print(f"the slowest hundredth within {run.figures['patch']:.0f} ms")
    if over := run.missed():
        print(f"  MISSED: {', '.join(over)}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
