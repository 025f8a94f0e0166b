"""The cluster as the source of resources: the Lease decides whether this process works, a term is the work.

Ties the parts of this package together; they do not know each other. At the end call, in this order: `flush` once the fleet has
drained, then `close`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.connection import Connection
from audit_event_operator.cluster.api.counts import ApiCounts
from audit_event_operator.cluster.leadership.gate import LeaseGate, LeaseTiming, time_of_boot
from audit_event_operator.cluster.leadership.leader_elector import LeaderElector
from audit_event_operator.cluster.resources.informer import Informer, MakeWatch, Rhythm, RunningFleet
from audit_event_operator.cluster.resources.reconciler import Reconciler
from audit_event_operator.cluster.resources.watch import Watch
from audit_event_operator.cluster.status.event_recorder import SAME_REASON_SECONDS, EventRecorder
from audit_event_operator.cluster.status.reporter import Pace, Reporter, Snapshots
from audit_event_operator.resource.names import OPERATOR_NAME

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 3.0


class ClusterFleet(RunningFleet, Snapshots, Protocol):
    """All that the fleet does for us."""

    def start(self) -> None:
        """Accept resources."""

    async def stand_down(self) -> None:
        """Stop everything and accept nothing more."""

    def wake(self) -> None:
        """Have every generator look at the gate again."""

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Have `callback` called with the UID of each resource that changed."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the source behaves; times in seconds.

    `identity` names this process and must be unique; `namespaces` empty means all; `lease_namespace` None means the
    connection's.
    """

    identity: str
    namespaces: Sequence[str] = ()
    lease_name: str = OPERATOR_NAME
    lease_namespace: str | None = None
    lease_strict: bool = False
    timing: LeaseTiming = field(default_factory=LeaseTiming)
    rhythm: Rhythm = field(default_factory=Rhythm)
    pace: Pace = field(default_factory=Pace)
    event_repeat_seconds: float = SAME_REASON_SECONDS


class ClusterSource:
    """Follows the cluster's resources while `run` runs and this process holds the Lease.

    Args:
        fleet: who runs the generators.
        cluster: the API server.
        connect: opens another connection to it, for the watch.
        gate: what the engine asks before it works; opened and closed here.
        own_namespace: the namespace this process belongs to.
        options: how to behave.
        tally: counts for the metrics; the same that `cluster` tells of its successes.
        clock: the gate's.
        make_watch: makes a watch; None means one by kopf.
    """

    def __init__(
        self,
        fleet: ClusterFleet,
        cluster: Cluster,
        connect: Callable[[], Awaitable[Connection]],
        gate: LeaseGate,
        *,
        own_namespace: str,
        options: Options,
        api_counts: ApiCounts,
        clock: Callable[[], float] = time_of_boot,
        make_watch: MakeWatch | None = None,
    ) -> None:
        self._fleet = fleet
        self._cluster = cluster
        self._connect = connect
        self._options = options
        self.api_counts = api_counts
        self.gate = gate
        self._event_recorder = EventRecorder(
            cluster,
            instance=options.identity,
            alive=lambda uid: fleet.snapshot(uid) is not None,
            api_counts=api_counts,
            same_reason_seconds=options.event_repeat_seconds,
        )
        self._reporter = Reporter(
            fleet,
            cluster,
            owner=options.identity,
            gone=lambda uid: self._reconciler.discard(uid),  # noqa: PLW0108 - there is no intake yet
            announce=self._event_recorder.announce,
            api_counts=api_counts,
            pace=options.pace,
        )
        self._reconciler = Reconciler(fleet, self._reporter.seen, self._reporter.forget)
        self._lease = LeaderElector(
            cluster,
            gate,
            namespace=options.lease_namespace or own_namespace,
            name=options.lease_name,
            identity=options.identity,
            started=self._begin,
            stopped=self._end,
            timing=options.timing,
            strict=options.lease_strict,
            api_counts=api_counts,
            clock=clock,
        )
        self._make_watch = make_watch or self._watch_by_kopf
        gate.on_doubt = self._lease.hurry
        gate.on_open = fleet.wake
        self._informer: Informer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._working: asyncio.Task[None] | None = None
        self._broken: asyncio.Future[None] | None = None
        fleet.on_change(self._reporter.changed)

    # -- what others ask -----------------------------------------------------------------------------------------------

    @property
    def leader(self) -> bool:
        """Whether this process holds the Lease."""
        return self._lease.leading

    def readiness(self) -> list[str]:
        """Sentences of what is not ready; empty when all is, and on a standby."""
        if self._lease.leading:
            trouble = self._informer.trouble if self._informer is not None else "The work is about to begin."
            return [trouble] if trouble else []
        return [self._lease.trouble] if self._lease.trouble else []

    def reconciles(self) -> Mapping[str, int]:
        """Handled changes of resources by result."""
        return self._reconciler.results

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Work whenever the Lease is ours, until cancelled."""
        self._broken = asyncio.get_running_loop().create_future()
        keeping = asyncio.create_task(self._lease.run(), name="lease")
        try:
            await asyncio.wait((keeping, self._broken), return_when=asyncio.FIRST_COMPLETED)
            for done in (keeping, self._broken):
                if done.done():
                    done.result()
        finally:
            self._broken.cancel()
            keeping.cancel()
            await asyncio.gather(keeping, self._stop_working(), return_exceptions=True)

    async def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write the last statuses, if this process is the leader. Resources are not followed any more."""
        await self._stop_working()
        if self._lease.leading:
            written = await self._reporter.flush(seconds)
            logger.info("Wrote %d last statuses", written)

    async def close(self) -> None:
        """Give the Lease back; `run` must have ended, or it would be taken again."""
        await self._stop_working()
        await self._lease.release()

    # -- leadership ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        previous, self._working = self._working, None
        self._informer = Informer(
            self._fleet, self._cluster, self._reconciler, self._make_watch, forget_all=self._reporter.clear,
            rhythm=self._options.rhythm,
        )  # fmt: skip
        self._working = asyncio.create_task(self._work(self._informer, previous), name="term")
        self._working.add_done_callback(self._check)

    def _end(self) -> None:
        """The Lease is lost: stop at once. The gate is closed already, so nothing is generated or written from here on."""
        if self._working is not None:
            self._working.cancel()
        task = asyncio.create_task(self._fleet.stand_down(), name="stand-down")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, informer: Informer, previous: asyncio.Task[None] | None) -> None:
        ending = [*self._tasks, *([previous] if previous is not None else [])]
        if ending:
            await asyncio.wait(ending)
        self._fleet.start()
        self._reconciler.reset()
        self._reporter.clear()
        self._event_recorder.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reporter.run(), name="reporter")
            group.create_task(self._event_recorder.run(), name="announcer")
            group.create_task(informer.run(), name="follow")

    def _check(self, task: asyncio.Task[None]) -> None:
        """A term ends by being cancelled; anything else is a bug that must not leave a leader that does not work."""
        if not task.cancelled() and self._broken is not None and not self._broken.done():
            self._broken.set_exception(task.exception() or RuntimeError("The term ended by itself."))

    def _watch_by_kopf(
        self, deliver: Callable[[str | None, dict[str, Any]], None], opened: Callable[[], None]
    ) -> Watch:
        return Watch(self._connect, deliver, opened, namespaces=self._options.namespaces)

    async def _stop_working(self) -> None:
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
