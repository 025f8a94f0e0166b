"""From the start of the process to its last log line: the same in every mode."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from audit_event_operator.build import build_info
from audit_event_operator.modes.assembly import Operator
from audit_event_operator.web.app import Site, build_applications
from audit_event_operator.web.auth import Everybody
from audit_event_operator.web.door import HostRule
from audit_event_operator.web.ports import Authorizer, HealthChecks, Readers, SourceCounts
from audit_event_operator.web.servers import ListenError, Servers

logger = logging.getLogger(__name__)

EXECUTOR_THREADS: Final = 64
"""Name look-ups and metrics share the default executor; with cpu+4 threads a dead DNS name would block the others."""

SWITCH_SECONDS: Final = 0.000_5

MOST_OPEN_FILES: Final = 65_536
FILES_FOR_OTHERS: Final = 256

LEDGER_FIELDS: Final = ("generated", "published", "dropped", "in_flight", "buffered", "skipped")


class StartError(Exception):
    """The operator cannot start, although the settings are valid. The text says why, for people."""


@contextlib.asynccontextmanager
async def listening(
    operator: Operator,
    health_checks: HealthChecks,
    who: Authorizer,
    *,
    page_readers: Readers | None = None,
    metrics_readers: Readers | None = None,
    source: SourceCounts | None = None,
    host: str,
    fallback_port: bool = False,
) -> AsyncIterator[Servers]:
    """Serve HTTP and monitor the event loop in the meantime.

    Raises:
        StartError: a port or the address is not available.
    """
    site = Site(
        fleet=operator.fleet,
        submissions=operator.submissions,
        brokers=operator.context.brokers,
        health_checks=health_checks,
        source=source or SourceCounts(),
        authorizer=who,
        page_readers=page_readers or Everybody(),
        metrics_readers=metrics_readers or Everybody(),
        host_rule=HostRule.of(operator.settings.http_hosts, host),
        build=build_info(os.environ),
        metrics_per_resource=operator.settings.metrics_per_resource,
    )
    servers = Servers(
        build_applications(site),
        host=host,
        app_port=operator.settings.app_port,
        metrics_port=operator.settings.prometheus_port,
        fallback_port=fallback_port,
    )
    try:
        await servers.start()
    except ListenError as error:
        raise StartError(str(error)) from None
    operator.spawn(operator.loop_monitor.run(), "the loop monitor")
    try:
        yield servers
    finally:
        await servers.stop()


def raise_open_file_limit() -> int:
    """Allow this process as many open files as it may have; returns how many of them may be connections to brokers.

    The rest is for HTTP, the API server and files. More than 65,536 are not asked for: a limit in the millions makes other
    system calls slow.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    limit = MOST_OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    return limit - min(FILES_FOR_OTHERS, limit // 2)


def prepare_process() -> asyncio.Event:
    """Prepare loop and process; the event is set by the first SIGTERM or SIGINT, and a second one ends the process at once.

    The loop gets an executor that is large enough. The garbage collector looks through few objects at a time, and seldom
    through all: almost nothing here is cyclic, and each of its looks holds up the loop. It counts new objects less those that
    have gone, so what replaces an old object does not count, and is looked through all the same: with ten thousand generators
    it had a million to look through when it had counted to 50,000. Other threads, which write metrics or read the watch, keep
    the interpreter for half a millisecond at a time: with Python's five, each system call of the loop meanwhile cost it five.
    A crash leaves no core file, which would write passwords to the node's disk.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.set_threshold(2_000, 5, 500)
    sys.setswitchinterval(SWITCH_SECONDS)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.set_default_executor(ThreadPoolExecutor(EXECUTOR_THREADS, thread_name_prefix="helper"))

    def on_signal(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


async def until_stopped(
    operator: Operator,
    stop: asyncio.Event,
    *,
    seconds: float | None = None,
    drain_seconds: float,
    retire: Callable[[], None] = lambda: None,
    farewell: Callable[[], Awaitable[object]] | None = None,
) -> int:
    """Wait until `stop`, the time is over or a background task ends, then wind down; returns the exit code.

    Winding down: no more ticks and posts, `retire` from the cluster, drain, `farewell` to it, one line with the ledger,
    disconnect.
    """
    code = await _stopped(operator, stop, seconds)
    operator.draining = True
    retire()
    await operator.fleet.shutdown(drain_seconds)
    if farewell is not None:
        await farewell()
    for task in operator.background:
        task.cancel()
    await asyncio.gather(*operator.background, return_exceptions=True)
    rows = [each.snapshot() for each in operator.fleet.series()]
    logger.info(
        "Stopped: %d events generated, %d published, %d dropped, %d in flight, %d buffered, %d skipped",
        *(sum(getattr(row.counts, name) for row in rows) for name in LEDGER_FIELDS),
    )
    await operator.context.brokers.aclose()
    if operator.journal is not None:
        await asyncio.to_thread(operator.journal.close)
    return code


async def _stopped(operator: Operator, stop: asyncio.Event, seconds: float | None) -> int:
    waiting = asyncio.ensure_future(stop.wait())
    done, _ = await asyncio.wait({waiting, *operator.background}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        error = None if task.cancelled() else task.exception()
        logger.critical("%s ended unexpectedly (this is a bug); exiting", task.get_name(), exc_info=error)
        return 1
    return 0
