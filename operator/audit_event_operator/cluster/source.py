"""The cluster as the source of resources: the informer follows them always; the Lease decides whether we act on them.

Ties the parts of this package together. At the end call, in this order: `flush` once the fleet has
drained, then `close`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.connection import Connection
from audit_event_operator.cluster.leadership.gate import LeaseAssignment
from audit_event_operator.cluster.leadership.leader_elector import LeaderElector
from audit_event_operator.cluster.leadership.ownership import OwnershipTiming
from audit_event_operator.cluster.resources.foreign_owners import ForeignOwners
from audit_event_operator.cluster.resources.informer import Informer, MakeWatch, Rhythm
from audit_event_operator.cluster.resources.reconciler import Reconciler
from audit_event_operator.cluster.resources.watch import Watch
from audit_event_operator.cluster.status.announcements import FOREIGN_OWNER, WARNING, Announcement
from audit_event_operator.cluster.status.event_recorder import SAME_REASON_SECONDS, EventRecorder
from audit_event_operator.cluster.status.farewells import Farewells
from audit_event_operator.cluster.status.reporter import Pace, Reporter
from audit_event_operator.cluster.status.writer import StatusWriter
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.resource.names import OPERATOR_NAME

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 3.0
_LAST_STATUSES_ARRIVE_SECONDS: Final = 0.2
"""A standby hears of our last statuses by its watch; they should be there before it can take the Lease."""


class ClusterSource:
    """Follows the cluster's resources while `run` runs, and has them served while this process holds the Lease.

    Args:
        fleet: runs the generators.
        cluster: the API server.
        connect: opens another connection to it, for the watch.
        assignment: tells the engine what is ours; its gate is opened and closed here.
        identity: names this process and must be unique.
        namespaces: where to look; empty means everywhere.
        lease_namespace, lease_name, lease_strict: see `LeaderElector`.
        rhythm: how often the informer looks.
        pace: how fast statuses are written.
        event_repeat_seconds: least time between two Kubernetes Events of one resource and reason.
        ownership: how long this installation and others wait for each other.
        make_watch: makes a watch; None means one by kopf.
        wall: the time of day, aware.
    """

    def __init__(
        self,
        fleet: Fleet,
        cluster: Cluster,
        connect: Callable[[], Awaitable[Connection]],
        assignment: LeaseAssignment,
        *,
        identity: str,
        namespaces: Sequence[str] = (),
        lease_namespace: str,
        lease_name: str = OPERATOR_NAME,
        lease_strict: bool = False,
        rhythm: Rhythm = Rhythm(),  # noqa: B008 - frozen
        pace: Pace = Pace(),  # noqa: B008
        event_repeat_seconds: float = SAME_REASON_SECONDS,
        ownership: OwnershipTiming = OwnershipTiming(),  # noqa: B008
        make_watch: MakeWatch | None = None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        gate, owner = assignment.lease_gate, f"{lease_namespace}/{lease_name}/{identity}"
        self._fleet = fleet
        self._parallel = pace.parallel
        self._event_recorder = EventRecorder(
            cluster=cluster,
            instance=identity,
            alive=lambda uid: fleet.snapshot(uid) is not None or self._owners.yields(uid),
            same_reason_seconds=event_repeat_seconds,
        )
        self._owners = ForeignOwners(
            cluster=cluster,
            owner=owner,
            is_assigned=assignment.is_ours,
            stop=fleet.release,
            resume=lambda uid: self._reconciler.resume(uid),  # noqa: PLW0108 - made below, as the next two
            take=lambda event_type, resource: self._reconciler.take(event_type, resource),  # noqa: PLW0108
            changed=lambda uid: self._reporter.changed(uid),  # noqa: PLW0108
            claim=lambda ref, uid, status: self._writer.claim(ref, uid, status),  # noqa: PLW0108
            announce=lambda ref, uid, sentence: self._event_recorder.tell(
                ref, uid, Announcement(WARNING, FOREIGN_OWNER, sentence)
            ),
            timing=ownership,
            wall=wall,
        )
        self._writer = StatusWriter(
            cluster=cluster, owner=owner, gone=fleet.discard, contested=self._owners.contested, wall=wall
        )
        self._reporter = Reporter(fleet, self._writer, announce=self._event_recorder.announce, pace=pace)
        self._farewells = Farewells(cluster)
        self._reconciler = Reconciler(fleet, self._reporter, self._owners, self._farewells.leaving)
        make_watch = make_watch or partial(Watch, connect)
        self._informer = Informer(cluster, self._reconciler, make_watch, namespaces=namespaces, rhythm=rhythm)
        self._elector = LeaderElector(
            cluster=cluster,
            gate=gate,
            namespace=lease_namespace,
            name=lease_name,
            identity=identity,
            started=self._begin,
            stopped=self._end,
            strict=lease_strict,
        )
        self._tasks = asyncio.TaskGroup()
        self._leading: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        """What a new start has to wait for: work and stops of earlier times as the leader."""
        gate.on_doubt = self._elector.hurry
        gate.on_open = fleet.wake
        fleet.on_change(self._reporter.changed)
        fleet.on_departure(self._reconciler.departed)

    # -- what others ask -----------------------------------------------------------------------------------------------

    @property
    def leader(self) -> bool:
        """Whether this process holds the Lease."""
        return self._elector.gate.held

    def readiness(self) -> list[str]:
        """Sentences of what is not ready; empty when all is. A standby need only be able to read the Lease."""
        trouble = self._informer.trouble if self._elector.gate.held else self._elector.trouble
        return [trouble] if trouble else []

    def warnings(self) -> list[str]:
        """Sentences of what is wrong beside the work that goes on."""
        return [*self._informer.warnings, *self._owners.warnings()]

    def foreign_owners(self) -> int:
        """Resources that another installation serves or wants to serve, too."""
        return self._owners.count()

    def reconciles(self) -> Mapping[str, int]:
        """Handled changes of resources by result."""
        return self._reconciler.results

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the resources, and work whenever the Lease is ours, until cancelled. An error of any part ends it all."""
        async with self._tasks as tasks:
            tasks.create_task(self._informer.run(), name="informer")
            tasks.create_task(self._elector.run(), name="lease")

    async def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write the last statuses, if this process is the leader; none are written after that."""
        await self._stop_leading()
        if self._elector.gate.held:
            written = await self._writer.flush(self._fleet.snapshots(), seconds=seconds, parallel=self._parallel)
            logger.info("Wrote %d final statuses", written)
            await asyncio.sleep(_LAST_STATUSES_ARRIVE_SECONDS if written else 0)

    async def close(self) -> None:
        """Give the Lease back; `run` must have ended, or it would be taken again."""
        await self._stop_leading()
        await self._elector.release()

    # -- leadership ----------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._leading = self._tasks.create_task(self._lead(frozenset(self._ending)), name="leading")

    async def _lead(self, ending: frozenset[asyncio.Task[None]]) -> None:
        if ending:
            await asyncio.wait(ending)
        self._event_recorder.clear()
        self._owners.lead()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reporter.run(), name="reporter")
            tasks.create_task(self._event_recorder.run(), name="event-recorder")
            tasks.create_task(self._farewells.run(), name="farewells")
            tasks.create_task(self._owners.run(), name="foreign-owners")
            tasks.create_task(self._take_over(), name="take-over")

    async def _take_over(self) -> None:
        self._fleet.start()  # after the reporter, so that no change goes unreported
        await self._informer.wait_until_current()
        await self._reconciler.take_over()
        self._informer.confirm()

    def _end(self) -> None:
        """The Lease is lost: stop at once. The gate is closed already, so nothing is generated or written from here on."""
        stopping = [self._tasks.create_task(self._fleet.stand_down(), name="stand-down")]
        if self._leading is not None:
            self._leading.cancel()
            stopping.append(self._leading)
        for task in stopping:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _stop_leading(self) -> None:
        if self._leading is not None:
            self._leading.cancel()
            await asyncio.gather(self._leading, return_exceptions=True)
