"""Tells the API server how each resource fares: changes at once, counters now and then, never more than it can take.

It reads snapshots and writes `status`, of what the fleet runs; nothing waits for it. It hears of all statuses at all times,
so that a take-over knows what was done.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from audit_event_operator.cluster.api.errors import ClusterError, Conflict, Forbidden, Throttled
from audit_event_operator.cluster.status.forbidden import ForbiddenNamespaces
from audit_event_operator.cluster.status.statuses import Patience, Status, is_transition
from audit_event_operator.cluster.status.work_queue import WorkQueue
from audit_event_operator.cluster.status.writer import StatusWriter
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Snapshot
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.pacing.backoff import Backoff
from audit_event_operator.pacing.token_bucket import TokenBucket
from audit_event_operator.resource.durations import Seconds

logger = logging.getLogger(__name__)

_BACKOFF_SECONDS: Final = (0.5, 10.0)
_LOOKS_PER_TURN: Final = 100
_FINISH_SECONDS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Pace:
    """How often statuses are written."""

    counter_seconds: Seconds = 30
    """Minimum time between two status writes that only update one resource's counters."""
    transitions_per_second: float = 200.0
    counters_per_second: float = 20.0
    patience: Patience = Patience()  # noqa: RUF009 - frozen
    parallel: int = 40


@dataclass(eq=False)
class Reporter:
    """Has statuses written while `run` runs."""

    fleet: Fleet
    """What is reported."""
    writer: StatusWriter
    announce: Callable[[Snapshot, Status, Status], None] = lambda *_: None
    """Called after a write with the snapshot, the status before and the new one."""
    pace: Pace = Pace()

    def __post_init__(self) -> None:
        self._known = self.writer.known
        self._writing: dict[str, asyncio.Task[None]] = {}
        self._wakeup = WakeableSleep()
        self._running = False
        self._backoff = Backoff(*_BACKOFF_SECONDS)
        self._paused_until = 0.0
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

    def seen(self, uid: str, status: Status, version: int = 0) -> None:
        """The API server had this status at a resourceVersion, as a watch event or list tells. We correct what others wrote."""
        if uid in self._writing:
            return
        before = self._known[uid]
        if self._known.hear(uid, status, self._now(), version) and is_transition(before, status):
            self.changed(uid)

    def status(self, uid: str) -> Status:
        """The status that the API server has, as far as we know."""
        return self._known[uid]

    def change_hands(self, uids: Iterable[str]) -> None:
        """Another process wrote the statuses of these until now, or does so from now on."""
        self._known.change_hands(uids, self._now())

    async def finish(self) -> None:
        """Begin no write any more, and return once none is under way: an older one must not arrive after the last one."""
        self._running = False
        if self._writing:
            await asyncio.wait(list(self._writing.values()), timeout=_FINISH_SECONDS)

    async def settle(self, uids: Collection[str]) -> None:
        """Return once no status of these is being written."""
        writing = [self._writing[uid] for uid in uids if uid in self._writing]
        if writing:
            await asyncio.wait(writing)

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
                await self._wakeup.sleep(self._turn())
        finally:
            self._running = False
            tasks = list(self._writing.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._writing.clear()

    def clear(self) -> None:
        """All resources are gone."""
        self._known.clear()
        self._reset()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._again: set[str] = set()
        self._work_queue = WorkQueue(self.pace.counter_seconds)
        self._transitions = TokenBucket(self.pace.transitions_per_second, self.pace.parallel)
        self._counters = TokenBucket(self.pace.counters_per_second)
        self._forbidden = ForbiddenNamespaces()

    def _turn(self) -> float | None:
        """Start what may be started now; returns when to come back, in seconds from now, None for when something changes."""
        now = self._now()
        for _ in range(_LOOKS_PER_TURN):
            wait = self._wait_seconds(now)
            if wait is None or wait > 0:
                return wait
            counters = not self._work_queue.urgent
            uid = self._work_queue.take_due(now) if counters else self._work_queue.take_urgent()
            if uid is not None:
                self._look_at(uid, now, counters=counters)
        return 0.0

    def _wait_seconds(self, now: float) -> float | None:
        """Until the next look; None until something changes."""
        if not self._running:
            return None
        if now < self._paused_until:
            return self._paused_until - now
        if len(self._writing) >= self.pace.parallel:
            return None
        if self._work_queue.urgent:
            return self._transitions.wait_seconds(now)
        due = self._work_queue.next_due()
        return None if due is None else max(due - now, self._counters.wait_seconds(now))

    def _look_at(self, uid: str, now: float, *, counters: bool) -> None:
        snapshot = self.fleet.snapshot(uid)
        if snapshot is None:
            self._work_queue.forget(uid)
            return
        if counters:
            self._work_queue.rest(uid, now)  # whatever comes of this look, there will be another
        if uid in self._writing:  # the API server takes longer to answer than the counters' pause is
            self._again.add(uid)
            return
        if self._forbidden.holds_back(snapshot.ref.namespace, uid):
            return
        previous = self._known[uid]
        status = self.writer.status_of(snapshot)
        if is_transition(previous, status):
            patience = self._known.patience_seconds(snapshot, self.pace.patience, now)
            if patience > 0:
                self._work_queue.rest(uid, now, min(patience, self.pace.counter_seconds))
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
            await self.writer.write(snapshot, status)
        except ClusterError as error:
            self._cope(snapshot, error)
        else:
            self._backoff.reset()
            self._forbidden.allowed(snapshot.ref.namespace)
            self.announce(snapshot, previous, status)
        finally:
            del self._writing[uid]
            if uid in self._again:
                self._again.discard(uid)
                self._work_queue.mark(uid, self._now())
            self._wakeup.wake()

    def _cope(self, snapshot: Snapshot, error: ClusterError) -> None:
        """Come back to it later, and let the API server rest as long as it asks for, or for longer and longer pauses."""
        if isinstance(error, Forbidden):
            self._rest_in(snapshot, error)
            return
        self._again.add(snapshot.uid)
        now = self._now()
        if not isinstance(error, Conflict) and self._paused_until <= now:
            pause = error.retry_after_seconds if isinstance(error, Throttled) else self._backoff.next_seconds()
            logger.warning("Pausing status writes for %.1f s: %s", pause, error)
            self._paused_until = now + pause

    def _rest_in(self, snapshot: Snapshot, error: Forbidden) -> None:
        namespace = snapshot.ref.namespace
        pause = self._forbidden.refused(namespace, snapshot.uid)
        if pause is not None:
            logger.warning("Pausing status writes in namespace %s for %g s: %s", namespace, pause, error)
            asyncio.get_running_loop().call_later(pause, self._return_to, namespace)

    def _return_to(self, namespace: str) -> None:
        for uid in self._forbidden.reopen(namespace):
            self.changed(uid)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
