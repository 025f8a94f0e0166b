"""No cluster: the streams of watched files, or one given stream; into a real RabbitMQ, or as a demo on stdout.

In a demo everything for people goes to stderr, and HTTP is served on loopback only.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from audit_event_operator.brokers.stream import StreamBrokers
from audit_event_operator.engine.activity_log import EPISODES_LOGGER
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.ports import AlwaysOurs, Brokers
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.collection import Collection, Found
from audit_event_operator.files.environment import REF, spec_from_environment
from audit_event_operator.files.source import FileSource
from audit_event_operator.files.targets import FileTargets, Secrets
from audit_event_operator.modes.assembly import assemble, authorizer, default_target, rabbitmq_brokers, refuse_reviews
from audit_event_operator.modes.lifecycle import (
    StartError,
    listening,
    prepare_process,
    raise_open_file_limit,
    until_stopped,
)
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.settings import Settings
from audit_event_operator.terminal import tell
from audit_event_operator.web.ports import HealthChecks
from audit_event_operator.web.servers import Servers

logger = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
DRAIN_SECONDS: Final = 0.5
"""A reader that is gone will not come back, so the demo does not wait for it."""

DEMO_SPEC: Final = {"interval": "500ms"}


async def run_standalone(settings: Settings, files: Sequence[Path], truth: TextIO | None = None) -> int:
    """Publish until a signal the stream of the environment, or those of the files; returns the exit code.

    `truth`: gets the records of the ground truth, one a line, in place of truth queues.

    Raises:
        SettingsError: AEG_API_AUTH needs a cluster.
        StartError: the files hold no valid resource, or a port is not available.
    """
    totals = Totals()

    def brokers(targets: FileTargets, _: asyncio.Event) -> Brokers:
        return rabbitmq_brokers(settings, targets, totals, most=raise_open_file_limit())

    def stream() -> Found:
        return Found(REF, spec_from_environment(settings.rabbitmq_queue, settings.event_generation_interval_seconds))

    def started(servers: Servers) -> None:
        logger.info("Listening on ports %d (all routes) and %d (/metrics)", servers.app_port, servers.metrics_port)

    return await _run(settings, files, brokers, stream, started, totals=totals, truth=truth)


async def run_demo(
    settings: Settings, files: Sequence[Path], seconds: float | None, truth: TextIO | None = None
) -> int:
    """Print events until a signal, or for some seconds; returns the exit code and raises as `run_standalone`.

    Episodes of scenarios are told of on stderr, and so is their ground truth unless there is a file for it.
    """
    if sys.stdout is None:
        raise StartError("stdout is closed, so there is nowhere to print events")
    totals, printers, output = Totals(), list[StreamBrokers](), sys.stdout.buffer
    logging.getLogger(EPISODES_LOGGER).setLevel(logging.INFO)

    def brokers(_: FileTargets, stop: asyncio.Event) -> Brokers:
        printers.append(StreamBrokers(output, totals=totals, closed=stop.set))
        return printers[0]

    def stream() -> Found:
        return Found(Ref("default", "demo"), parse_spec(DEMO_SPEC))

    truth = truth or sys.stderr
    code = await _run(
        settings, files, brokers, stream, _welcome, totals=totals, truth=truth, seconds=seconds, demo=True
    )
    (printer,) = printers
    kinds = ", ".join(f"{count} {name}" for name, count in printer.shown.most_common())
    printed = "1 event" if totals.published == 1 else f"{totals.published} events"
    tell(f"Done: {printed} printed{f' ({kinds})' if kinds else ''}.")
    return 1 if printer.failed else code


async def _run(
    settings: Settings,
    files: Sequence[Path],
    brokers: Callable[[FileTargets, asyncio.Event], Brokers],
    stream: Callable[[], Found],
    started: Callable[[Servers], None],
    *,
    totals: Totals,
    truth: TextIO | None,
    seconds: float | None = None,
    demo: bool = False,
) -> int:
    """Run the files' streams, or else `stream`; `brokers` may set the event to end, `started` is called with open ports."""
    mode = "demo" if demo else "standalone"
    refuse_reviews(settings, mode)
    who, stop, secrets = authorizer(settings, mode), prepare_process(), Secrets()
    targets = FileTargets(default_target(settings), secrets)
    operator = assemble(
        settings,
        brokers(targets, stop),
        targets,
        totals,
        assignment=AlwaysOurs(),
        default_stream=True,
        truth_listener=None if truth is None else partial(_write_line, truth),
        progress_kept=demo,  # what a demo prints is all there ever was of it; a file says nothing of an earlier run
    )
    source = FileSource(files, operator.fleet, secrets)
    collection = source.read() if files else Collection({(found := stream()).ref: found})
    if collection.problems and not collection.resources:
        raise StartError("\n".join(["the files contain no valid resource", *collection.problems]))
    health_checks = HealthChecks(livez=operator.failing_livez, readyz=operator.failing_readyz)
    host = LOOPBACK if demo else settings.bind_address
    async with listening(operator, health_checks, who, host=host, fallback_port=demo) as servers:
        started(servers)
        operator.fleet.start()
        source.take_up(collection)
        if files:
            operator.spawn(source.run(), "the file watch")
        drain_seconds = DRAIN_SECONDS if demo else settings.shutdown_drain_seconds
        return await until_stopped(operator, stop, seconds=seconds, drain_seconds=drain_seconds)


def _write_line(file: TextIO, record: bytes) -> bool:
    """One record; a disk that is full stops no stream."""
    try:
        print(record.decode(), file=file, flush=True)
    except OSError as error:
        logger.warning("The ground truth cannot be written to %s: %s", file.name, error.strerror)
        return False
    return True


def _welcome(servers: Servers) -> None:
    base = f"http://{LOOPBACK}:{servers.app_port}"
    tell(
        "Printing events to stdout, one JSON object per line, and nothing else. Stop with Ctrl-C.\n"
        f"While this runs, try in another terminal:\n"
        f"  curl {base}/healthz\n"
        f"  curl {base}/generators\n"
        f"  curl {base}/metrics        (also on port {servers.metrics_port})\n"
        f"  curl -H 'Content-Type: application/json' -d '{{\"event_type\":\"user_login\"}}' {base}/generate_event"
    )
