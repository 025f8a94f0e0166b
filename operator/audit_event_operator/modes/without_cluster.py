"""What `demo` and `standalone` have in common: the streams of watched files or one given stream, and no cluster."""

from collections.abc import Callable, Sequence
from pathlib import Path

from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.ports import AlwaysOurs, Brokers
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.collection import Collection, Found
from audit_event_operator.files.source import FileSource
from audit_event_operator.files.targets import FileTargets, SecretStore
from audit_event_operator.modes.assembly import assemble, authorizer, default_target
from audit_event_operator.modes.lifecycle import StartError, listening, prepare_process, until_stopped
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.settings import Settings
from audit_event_operator.web.ports import HealthChecks
from audit_event_operator.web.servers import Servers


class WithoutCluster:
    """A run of one of these modes; prepares the process.

    Args:
        settings: all settings.
        mode: the command's name.

    Raises:
        SettingsError: AEG_API_AUTH needs a cluster.
    """

    def __init__(self, settings: Settings, mode: str) -> None:
        self._settings = settings
        self._authorizer = authorizer(settings, mode)
        self._secrets = SecretStore()
        self.stop = prepare_process()
        self.totals = Totals()
        self.targets = FileTargets(default_target(settings), self._secrets)

    async def run(
        self,
        brokers: Brokers,
        files: Sequence[Path],
        stream: Callable[[], tuple[Ref, GeneratorSpec]],
        started: Callable[[Servers], None],
        *,
        host: str,
        fallback_port: bool = False,
        seconds: float | None = None,
        drain_seconds: float,
    ) -> int:
        """Run until a signal or for some seconds; returns the exit code.

        Args:
            brokers: where the events go.
            files: files and folders to watch.
            stream: the stream to run if there are no files.
            started: called when the ports are open.
            host: the address to listen on.
            fallback_port: take any free port if one is taken.
            seconds: how long to run; None for no end.
            drain_seconds: how long generators may drain at the end.

        Raises:
            StartError: the files hold no valid resource, or a port is not available.
        """
        operator = assemble(
            self._settings, brokers, self.targets, self.totals, assignment=AlwaysOurs(), default_stream=True
        )
        source = FileSource(files, operator.fleet, self._secrets)
        collection = source.read() if files else Collection({ref: Found(ref, spec) for ref, spec in [stream()]})
        if collection.problems and not collection.resources:
            raise StartError("\n".join(["the files contain no valid resource", *collection.problems]))
        health_checks = HealthChecks(livez=operator.failing_livez, readyz=operator.failing_readyz)
        async with listening(
            operator, health_checks, self._authorizer, host=host, fallback_port=fallback_port
        ) as servers:
            started(servers)
            operator.fleet.start()
            source.take_up(collection)
            if files:
                operator.spawn(source.run(), "the file watch")
            return await until_stopped(operator, self.stop, seconds=seconds, drain_seconds=drain_seconds)
