"""No cluster: the stream that the environment describes, or those of watched files, into a real RabbitMQ."""

import logging
from collections.abc import Sequence
from pathlib import Path

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.environment import REF, spec_from_environment
from audit_event_operator.modes.assembly import rabbitmq_brokers
from audit_event_operator.modes.without_cluster import WithoutCluster
from audit_event_operator.resource.problems import SpecError
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.settings import Settings, SettingsError
from audit_event_operator.web.servers import Servers

logger = logging.getLogger(__name__)


async def run_standalone(settings: Settings, files: Sequence[Path]) -> int:
    """Run until a signal; returns the exit code."""
    mode = WithoutCluster(settings, "standalone")
    brokers = rabbitmq_brokers(settings, mode.targets, mode.totals)

    def stream() -> tuple[Ref, GeneratorSpec]:
        try:
            return REF, spec_from_environment(settings.rabbitmq_queue, settings.event_generation_interval_seconds)
        except SpecError as error:
            raise SettingsError(f"RABBITMQ_QUEUE: {error.problems[0].message}") from None

    def started(servers: Servers) -> None:
        logger.info("Listening on ports %d (all routes) and %d (/metrics)", servers.app_port, servers.metrics_port)

    return await mode.run(
        brokers, files, stream, started, host=settings.bind_address, drain_seconds=settings.shutdown_drain_seconds
    )
