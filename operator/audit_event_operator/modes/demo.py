"""Neither cluster nor broker: events on stdout, everything for people on stderr, HTTP on loopback only."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audit_event_operator.brokers.stream import StreamBrokers
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.modes.without_cluster import WithoutCluster
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.settings import Settings
from audit_event_operator.web.servers import Servers

LOOPBACK: Final = "127.0.0.1"
DRAIN_SECONDS: Final = 0.5
"""A reader that is gone will not come back, so the demo does not wait for it."""

DEMO_SPEC: Final = {"interval": "500ms"}


async def run_demo(settings: Settings, files: Sequence[Path], seconds: float | None) -> int:
    """Run until a signal, or for some seconds; returns the exit code."""
    mode = WithoutCluster(settings, "demo")
    brokers = StreamBrokers(sys.stdout.buffer, totals=mode.totals, closed=mode.stop.set)
    code = await mode.run(
        brokers,
        files,
        lambda: (Ref("default", "demo"), parse_spec(DEMO_SPEC)),
        _welcome,
        host=LOOPBACK,
        fallback_port=True,
        seconds=seconds,
        drain_seconds=DRAIN_SECONDS,
    )
    by_type: Counter[str] = Counter()
    for (event_type, _, _), count in mode.totals.generated_by_label.items():
        by_type[event_type] += count
    kinds = ", ".join(f"{count} {name}" for name, count in by_type.most_common())
    print(f"Done: {mode.totals.published} events printed{f' ({kinds})' if kinds else ''}.", file=sys.stderr)
    return code


def _welcome(servers: Servers) -> None:
    base = f"http://{LOOPBACK}:{servers.app_port}"
    print(
        "Printing events to stdout, one JSON object per line, and nothing else. Stop with Ctrl-C.\n"
        f"While this runs, try in another terminal:\n"
        f"  curl {base}/healthz\n"
        f"  curl {base}/generators\n"
        f"  curl {base}/metrics        (also on port {servers.metrics_port})\n"
        f"  curl -H 'Content-Type: application/json' -d '{{\"event_type\":\"user_login\"}}' {base}/generate_event",
        file=sys.stderr,
        flush=True,
    )
