"""Neither cluster nor broker: events on stdout, everything for people on stderr, HTTP on loopback only."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audit_event_operator.brokers.stream import StreamBrokers
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.ports import AlwaysOurs
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.source import FileSource, uid_of
from audit_event_operator.files.targets import FileTargets, SecretStore
from audit_event_operator.modes.assembly import assemble, authorizer, default_target
from audit_event_operator.modes.lifecycle import listening, prepare_process, stop_event, until_stopped, wind_down
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from audit_event_operator.settings import Settings
from audit_event_operator.web.errors import ListenError
from audit_event_operator.web.ports import HealthChecks

LOOPBACK: Final = "127.0.0.1"
DRAIN_SECONDS: Final = 0.5
"""A reader that has gone will not come back, so the demo does not wait for it."""

DEMO_SPEC: Final = {"interval": "500ms"}


async def run_demo(settings: Settings, files: Sequence[Path], seconds: float | None) -> int:
    """Neither cluster nor broker: events on stdout, everything for people on stderr, HTTP on loopback."""
    who = authorizer(settings, "demo")
    prepare_process()
    stop, totals, secret_store = stop_event(), Totals(), SecretStore()
    brokers = StreamBrokers(sys.stdout.buffer, totals=totals, closed=stop.set)
    targets = FileTargets(default_target(settings), secret_store)
    operator = assemble(settings, brokers, targets, totals, assignment=AlwaysOurs(), default_stream=True)
    health_checks = HealthChecks(livez=operator.failing_livez, readyz=operator.failing_readyz)
    source = FileSource(files, operator.fleet, secret_store)
    collection = source.read() if files else None
    if collection is not None and collection.problems:
        for problem in collection.problems:
            print(problem, file=sys.stderr)
        if not collection.resources:
            return 1
        collection.problems.clear()
    try:
        async with listening(operator, health_checks, who, host=LOOPBACK, fallback_port=True) as servers:
            _welcome(servers.app_port, servers.metrics_port)
            operator.fleet.start()
            operator.spawn(operator.loop_monitor.run(), "the loop monitor")
            if collection is not None:
                source.take_up(collection)
                operator.spawn(source.run(), "the watch of the files")
            else:
                ref = Ref("default", "demo")
                operator.fleet.apply(ref, uid_of(ref), 1, parse_spec(DEMO_SPEC), Progress())
            code = await until_stopped(operator, stop, seconds)
            await wind_down(operator, drain_seconds=DRAIN_SECONDS)
    except ListenError as error:
        print(f"audit-event-operator: {error}", file=sys.stderr)
        return 1
    by_type: dict[str, int] = {}
    for (event_type, _, _), count in totals.generated_by_label.items():
        by_type[event_type] = by_type.get(event_type, 0) + count
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(by_type.items(), key=lambda item: -item[1]))
    print(f"Done: {totals.published} events shown{f' ({kinds})' if kinds else ''}.", file=sys.stderr)
    return code


def _welcome(app_port: int, metrics_port: int) -> None:
    base = f"http://{LOOPBACK}:{app_port}"
    print(
        "Events go to stdout, one JSON object per line; nothing else does. Ctrl-C ends it.\n"
        f"Meanwhile, in another terminal:\n"
        f"  curl {base}/healthz\n"
        f"  curl {base}/generators\n"
        f"  curl {base}/metrics        (also on port {metrics_port})\n"
        f"  curl -H 'Content-Type: application/json' -d '{{\"event_type\":\"user_login\"}}' {base}/generate_event",
        file=sys.stderr,
        flush=True,
    )
