"""One process works, the others stand by: gets the Lease, keeps it and gives it back.

Acts on what `lease` decides, and tells others by callbacks. A holder that cannot reach the API server goes on (nobody can
take a Lease through a server that is away), unless it is strict.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError, Conflict, NotFound, Unreachable
from audit_event_operator.cluster.leadership.gate import LeaseGate
from audit_event_operator.cluster.leadership.lease import (
    Json,
    Record,
    may_write,
    new_lease,
    read_lease,
    released_lease,
    renewed_lease,
)
from audit_event_operator.engine.wakeable_sleep import WakeableSleep

logger = logging.getLogger(__name__)

_REQUEST_SECONDS: Final = 5.0
_RELEASE_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 1.0
_SHORTEST_SLEEP_SECONDS: Final = 0.02
_WATCHED_TURNS: Final = 3
"""After so many missed turns the holder may have renewed unseen, or not have been able to: its time starts again."""


@dataclass(eq=False, kw_only=True)
class LeaderElector:
    """Gets the Lease, keeps it while `run` runs, and gives it back."""

    cluster: Cluster
    gate: LeaseGate
    """Opened and closed here; has the Lease's times and the clock."""
    namespace: str
    name: str
    identity: str
    """Who we are; no other process may have the same."""
    started: Callable[[], None]
    """Called when the Lease has become ours."""
    stopped: Callable[[], None]
    """Called at once when it is not ours any more; the gate is closed by then."""
    strict: bool = False
    """Whether a holder that cannot renew stops."""
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The time of day, aware."""

    def __post_init__(self) -> None:
        self.timing, self.clock = self.gate.timing, self.gate.clock
        self.place = f"{self.namespace}/{self.name}"
        self.trouble: str | None = "The Lease has not been read yet."
        """Why the Lease cannot be read or written, a sentence; None once it could."""
        self._seen: Record | None = None
        self._seen_at = 0.0
        self._looked_at = 0.0
        self._wakeup = WakeableSleep()

    def hurry(self) -> None:
        """Look at the Lease now instead of at the next turn."""
        self._wakeup.wake()

    async def run(self) -> None:
        """Get and keep the Lease until cancelled; then it stays ours until it expires or `release` gives it back."""
        looker = asyncio.create_task(self._look_around(), name="lease-gate")
        try:
            while True:
                asked_at = self.clock()
                seconds = await self._turn(asked_at)
                if self.strict and self.gate.held and self.clock() - self.gate.known_at >= self.timing.renew:
                    self._lose("it could not be renewed in time")
                await self._wakeup.sleep(max(_SHORTEST_SLEEP_SECONDS, asked_at + seconds - self.clock()))
        finally:
            looker.cancel()

    async def release(self) -> None:
        """Give the Lease back, so that the next one need not wait for it to expire. Never raises."""
        if not self.gate.held:
            return
        self.gate.close()
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                lease = await self.cluster.get_lease(self.namespace, self.name)
                if read_lease(lease).holder == self.identity:
                    await self.cluster.update_lease(self.namespace, self.name, released_lease(lease))
        except (ClusterError, TimeoutError) as error:
            why = str(error) or "the API server did not answer"
            logger.warning("Could not release the Lease %s; it will expire: %s", self.place, why)
        else:
            logger.info("Released the Lease %s", self.place)

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _turn(self, asked_at: float) -> float:
        """Look at the Lease once and act; returns after how many seconds to look again."""
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                return await self._look_and_act(asked_at)
        except Conflict:
            return self.timing.retry / 10
        except (Unreachable, TimeoutError) as error:
            self.gate.renewals_fail = True
            self._note(str(error) or f"The API server did not answer within {_REQUEST_SECONDS:g} s.")
        except ClusterError as error:
            self._note(str(error))
        return self.timing.retry

    async def _look_and_act(self, asked_at: float) -> float:
        try:
            lease = await self.cluster.get_lease(self.namespace, self.name)
        except NotFound:
            await self._write(new_lease(self.namespace, self.name), asked_at, new=True)
            return self.timing.retry
        record = read_lease(lease)
        unwatched = asked_at - self._looked_at > _WATCHED_TURNS * self.timing.retry
        self._looked_at = asked_at
        if record != self._seen or unwatched:
            self._seen, self._seen_at = record, asked_at
        if self.gate.held and record.holder != self.identity:
            self._lose(f"{record.holder or 'no one'} holds it now")
        if may_write(record, self.identity, asked_at - self._seen_at):
            await self._write(lease, asked_at)
            return self.timing.retry
        self.trouble = None
        expires = self._seen_at + record.duration_seconds - self.clock()
        return min(self.timing.retry, max(0.05, expires))

    async def _write(self, lease: Json, asked_at: float, *, new: bool = False) -> None:
        wanted = renewed_lease(lease, self.identity, self.timing, self.wall())
        if new:
            await self.cluster.create_lease(self.namespace, wanted)
        else:
            await self.cluster.update_lease(self.namespace, self.name, wanted)
        self._seen, self._seen_at = read_lease(wanted), asked_at
        self.trouble = None
        was_leading = self.gate.held
        self.gate.confirm(asked_at)
        if not was_leading:
            logger.info("Acquired the Lease %s as %s", self.place, self.identity)
            self.started()

    def _lose(self, why: str) -> None:
        self.gate.close()
        logger.warning("Lost the Lease %s: %s", self.place, why)
        self.stopped()

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("Cannot %s the Lease %s: %s", "renew" if self.gate.held else "acquire", self.place, trouble)
        self.trouble = trouble

    async def _look_around(self) -> None:
        while True:
            self.gate.look()
            await asyncio.sleep(_LOOK_SECONDS)
