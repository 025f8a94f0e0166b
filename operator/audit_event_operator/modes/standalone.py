"""No cluster: the stream that the environment describes, or those of watched files, into a real RabbitMQ."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.ports import AlwaysOpen, AlwaysOurs
from audit_event_operator.files.environment import REF, spec_from_environment
from audit_event_operator.files.source import FileSource, uid_of
from audit_event_operator.files.targets import FileTargets, SecretStore
from audit_event_operator.modes.assembly import assemble, authorizer, default_target, rabbitmq_brokers
from audit_event_operator.modes.lifecycle import listening, prepare_process, stop_event, until_stopped, wind_down
from audit_event_operator.resource.status import Progress
from audit_event_operator.settings import Settings
from audit_event_operator.web.errors import ListenError
from audit_event_operator.web.ports import HealthChecks

logger = logging.getLogger(__name__)


async def run_standalone(settings: Settings, files: Sequence[Path]) -> int:
    """No cluster: the environment's one generator, or those of watched files, into a real RabbitMQ."""
    who = authorizer(settings, "standalone")
    prepare_process()
    stop, totals, secret_store = stop_event(), Totals(), SecretStore()
    targets = FileTargets(default_target(settings), secret_store)
    brokers = rabbitmq_brokers(settings, targets, totals, AlwaysOpen())
    operator = assemble(settings, brokers, targets, totals, assignment=AlwaysOurs(), default_stream=True)
    health_checks = HealthChecks(livez=operator.failing_livez, readyz=operator.failing_readyz)
    source = FileSource(files, operator.fleet, secret_store)
    collection = source.read() if files else None
    if collection is not None and collection.problems and not collection.resources:
        for problem in collection.problems:
            print(problem, file=sys.stderr)
        return 1
    try:
        async with listening(operator, health_checks, who, host=settings.bind_address) as servers:
            logger.info("Listening on ports %d (all routes) and %d (/metrics)", servers.app_port, servers.metrics_port)
            operator.fleet.start()
            operator.spawn(operator.loop_monitor.run(), "the loop monitor")
            if collection is not None:
                source.take_up(collection)
                operator.spawn(source.run(), "the watch of the files")
            else:
                spec = spec_from_environment(settings.rabbitmq_queue, settings.event_generation_interval_seconds)
                operator.fleet.apply(REF, uid_of(REF), 1, spec, Progress())
            code = await until_stopped(operator, stop)
            await wind_down(operator)
    except ListenError as error:
        print(f"audit-event-operator: {error}", file=sys.stderr)
        return 1
    return code
