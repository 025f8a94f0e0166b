"""Tells the API server how each resource fares: changes at once, counters now and then, never more than it can take.

It reads snapshots and writes `status`; nothing waits for it. What a status says is `resource.status`'s business. Runs only
while this process is the leader.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from audit_event_operator.cluster.api.counts import ApiCounts, Kind, Result
from audit_event_operator.cluster.api.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    NotFound,
    Throttled,
    Unprocessable,
    Unreachable,
)  # fmt: skip
from audit_event_operator.cluster.status.statuses import KnownStatuses, Status, farewell_of, status_of
from audit_event_operator.cluster.status.work_queue import WorkQueue
from audit_event_operator.engine.snapshot import Snapshot
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.pacing.token_bucket import TokenBucket
from audit_event_operator.resource.durations import Seconds
from audit_event_operator.resource.status import transition_key

logger = logging.getLogger(__name__)

_BACKOFF_SECONDS: Final = (0.5, 10.0)
_FORBIDDEN_SECONDS: Final = (2.0, 30.0)
"""First and longest pause after a 403. An API server that has just started says 403 until it has read its own rules."""
_FORBIDDEN_GROWTH: Final = 4.0
_LOOKS_PER_TURN: Final = 100
_SHORTEST_SLEEP_SECONDS: Final = 0.001


@dataclass(frozen=True, slots=True)
class Pace:
    """How often statuses are written."""

    counter_seconds: Seconds = 30
    """Least time between two writes of one resource's counters."""
    transitions_per_second: float = 200.0
    counters_per_second: float = 20.0
    coming_back_seconds: float = 10.0
    parallel: int = 40


class Snapshots(Protocol):
    """What the fleet tells us."""

    def snapshot(self, uid: str) -> Snapshot | None:
        """One resource, None when it is gone."""

    def snapshots(self) -> list[Snapshot]:
        """All live resources."""


class StatusWriter(Protocol):
    """What we need of the API server."""

    async def patch_generator_status(self, namespace: str, name: str, uid: str, status: Status) -> dict[str, Any]:
        """Replace the status of the resource with this UID."""

    async def get_generator(self, namespace: str, name: str) -> dict[str, Any]:
        """Whatever has that name now."""


class Reporter:
    """Writes statuses while `run` runs.

    Args:
        fleet: whose word is reported.
        writer: the API server.
        owner: this process, as the status shows it.
        gone: called with the UID of a resource that the API server does not have any more.
        announce: called after a write with the snapshot, the status before and the new one.
        tally: counts the writes.
        pace: how fast.
        wall: the time of day, aware.
    """

    def __init__(
        self,
        fleet: Snapshots,
        writer: StatusWriter,
        *,
        owner: str,
        gone: Callable[[str], None],
        announce: Callable[[Snapshot, Status, Status], None] = lambda *_: None,
        api_counts: ApiCounts | None = None,
        pace: Pace = Pace(),
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._fleet = fleet
        self._writer = writer
        self._owner = owner
        self._gone = gone
        self._announce = announce
        self._api_counts = api_counts or ApiCounts()
        self._pace = pace
        self._wall = wall
        self._known = KnownStatuses()
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._wakeup = WakeableSleep()
        self._running = False
        self._backoff = _BACKOFF_SECONDS[0]
        self._paused_until = 0.0
        self._forbidden: dict[str, set[str]] = {}
        """Namespaces in which we may not write for now, with the resources that wait for it."""
        self._forbidden_pauses: dict[str, float] = {}
        """How long the next such pause would be, by namespace; forgotten by a write that succeeds."""
        self._reset()

    # -- what others tell us -------------------------------------------------------------------------------------------

    def changed(self, uid: str) -> None:
        """Something about a resource may be worth a write."""
        if not self._running:
            return
        if uid in self._writing:
            self._again.add(uid)
        else:
            self._work_queue.mark(uid, self._now())
            self._wakeup.wake()

    def seen(self, uid: str, status: Status) -> None:
        """The API server has this status, as a watch event or list tells. Somebody else's words are put right in time."""
        if uid in self._writing:
            return
        before = self._known[uid]
        if self._known.hear(uid, status, self._now()) and transition_key(before) != transition_key(status):
            self.changed(uid)

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._work_queue.forget(uid)
        self._again.discard(uid)
        self._known.forget(uid)

    # -- writing -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write until cancelled."""
        self._running = True
        try:
            while True:
                seconds = self._turn()
                await self._wakeup.sleep(seconds if not seconds else max(seconds, _SHORTEST_SLEEP_SECONDS))
        finally:
            self._running = False
            tasks = list(self._writing.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._writing.clear()

    def clear(self) -> None:
        """Forget everything: another process writes now."""
        self._known.clear()
        self._again.clear()
        self._reset()

    async def flush(self, seconds: float) -> int:
        """Write what changed and was not written yet, bounded runs first, for at most `seconds`; returns how many were."""
        now = self._wall()
        work = []
        for snapshot in sorted(self._fleet.snapshots(), key=lambda each: not each.facts.bounded):
            previous = self._known[snapshot.uid]
            status = farewell_of(snapshot, previous, self._owner, now)
            if status != previous:
                work.append((snapshot, status))
        queue = iter(work)
        before = self._api_counts.writes[Kind.STATUS, Result.OK]

        async def write_some() -> None:
            for snapshot, status in queue:
                try:
                    await self._patch(snapshot, status)
                except ClusterError as error:
                    logger.warning("The last status of %s was not written: %s", snapshot.ref, error)
                    if isinstance(error, Unreachable):
                        return

        writers = [asyncio.ensure_future(write_some()) for _ in range(min(self._pace.parallel, len(work)))]
        if writers:
            _, late = await asyncio.wait(writers, timeout=seconds)
            for writer in late:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)
        return self._api_counts.writes[Kind.STATUS, Result.OK] - before

    # -- inside --------------------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._work_queue = WorkQueue(self._pace.counter_seconds)
        self._transitions = TokenBucket(self._pace.transitions_per_second, self._pace.parallel)
        self._counters = TokenBucket(self._pace.counters_per_second)
        self._forbidden.clear()
        self._forbidden_pauses.clear()

    def _turn(self) -> float | None:
        """Start what may be started now; returns when to come back, in seconds from now, None for when something changes."""
        now = self._now()
        if now < self._paused_until:
            return self._paused_until - now
        for _ in range(_LOOKS_PER_TURN):
            if len(self._writing) >= self._pace.parallel:
                return None
            if self._work_queue.urgent:
                wait = self._transitions.wait_seconds(now)
                if wait > 0:
                    return wait
                uid, counters = self._work_queue.take_urgent(), False
            else:
                due = self._work_queue.next_due()
                if due is None:
                    return None
                wait = max(due - now, self._counters.wait_seconds(now))
                if wait > 0:
                    return wait
                uid, counters = self._work_queue.take_due(now), True
            if uid is not None:
                self._look_at(uid, now, counters=counters)
        return 0.0

    def _look_at(self, uid: str, now: float, *, counters: bool) -> None:
        snapshot = self._fleet.snapshot(uid)
        if snapshot is None:
            self._work_queue.forget(uid)
            return
        if counters:
            self._work_queue.rest(uid, now)  # whatever comes of this look, there will be another
        if uid in self._writing:  # the API server takes longer to answer than the counters' pause is
            self._again.add(uid)
            return
        if snapshot.ref.namespace in self._forbidden:
            self._forbidden[snapshot.ref.namespace].add(uid)
            return
        previous = self._known[uid]
        status = status_of(snapshot, previous, self._owner, self._wall())
        if transition_key(status) != transition_key(previous):
            patience = self._known.patience_seconds(snapshot, self._pace.coming_back_seconds, now)
            if patience > 0:
                asyncio.get_running_loop().call_later(patience, self.changed, uid)
                return
            self._transitions.take(now)
        elif counters and status != previous:
            self._counters.take(now)
        else:
            return
        self._work_queue.rest(uid, now)
        self._writing[uid] = asyncio.ensure_future(self._write(snapshot, previous, status))

    async def _write(self, snapshot: Snapshot, previous: Status, status: Status) -> None:
        uid = snapshot.uid
        try:
            await self._patch(snapshot, status)
        except ClusterError as error:
            self._cope(snapshot, error)
        else:
            self._backoff = _BACKOFF_SECONDS[0]
            self._forbidden_pauses.pop(snapshot.ref.namespace, None)
            self._announce(snapshot, previous, status)
        finally:
            del self._writing[uid]
            if uid in self._again:
                self._again.discard(uid)
                self._work_queue.mark(uid, self._now())
            self._wakeup.wake()

    async def _patch(self, snapshot: Snapshot, status: Status) -> None:
        """Write one status and remember it.

        Raises:
            ClusterError: it was not written, and may be tried again.
        """
        ref, uid = snapshot.ref, snapshot.uid
        try:
            await self._writer.patch_generator_status(ref.namespace, ref.name, uid, status)
        except NotFound as error:
            self._api_counts.failed(Kind.STATUS, error)
            self._gone(uid)
            return
        except Unprocessable as error:
            self._api_counts.failed(Kind.STATUS, error)
            if await self._is_somebody_else(snapshot):
                self._gone(uid)
                return
            logger.error("The API server refuses the status of %s; this is a bug: %s", ref, error)  # noqa: TRY400
        except ClusterError as error:
            self._api_counts.failed(Kind.STATUS, error)
            raise
        else:
            self._api_counts.wrote(Kind.STATUS)
        self._known.write(uid, status, self._now())

    async def _is_somebody_else(self, snapshot: Snapshot) -> bool:
        """Whether the name belongs to another resource now, or to none."""
        try:
            found = await self._writer.get_generator(snapshot.ref.namespace, snapshot.ref.name)
        except NotFound:
            return True
        return bool(found.get("metadata", {}).get("uid") != snapshot.uid)

    def _cope(self, snapshot: Snapshot, error: ClusterError) -> None:
        """Come back to it later, and let the API server rest as long as it asks for, or for ever longer pauses."""
        if isinstance(error, Forbidden):
            self._rest_in(snapshot, error)
            return
        now = self._now()
        first, longest = _BACKOFF_SECONDS
        if isinstance(error, Throttled):
            pause = error.retry_after_seconds
        elif isinstance(error, Conflict):
            pause = 0.0
        else:
            pause = self._backoff
        if pause and self._paused_until <= now:
            logger.warning("Statuses wait for %.1f s: %s", pause, error)
            self._backoff = min(longest, max(first, self._backoff * 2))
            self._paused_until = now + pause
        self._again.add(snapshot.uid)

    def _rest_in(self, snapshot: Snapshot, error: Forbidden) -> None:
        """Leave its namespace alone for a while; rights may be given by namespace, so that others are not to wait for it."""
        namespace = snapshot.ref.namespace
        if namespace not in self._forbidden:
            first, longest = _FORBIDDEN_SECONDS
            pause = self._forbidden_pauses.get(namespace, first)
            self._forbidden_pauses[namespace] = min(longest, pause * _FORBIDDEN_GROWTH)
            logger.warning("Statuses of namespace %s wait for %g s: %s", namespace, pause, error)
            self._forbidden[namespace] = set()
            asyncio.get_running_loop().call_later(pause, self._return_to, namespace)
        self._forbidden[namespace].add(snapshot.uid)

    def _return_to(self, namespace: str) -> None:
        for uid in self._forbidden.pop(namespace, ()):
            self.changed(uid)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
