"""One process works, the others stand by: gets the Lease, keeps it and gives it back.

Acts on what `lease` decides, and tells others by callbacks. A holder that cannot reach the API server goes on (nobody can
take a Lease through a server that is away), unless it is strict.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.counts import ApiCounts, Kind
from audit_event_operator.cluster.api.errors import ClusterError, Conflict, NotFound
from audit_event_operator.cluster.api.errors import Unreachable as ServerUnreachable
from audit_event_operator.cluster.leadership.gate import LeaseGate, time_of_boot
from audit_event_operator.cluster.leadership.lease import (
    Json,
    LeaseTiming,
    Record,
    Step,
    decide,
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


class LeaderElector:
    """Gets the Lease, keeps it while `run` runs, and gives it back.

    Args:
        cluster: the API server.
        gate: opened and closed here.
        namespace: of the Lease.
        name: of the Lease.
        identity: who we are; no other process may have the same.
        started: called when the Lease has become ours.
        stopped: called at once when it is not ours any more; the gate is closed by then.
        timing: the Lease's times.
        strict: whether a holder that cannot renew stops.
        api_counts: counts the writes.
        clock: the gate's.
        wall: the time of day, aware.
    """

    def __init__(
        self,
        cluster: Cluster,
        gate: LeaseGate,
        *,
        namespace: str,
        name: str,
        identity: str,
        started: Callable[[], None],
        stopped: Callable[[], None],
        timing: LeaseTiming = LeaseTiming(),  # noqa: B008 - frozen
        strict: bool = False,
        api_counts: ApiCounts | None = None,
        clock: Callable[[], float] = time_of_boot,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cluster = cluster
        self._gate = gate
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._started = started
        self._stopped = stopped
        self._timing = timing
        self._strict = strict
        self._api_counts = api_counts or ApiCounts()
        self._clock = clock
        self._wall = wall
        self._seen: Record | None = None
        self._seen_at = 0.0
        self._looked_at = 0.0
        self._wakeup = WakeableSleep()
        self.trouble: str | None = "The Lease has not been read yet."
        """Why the Lease cannot be read or written, a sentence; None once it could."""

    @property
    def leading(self) -> bool:
        """Whether the Lease is ours."""
        return self._gate.held

    @property
    def place(self) -> str:
        """The Lease's namespace and name."""
        return f"{self._namespace}/{self._name}"

    def hurry(self) -> None:
        """Look at the Lease now instead of at the next turn."""
        self._wakeup.wake()

    async def run(self) -> None:
        """Get and keep the Lease until cancelled; then it stays ours until it expires or `release` gives it back."""
        looker = asyncio.create_task(self._look_around(), name="lease-gate")
        try:
            while True:
                asked_at = self._clock()
                seconds = await self._turn(asked_at)
                if self._strict and self.leading and self._clock() - self._gate.known_at >= self._timing.renew:
                    self._lose("it could not be renewed in time")
                await self._wakeup.sleep(max(_SHORTEST_SLEEP_SECONDS, asked_at + seconds - self._clock()))
        finally:
            looker.cancel()

    async def release(self) -> None:
        """Give the Lease back, so that the next one need not wait for it to expire. Never raises."""
        if not self.leading:
            return
        self._gate.close()
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                lease = await self._cluster.get_lease(self._namespace, self._name)
                if read_lease(lease).holder == self._identity:
                    await self._cluster.update_lease(self._namespace, self._name, released_lease(lease))
                    self._api_counts.wrote(Kind.LEASE)
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
            return self._timing.retry / 10
        except (ServerUnreachable, TimeoutError) as error:
            self._gate.renewals_fail = True
            self._note(str(error) or f"The API server did not answer within {_REQUEST_SECONDS:g} s.")
        except ClusterError as error:
            self._note(str(error))
        return self._timing.retry

    async def _look_and_act(self, asked_at: float) -> float:
        try:
            lease = await self._cluster.get_lease(self._namespace, self._name)
        except NotFound:
            lease = None
        if lease is None:
            await self._write(new_lease(self._namespace, self._name), asked_at, new=True)
            return self._timing.retry
        record = read_lease(lease)
        unwatched = asked_at - self._looked_at > _WATCHED_TURNS * self._timing.retry
        self._looked_at = asked_at
        if record != self._seen or unwatched:
            self._seen, self._seen_at = record, asked_at
        if self.leading and record.holder != self._identity:
            self._lose(f"{record.holder or 'no one'} holds it now")
        if decide(record, self._identity, asked_at - self._seen_at) is Step.WAIT:
            self.trouble = None
            expires = self._seen_at + record.duration_seconds - self._clock()
            return min(self._timing.retry, max(0.05, expires))
        await self._write(lease, asked_at)
        return self._timing.retry

    async def _write(self, lease: Json, asked_at: float, *, new: bool = False) -> None:
        wanted = renewed_lease(lease, self._identity, self._timing, self._wall())
        try:
            if new:
                await self._cluster.create_lease(self._namespace, wanted)
            else:
                await self._cluster.update_lease(self._namespace, self._name, wanted)
        except ClusterError as error:
            self._api_counts.failed(Kind.LEASE, error)
            raise
        self._api_counts.wrote(Kind.LEASE)
        self._seen, self._seen_at = read_lease(wanted), asked_at
        self.trouble = None
        was_leading = self.leading
        self._gate.confirm(asked_at)
        if not was_leading:
            logger.info("Acquired the Lease %s as %s", self.place, self._identity)
            self._started()

    def _lose(self, why: str) -> None:
        self._gate.close()
        logger.warning("Lost the Lease %s: %s", self.place, why)
        self._stopped()

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("Cannot %s the Lease %s: %s", "renew" if self.leading else "acquire", self.place, trouble)
        self.trouble = trouble

    async def _look_around(self) -> None:
        while True:
            self._gate.look()
            await asyncio.sleep(_LOOK_SECONDS)
