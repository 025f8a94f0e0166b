"""Listens on the two ports and stops in time. A port that cannot be had is said in a sentence that names the setting."""

import asyncio
import errno
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from audit_event_operator.web.app import Applications
from audit_event_operator.web.listener import Runner

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS: Final = 3.0
RUNNER_SETTINGS: Final[dict[str, Any]] = {
    "access_log": None,
    "auto_decompress": False,  # a compressed body is refused, so it must not be unpacked on its way to the refusal
    "keepalive_timeout": 75.0,
    "lingering_time": 3.0,  # how long the rest of a refused body is read, so that its sender sees the answer
}


class ListenError(OSError):
    """A port or address cannot be listened on; the sentence names the setting."""


@dataclass(slots=True)
class Servers:
    """The listeners of this process.

    `app_port` (APP_PORT) serves everything, `metrics_port` (PROMETHEUS_PORT) /metrics alone; 0 is any free one, and once
    started they are what was taken. `fallback_port`: when a port is taken, take any free one instead of failing.
    `shutdown_seconds`: how long requests under way may take when it ends; what hangs is cancelled after twice that.
    """

    applications: Applications
    host: str
    app_port: int
    metrics_port: int
    fallback_port: bool = False
    shutdown_seconds: float = SHUTDOWN_SECONDS
    _runners: list[web.AppRunner] = field(default_factory=list)

    async def start(self) -> None:
        """Listen on both ports, or on none.

        Raises:
            ListenError: a port or the address cannot be had; the sentence says which setting to change.
        """
        try:
            self.app_port = await self._listen(self.applications.main, "APP_PORT", self.app_port)
            self.metrics_port = await self._listen(self.applications.metrics, "PROMETHEUS_PORT", self.metrics_port)
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close both listeners, letting requests under way finish for a while. Idempotent."""
        runners, self._runners = self._runners, []
        await asyncio.gather(*(runner.cleanup() for runner in runners))

    async def _listen(self, application: web.Application, variable: str, port: int) -> int:
        runner = Runner(
            application, shutdown_timeout=self.shutdown_seconds, logger=_protocol_logger(), **RUNNER_SETTINGS
        )
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, self.host, port).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not self.fallback_port:
                raise ListenError(self._why_not(error, variable, port)) from error
            logger.debug("%s %d is in use; picking a free port", variable, port)
            await web.TCPSite(runner, self.host, 0).start()
        taken: int = runner.addresses[0][1]
        return taken

    def _why_not(self, error: OSError, variable: str, port: int) -> str:
        if error.errno == errno.EADDRINUSE:
            return (
                f"{variable} {port} is in use by another process or by the other port. Set {variable} to a free port."
            )
        if error.errno == errno.EACCES:
            return f"{variable} {port} needs privileges that this process lacks. Set {variable} to 1024 or above."
        return f"Cannot listen on AEG_BIND_ADDRESS {self.host}, {variable} {port}: {error.strerror or error}."


def _protocol_logger() -> logging.Logger:
    """Where aiohttp complains of what is not HTTP, with tracebacks that any stranger can cause: heard only at debug level.

    Errors of our own handlers are logged by the middleware and never get there.
    """
    protocol = logging.getLogger(f"{__name__}.protocol")
    if not logger.isEnabledFor(logging.DEBUG):
        protocol.setLevel(logging.CRITICAL)
    return protocol
