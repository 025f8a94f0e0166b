"""From the first signal to the last log line: the same for every mode."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from audit_event_operator.build import commit
from audit_event_operator.modes.assembly import Operator
from audit_event_operator.web.app import Site, build_applications, build_labels
from audit_event_operator.web.ports import Authorizer, HealthChecks, SourceCounts
from audit_event_operator.web.servers import Servers

logger = logging.getLogger(__name__)

EXECUTOR_THREADS: Final = 64
"""Name look-ups and metrics share the default executor; the usual cpu+4 would let one dead DNS name hold up the others."""

LEDGER_FIELDS: Final = ("generated", "published", "dropped", "in_flight", "buffered", "skipped")


@contextlib.asynccontextmanager
async def listening(
    operator: Operator,
    health_checks: HealthChecks,
    who: Authorizer,
    *,
    source: SourceCounts | None = None,
    host: str,
    fallback_port: bool = False,
) -> AsyncIterator[Servers]:
    """Serve HTTP meanwhile."""
    site = Site(
        fleet=operator.fleet,
        submissions=operator.submissions,
        brokers=operator.context.brokers,
        health_checks=health_checks,
        source=source or SourceCounts(),
        authorizer=who,
        build=build_labels(commit(os.environ)),
    )
    servers = Servers(
        build_applications(site),
        host=host,
        app_port=operator.settings.app_port,
        metrics_port=operator.settings.prometheus_port,
        fallback_port=fallback_port,
    )
    await servers.start()
    try:
        yield servers
    finally:
        await servers.stop()


def stop_event() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; a second one ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def prepare_process() -> None:
    """Give the loop an executor that is large enough, the collector of garbage a longer step, and a crash no core file.

    Nearly nothing here is cyclic, and with thousands of generators each full collection holds the loop for long. A core file
    would carry passwords to the node's disk.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.set_threshold(50_000, 20, 100)
    executor = ThreadPoolExecutor(EXECUTOR_THREADS, thread_name_prefix="helper")
    asyncio.get_running_loop().set_default_executor(executor)


async def until_stopped(operator: Operator, stop: asyncio.Event, seconds: float | None = None) -> int:
    """Wait for a signal, for the time to be over, or for a background task to fail; the exit code follows from it."""
    waiting = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait({waiting, *operator.background}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("%s ended by an error; the process ends", task.get_name(), exc_info=error)
        else:
            logger.critical("%s ended, which it never should; the process ends", task.get_name())
        return 1
    return 0


async def wind_down(
    operator: Operator,
    farewell: Callable[[], Awaitable[object]] | None = None,
    *,
    drain_seconds: float | None = None,
) -> None:
    """SIGTERM: no more ticks and posts, drain, say goodbye to the cluster, one line with the ledger, disconnect.

    `drain_seconds` None means what the settings say.
    """
    operator.draining = True
    seconds = operator.settings.shutdown_drain_seconds if drain_seconds is None else drain_seconds
    await operator.fleet.shutdown(seconds)
    if farewell is not None:
        await farewell()
    for task in operator.background:
        task.cancel()
    await asyncio.gather(*operator.background, return_exceptions=True)
    rows = operator.fleet.series()
    logger.info(
        "Stopped: %d events generated, %d published, %d dropped, %d in flight, %d buffered, %d skipped",
        *(sum(getattr(row.counts, name) for row in rows) for name in LEDGER_FIELDS),
    )
    await operator.context.brokers.aclose()
    if operator.journal is not None:
        await asyncio.to_thread(operator.journal.close)
