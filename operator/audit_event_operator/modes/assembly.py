"""Puts fleet, submissions, loop monitor and brokers together from the settings; what all modes share."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

from audit_event_operator.brokers.rabbitmq.resolver import TargetLookup
from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.default_stream import DefaultStream
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.loop_monitor import LoopMonitor
from audit_event_operator.engine.ports import Assignment, Brokers, Destinations
from audit_event_operator.engine.submissions import Submissions
from audit_event_operator.journal import DeliveryJournal
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.settings import DEFAULT_RABBITMQ_HOST, Settings, SettingsError, with_mounted
from audit_event_operator.targets.destination import RabbitMQDestination
from audit_event_operator.targets.hosts import HostPolicy
from audit_event_operator.targets.target import Target, TLSMaterial, encrypted
from audit_event_operator.web.auth import Everybody, TokenFile
from audit_event_operator.web.ports import Authorizer


@dataclass(slots=True)
class Operator:
    """What every mode runs."""

    settings: Settings
    context: EngineContext
    fleet: Fleet
    submissions: Submissions
    loop_monitor: LoopMonitor
    journal: DeliveryJournal | None = None
    draining: bool = False
    background: list[asyncio.Task[object]] = field(default_factory=list)

    def failing_livez(self) -> list[str]:
        """Liveness: the loop and the supervisor, never a broker."""
        failing = [] if self.loop_monitor.alive else ["the event loop has been stuck for ten seconds"]
        if self.fleet.running and not self.fleet.sweeping:
            failing.append("the generators' supervisor has stopped")
        return failing

    def failing_readyz(self) -> list[str]:
        """Readiness, as far as it does not depend on a cluster."""
        return ["shutting down"] if self.draining else []

    def spawn(self, work: Coroutine[Any, Any, object], name: str) -> asyncio.Task[object]:
        """Run something in the background that must never end; if it does, the process ends too (see `until_stopped`)."""
        task = asyncio.create_task(work, name=name)
        self.background.append(task)
        return task


def assemble(
    settings: Settings,
    brokers: Brokers,
    destinations: Destinations,
    totals: Totals,
    *,
    assignment: Assignment,
    default_stream: bool,
    progress_kept: bool = True,
    truth_listener: Callable[[bytes], bool] | None = None,
) -> Operator:
    """Put fleet, submissions and loop monitor together around brokers and destinations.

    `progress_kept`: resources have a status, which outlives the process. `truth_listener`: gets the records of the ground
    truth in place of truth queues.

    Raises:
        SettingsError: AEG_JOURNAL_FILE cannot be written.
    """
    journal = _journal(settings.journal_file)
    cap = settings.max_events_per_second_per_namespace
    context = EngineContext(
        brokers=brokers,
        destinations=destinations,
        totals=totals,
        assignment=assignment,
        damping=settings.damping,
        timing=settings.engine_timing,
        cap=Fraction(settings.max_events_per_second),
        namespace_cap=None if cap is None else Fraction(cap),
        journal=journal,
        truth_listener=truth_listener,
        progress_kept=progress_kept,
    )
    destination = RabbitMQDestination.of("", GeneratorSpec(queue=settings.rabbitmq_queue))
    fleet = Fleet(context, DefaultStream(context, destination) if default_stream else None)
    return Operator(
        settings, context, fleet, Submissions(fleet, seconds=settings.post_seconds), LoopMonitor(totals), journal
    )


def _journal(path: Path | None) -> DeliveryJournal | None:
    try:
        return None if path is None else DeliveryJournal(path)
    except OSError as error:
        raise SettingsError(f"AEG_JOURNAL_FILE {path} cannot be written: {error.strerror}") from None


def default_target(settings: Settings) -> Target:
    """The broker that the environment describes; its file of authorities is read now.

    Raises:
        FileNotFoundError: RABBITMQ_CA_FILE cannot be read as text.
    """
    ca_file, port = settings.rabbitmq_ca_file, settings.rabbitmq_port
    try:
        ca_pem = ca_file.read_text(encoding="ascii") if ca_file is not None else None
    except OSError as error:
        raise FileNotFoundError(f"RABBITMQ_CA_FILE {ca_file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileNotFoundError(f"RABBITMQ_CA_FILE {ca_file} cannot be read: it is not PEM text") from None
    return Target(
        host=settings.rabbitmq_host or DEFAULT_RABBITMQ_HOST,
        port=port,
        virtual_host=settings.rabbitmq_vhost,
        username=settings.rabbitmq_user,
        password=settings.rabbitmq_pass.get_secret_value(),
        tls=TLSMaterial(ca_pem=ca_pem) if encrypted(settings.rabbitmq_tls_mode, port, ca_pem) else None,
    )


def default_broker(settings: Settings) -> Callable[[], Awaitable[Target]]:
    """Looks the default broker up anew: a file of authorities or a mounted Secret may have been replaced. Reads aside.

    What it returns raises DestinationUnavailable while the mounted Secret is invalid.
    """

    def look() -> Target:
        try:
            return default_target(with_mounted(settings))
        except SettingsError as error:
            sentence = f"The default broker's Secret is invalid: {error}. Correct it."
            raise DestinationUnavailable(Reason.SECRET_INVALID, sentence) from None

    return partial(asyncio.to_thread, look)


def rabbitmq_brokers(settings: Settings, targets: TargetLookup, totals: Totals, *, most: int) -> Brokers:
    """The real brokers, with at most so many connections."""
    from audit_event_operator.brokers.rabbitmq.brokers import RabbitMQBrokers
    from audit_event_operator.brokers.rabbitmq.dial import Dialer
    from audit_event_operator.brokers.rabbitmq.places import Places

    timing = settings.broker_timing
    policy = HostPolicy.of(settings.allowed_broker_hosts, in_pod="KUBERNETES_SERVICE_HOST" in os.environ)
    connections = Places(most, settings.max_connections_per_namespace)
    return RabbitMQBrokers(
        targets, Dialer(timing, policy), totals=totals, timing=timing, connections=connections, rng=random.Random()
    )


def authorizer(settings: Settings, mode: str) -> Authorizer:
    """Decides who may post, without asking a cluster.

    Raises:
        SettingsError: AEG_API_AUTH=kubernetes, which `mode` does not support.
    """
    if settings.api_auth == "token" and settings.api_token_file is not None:
        return TokenFile(settings.api_token_file)
    if settings.api_auth == "none":
        return Everybody()
    raise SettingsError(
        f"AEG_API_AUTH={settings.api_auth} needs a cluster, and {mode} runs without one; use none or token"
    )


def refuse_reviews(settings: Settings, mode: str) -> None:
    """See that nobody asks for what only a cluster can decide.

    Raises:
        SettingsError: AEG_METRICS_AUTH or AEG_READ_AUTH is kubernetes.
    """
    for variable, value in (("AEG_METRICS_AUTH", settings.metrics_auth), ("AEG_READ_AUTH", settings.read_auth)):
        if value != "none":
            raise SettingsError(f"{variable}={value} needs a cluster, and {mode} runs without one; use none")
