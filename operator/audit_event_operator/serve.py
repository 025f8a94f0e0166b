"""Puts the objects of a running operator together, for each of its three modes, and runs them until a signal.

The only place that knows everybody; it decides nothing that one of the packages could decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import random
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from audit_event_operator.build import commit
from audit_event_operator.engine.desk import Desk
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.lane import Lane
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.ports import (
    AlwaysOpen,
    Brokers,
    BrokerTargets,
    Gate,
    OutletRequest,
    Target,
    TargetKind,
    TargetReference,
    TLSMaterial,
)
from audit_event_operator.engine.pulse import Pulse
from audit_event_operator.engine.readiness import Damping
from audit_event_operator.engine.tools import Tools
from audit_event_operator.resource.spec import DeclarationMode, Delivery, QueueType, TLSMode, parse_spec
from audit_event_operator.settings import DEFAULT_RABBITMQ_HOST, Settings
from audit_event_operator.web.app import Site, build_applications, build_labels
from audit_event_operator.web.auth import Everybody, TokenFile
from audit_event_operator.web.errors import ListenError
from audit_event_operator.web.ports import Authorizer, SourceCounts, Vital
from audit_event_operator.web.servers import Servers

logger = logging.getLogger(__name__)

EXECUTOR_THREADS: Final = 64
"""Name look-ups and metrics share the default executor; the usual cpu+4 would let one dead DNS name hold up the others."""

LOOPBACK: Final = "127.0.0.1"


@dataclass(slots=True)
class Operator:
    """Everything that all modes have."""

    settings: Settings
    tools: Tools
    fleet: Fleet
    desk: Desk
    pulse: Pulse
    draining: bool = False
    background: list[asyncio.Task[object]] = field(default_factory=list)

    def failing_livez(self) -> list[str]:
        """Liveness: the loop and the supervisor, never a broker."""
        failing = [] if self.pulse.alive else ["the event loop has not turned for ten seconds"]
        if self.fleet.running and not self.fleet.sweeping:
            failing.append("the supervisor of the generators has ended")
        return failing

    def failing_readyz(self) -> list[str]:
        """Readiness of a mode without a cluster."""
        return ["shutting down"] if self.draining else []

    def spawn(self, work: Awaitable[object], name: str) -> asyncio.Task[object]:
        """Run something beside; if it ends by an error, the operator ends too, for that is a bug."""
        task = asyncio.create_task(_awaited(work), name=name)
        self.background.append(task)
        return task


async def _awaited(work: Awaitable[object]) -> object:
    return await work


def assemble(
    settings: Settings, brokers: Brokers, targets: BrokerTargets, totals: Totals, gate: Gate, *, lane: bool
) -> Operator:
    """Put fleet, desk and pulse together around brokers and targets."""
    cap = settings.max_events_per_second_per_namespace
    tools = Tools(
        brokers=brokers,
        targets=targets,
        totals=totals,
        gate=gate,
        damping=Damping(settings.unreachable_seconds, settings.blocked_seconds, settings.backpressure_seconds),
        cap=Fraction(settings.max_events_per_second),
        namespace_cap=None if cap is None else Fraction(cap),
        target_drain_seconds=settings.target_drain_seconds,
        deletion_grace_seconds=settings.deletion_grace_seconds,
        spread_seconds=settings.start_spread_seconds,
        departed_seconds=settings.departed_series_seconds,
    )
    request = OutletRequest(
        TargetReference(TargetKind.DEFAULT),
        settings.rabbitmq_queue,
        DeclarationMode.CREATE_IF_MISSING,
        QueueType.CLASSIC,
        Delivery.AT_LEAST_ONCE,
    )
    fleet = Fleet(tools, Lane(tools, request) if lane else None)
    return Operator(settings, tools, fleet, Desk(fleet, seconds=settings.post_seconds), Pulse(totals))


def default_target(settings: Settings) -> Target:
    """The broker that the environment describes; its file of authorities is read now.

    Raises:
        FileNotFoundError: RABBITMQ_CA_FILE leads nowhere.
    """
    mode, ca_file = settings.rabbitmq_tls_mode, settings.rabbitmq_ca_file
    encrypted = mode is TLSMode.VERIFY or (
        mode is TLSMode.AUTO and (settings.rabbitmq_port == 5671 or ca_file is not None)
    )
    try:
        ca_pem = ca_file.read_text(encoding="ascii") if ca_file is not None else None
    except OSError as error:
        raise FileNotFoundError(f"RABBITMQ_CA_FILE {ca_file} cannot be read: {error.strerror}") from None
    return Target(
        host=settings.rabbitmq_host or DEFAULT_RABBITMQ_HOST,
        port=settings.rabbitmq_port,
        virtual_host=settings.rabbitmq_vhost,
        username=settings.rabbitmq_user,
        password=settings.rabbitmq_pass.get_secret_value(),
        tls=TLSMaterial(ca_pem=ca_pem) if encrypted else None,
    )


def rabbitmq_brokers(settings: Settings, targets: BrokerTargets, totals: Totals, gate: Gate) -> Brokers:
    """The real brokers."""
    from audit_event_operator.brokers.hosts import HostPolicy
    from audit_event_operator.brokers.rabbitmq import RabbitMQBrokers, Timing

    timing = Timing(
        connect_seconds=settings.connect_seconds,
        rpc_seconds=settings.rpc_seconds,
        confirm_seconds=settings.confirm_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        backoff_min_seconds=settings.backoff_min_seconds,
        backoff_max_seconds=settings.backoff_max_seconds,
        slow_retry_min_seconds=settings.slow_retry_min_seconds,
        slow_retry_max_seconds=settings.slow_retry_max_seconds,
        secret_failing_seconds=settings.secret_failing_seconds,
        secret_connected_seconds=settings.secret_connected_seconds,
    )
    policy = HostPolicy.of(settings.allowed_broker_hosts, in_pod="KUBERNETES_SERVICE_HOST" in os.environ)
    return RabbitMQBrokers(targets, gate=gate, totals=totals, timing=timing, allowed=policy, pick=random.Random())


def authorizer(settings: Settings) -> Authorizer:
    """Who may post, for the modes that need no cluster."""
    if settings.api_auth == "token" and settings.api_token_file is not None:
        return TokenFile(settings.api_token_file)
    return Everybody()


@contextlib.asynccontextmanager
async def listening(
    operator: Operator,
    vital: Vital,
    who: Authorizer,
    *,
    source: SourceCounts | None = None,
    host: str,
    fallback_port: bool = False,
) -> AsyncIterator[Servers]:
    """Serve HTTP meanwhile."""
    site = Site(
        fleet=operator.fleet,
        desk=operator.desk,
        brokers=operator.tools.brokers,
        vital=vital,
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


def prepare_loop() -> None:
    """Give the loop an executor that is large enough, and the collector of garbage a longer step.

    Nearly nothing here is cyclic, and with thousands of generators each full collection holds the loop for long.
    """
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


async def wind_down(operator: Operator, farewell: Callable[[], Awaitable[object]] | None = None) -> None:
    """SIGTERM: no more ticks and posts, drain, say goodbye to the cluster, one line with the ledger, disconnect."""
    operator.draining = True
    await operator.fleet.shutdown(operator.settings.shutdown_drain_seconds)
    if farewell is not None:
        await farewell()
    for task in operator.background:
        task.cancel()
    await asyncio.gather(*operator.background, return_exceptions=True)
    rows = operator.fleet.series()
    logger.info(
        "Stopped: %d events generated, %d published, %d dropped, %d in flight, %d buffered, %d skipped",
        *(sum(getattr(row, name) for row in rows) for name in LEDGER_FIELDS),
    )
    await operator.tools.brokers.aclose()


LEDGER_FIELDS: Final = ("generated", "published", "dropped", "in_flight", "buffered", "skipped")


async def run_standalone(settings: Settings, files: Sequence[Path]) -> int:
    """No cluster: the environment's one generator, or those of watched files, into a real RabbitMQ."""
    from audit_event_operator.files.environment import REF, spec_from_environment
    from audit_event_operator.files.source import FileSource, uid_of
    from audit_event_operator.files.targets import FileTargets, SecretShelf
    from audit_event_operator.resource.status import Progress

    prepare_loop()
    stop, totals, shelf, gate = stop_event(), Totals(), SecretShelf(), AlwaysOpen()
    targets = FileTargets(default_target(settings), shelf)
    brokers = rabbitmq_brokers(settings, targets, totals, gate)
    operator = assemble(settings, brokers, targets, totals, gate, lane=True)
    vital = Vital(livez=operator.failing_livez, readyz=operator.failing_readyz)
    source = FileSource(files, operator.fleet, shelf)
    collection = source.read() if files else None
    if collection is not None and collection.problems and not collection.resources:
        for problem in collection.problems:
            print(problem, file=sys.stderr)
        return 1
    try:
        async with listening(operator, vital, authorizer(settings), host=settings.bind_address) as servers:
            logger.info("Listening on ports %d (all routes) and %d (/metrics)", servers.app_port, servers.metrics_port)
            operator.fleet.start()
            operator.spawn(operator.pulse.run(), "the pulse")
            if collection is not None:
                source.take_up(collection)
                operator.spawn(source.run(), "the watch of the files")
            else:
                spec = spec_from_environment(settings.rabbitmq_queue, settings.event_interval)
                operator.fleet.apply(REF, uid_of(REF), 1, spec, Progress())
            code = await until_stopped(operator, stop)
            await wind_down(operator)
    except ListenError as error:
        print(f"audit-event-operator: {error}", file=sys.stderr)
        return 1
    return code


DEMO_SPEC: Final = {"interval": "500ms"}


async def run_demo(settings: Settings, files: Sequence[Path], seconds: float | None) -> int:
    """Neither cluster nor broker: events on stdout, everything for people on stderr, HTTP on loopback."""
    from audit_event_operator.brokers.stream import StreamBrokers
    from audit_event_operator.engine.snapshot import Ref
    from audit_event_operator.files.source import FileSource, uid_of
    from audit_event_operator.files.targets import FileTargets, SecretShelf
    from audit_event_operator.resource.status import Progress

    prepare_loop()
    stop, totals, shelf = stop_event(), Totals(), SecretShelf()
    brokers = StreamBrokers(sys.stdout.buffer, totals=totals, closed=stop.set)
    targets = FileTargets(default_target(settings), shelf)
    operator = assemble(settings, brokers, targets, totals, AlwaysOpen(), lane=True)
    vital = Vital(livez=operator.failing_livez, readyz=operator.failing_readyz)
    source = FileSource(files, operator.fleet, shelf)
    collection = source.read() if files else None
    if collection is not None and collection.problems:
        for problem in collection.problems:
            print(problem, file=sys.stderr)
        if not collection.resources:
            return 1
        collection.problems.clear()
    try:
        async with listening(operator, vital, authorizer(settings), host=LOOPBACK, fallback_port=True) as servers:
            _welcome(servers.app_port, servers.metrics_port)
            operator.fleet.start()
            operator.spawn(operator.pulse.run(), "the pulse")
            if collection is not None:
                source.take_up(collection)
                operator.spawn(source.run(), "the watch of the files")
            else:
                ref = Ref("default", "demo")
                operator.fleet.apply(ref, uid_of(ref), 1, parse_spec(DEMO_SPEC), Progress())
            code = await until_stopped(operator, stop, seconds)
            await wind_down(operator)
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


async def run_in_cluster(settings: Settings) -> int:
    """The operator proper: resources of a cluster, one working process by Lease."""
    from audit_event_operator.cluster.access import KubernetesAuthorizer
    from audit_event_operator.cluster.client import Cluster
    from audit_event_operator.cluster.connection import connect
    from audit_event_operator.cluster.errors import ClusterError
    from audit_event_operator.cluster.gate import LeaseGate, LeaseTiming
    from audit_event_operator.cluster.reporter import Pace
    from audit_event_operator.cluster.source import ClusterSource, Options
    from audit_event_operator.cluster.tally import Kind, Result, Tally
    from audit_event_operator.cluster.targets import ClusterTargets
    from audit_event_operator.cluster.term import Rhythm

    prepare_loop()
    stop, totals, tally = stop_event(), Totals(), Tally()
    timing = LeaseTiming(settings.lease_duration_seconds, settings.lease_renew_seconds, settings.lease_retry_seconds)
    gate = LeaseGate(timing)
    has_default = settings.rabbitmq_host is not None
    if has_default:
        default_target(settings)  # a file of authorities that cannot be read is said now, not at the first connection
    try:
        connection = await connect(os.environ)
    except ClusterError as error:
        print(f"audit-event-operator: {error}", file=sys.stderr)
        return 1
    cluster = Cluster(connection, namespaces=settings.namespaces, succeeded=tally.succeeded)
    targets = ClusterTargets(
        cluster,
        (lambda: default_target(settings)) if has_default else None,
        default_namespaces=settings.default_broker_namespaces,
    )
    brokers = rabbitmq_brokers(settings, targets, totals, gate)
    operator = assemble(settings, brokers, targets, totals, gate, lane=has_default)
    options = Options(
        identity=settings.identity or f"{socket.gethostname()}-{secrets.token_hex(4)}",
        namespaces=settings.namespaces,
        lease_name=settings.lease_name,
        lease_namespace=settings.lease_namespace,
        lease_strict=settings.lease_strict,
        timing=timing,
        rhythm=Rhythm(resync=settings.resync_seconds, crd_poll=settings.crd_poll_seconds),
        pace=Pace(counters_seconds=settings.status_counter_seconds),
        event_repeat_seconds=settings.event_repeat_seconds,
    )
    own_namespace = settings.lease_namespace or connection.namespace
    source = ClusterSource(
        operator.fleet,
        cluster,
        lambda: connect(os.environ),
        gate,
        own_namespace=own_namespace,
        options=options,
        tally=tally,
    )
    vital = Vital(
        livez=operator.failing_livez,
        readyz=lambda: operator.failing_readyz() or source.readiness(),
        leader=lambda: source.leader,
    )
    counts = SourceCounts(
        reconciles=source.reconciles,
        api_writes=lambda: {(kind, result): tally.writes[kind, result] for kind in Kind for result in Result},
        apiserver_last_success_unix_seconds=lambda: tally.last_success_unix_seconds,
    )
    who = KubernetesAuthorizer(cluster, own_namespace) if settings.api_auth == "kubernetes" else authorizer(settings)
    try:
        async with listening(operator, vital, who, source=counts, host=settings.bind_address) as servers:
            logger.info(
                "Operator %s listens on ports %d (all routes) and %d (/metrics)",
                options.identity, servers.app_port, servers.metrics_port,
            )  # fmt: skip
            operator.spawn(operator.pulse.run(), "the pulse")
            leading = operator.spawn(source.run(), "the cluster source")
            code = await until_stopped(operator, stop)

            async def farewell() -> None:
                await source.flush()
                leading.cancel()
                await asyncio.gather(leading, return_exceptions=True)
                await source.close()

            await wind_down(operator, farewell)
    except ListenError as error:
        print(f"audit-event-operator: {error}", file=sys.stderr)
        return 1
    finally:
        await connection.close()
    return code
