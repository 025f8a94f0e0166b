"""The operator proper: serves the resources of a cluster, all of them or its share."""

import asyncio
import logging
import os
import secrets
import socket

from audit_event_operator.cluster.access import KubernetesAuthorizer, KubernetesReaders
from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.connection import connect
from audit_event_operator.cluster.api.errors import ClusterError
from audit_event_operator.cluster.leadership.gate import BucketAssignment, MemberGate
from audit_event_operator.cluster.source import ClusterSource
from audit_event_operator.cluster.targets.cluster_targets import ClusterTargets
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.modes.assembly import assemble, authorizer, default_broker, default_target, rabbitmq_brokers
from audit_event_operator.modes.lifecycle import (
    StartError,
    listening,
    prepare_process,
    raise_open_file_limit,
    until_stopped,
)
from audit_event_operator.settings import Settings, with_mounted
from audit_event_operator.web.ports import HealthChecks, SourceCounts

logger = logging.getLogger(__name__)


async def run_in_cluster(settings: Settings) -> int:
    """Run until a signal; returns the exit code."""
    stop, totals = prepare_process(), Totals()
    assignment = BucketAssignment(MemberGate(settings.lease_timing, strict=settings.lease_strict))
    has_default = settings.rabbitmq_host is not None
    if has_default:
        default_target(with_mounted(settings))  # what cannot be read is an error now, not at the first connection
    try:
        connection = await connect(os.environ)
    except ClusterError as error:
        raise StartError(str(error)) from None
    cluster = Cluster(connection, namespaces=settings.namespaces)
    targets = ClusterTargets(
        cluster,
        default_broker(settings) if has_default else None,
        default_namespaces=settings.default_broker_namespaces,
    )
    brokers = rabbitmq_brokers(settings, targets, totals, most=raise_open_file_limit())
    operator = assemble(settings, brokers, targets, totals, assignment=assignment, default_stream=has_default)
    identity = settings.identity or f"{socket.gethostname()}-{secrets.token_hex(4)}"
    own_namespace = settings.lease_namespace or connection.namespace
    source = ClusterSource(
        operator.fleet,
        cluster,
        lambda: connect(os.environ),
        assignment,
        identity=identity,
        namespaces=settings.namespaces,
        lease_namespace=own_namespace,
        lease_name=settings.lease_name,
        rhythm=settings.rhythm,
        pace=settings.pace,
        event_repeat_seconds=settings.event_repeat_seconds,
        ownership=settings.ownership,
    )
    operator.submissions.elsewhere = source.elsewhere
    health_checks = HealthChecks(
        livez=operator.failing_livez,
        readyz=lambda: operator.failing_readyz() or source.readiness(),
        leader=lambda: source.leader,
        warnings=source.warnings,
    )
    counts = SourceCounts(
        reconciles=source.reconciles,
        api_writes=lambda: cluster.writes,
        foreign_owners=source.foreign_owners,
        buckets=lambda: source.buckets,
        members=lambda: source.members,
        apiserver_last_success_unix_seconds=lambda: cluster.last_success_unix_seconds,
    )
    by_cluster = settings.api_auth == "kubernetes"
    who = KubernetesAuthorizer(cluster, own_namespace) if by_cluster else authorizer(settings, "run")
    readers = KubernetesReaders(cluster)
    try:
        async with listening(
            operator,
            health_checks,
            who,
            page_readers=readers if settings.read_auth == "kubernetes" else None,
            metrics_readers=readers if settings.metrics_auth == "kubernetes" else None,
            source=counts,
            host=settings.bind_address,
        ) as servers:
            logger.info(
                "Operator %s is listening on ports %d (all routes) and %d (/metrics)",
                identity, servers.app_port, servers.metrics_port,
            )  # fmt: skip
            leading = operator.spawn(source.run(), "the cluster source")

            async def farewell() -> None:
                await source.flush()
                leading.cancel()
                await asyncio.gather(leading, return_exceptions=True)
                await source.close()

            return await until_stopped(
                operator,
                stop,
                drain_seconds=settings.shutdown_drain_seconds,
                retire=source.retire,
                farewell=farewell,
            )
    finally:
        await connection.close()
