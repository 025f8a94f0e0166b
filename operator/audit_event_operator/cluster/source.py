"""The cluster as the source of resources: the informer follows them all; the buckets of this process are the ones it serves.

Ties the parts of this package together. At the end call, in this order: `retire` before the fleet drains, `flush` once it has,
then `close`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.connection import Connection
from audit_event_operator.cluster.leadership.buckets import bucket_of
from audit_event_operator.cluster.leadership.gate import BucketAssignment
from audit_event_operator.cluster.leadership.membership import Hands, Membership
from audit_event_operator.cluster.leadership.ownership import OwnershipTiming
from audit_event_operator.cluster.resources.elsewhere import ElsewhereInTheView
from audit_event_operator.cluster.resources.foreign_owners import ForeignOwners
from audit_event_operator.cluster.resources.informer import Informer, MakeWatch, Rhythm
from audit_event_operator.cluster.resources.reconciler import Reconciler
from audit_event_operator.cluster.resources.watch import Watch
from audit_event_operator.cluster.status.announcements import FOREIGN_OWNER, WARNING, Announcement
from audit_event_operator.cluster.status.event_recorder import SAME_REASON_SECONDS, EventRecorder
from audit_event_operator.cluster.status.farewells import Farewells
from audit_event_operator.cluster.status.reporter import Pace, Reporter
from audit_event_operator.cluster.status.writer import StatusWriter
from audit_event_operator.engine.elsewhere import Elsewhere
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.resource.names import OPERATOR_NAME

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 3.0
_HAND_OVER_SPREAD_SECONDS: Final = 1.0
"""How far first ticks are spread out when another process served the resources until now."""


class ClusterSource:
    """Follows the cluster's resources while `run` runs, and has those served whose buckets this process holds.

    Args:
        fleet: runs the generators.
        cluster: the API server.
        connect: opens another connection to it, for the watch.
        assignment: tells the engine what is ours; its gates are opened and closed here.
        identity: names this process and must be unique.
        namespaces: where to look; empty means everywhere.
        lease_namespace, lease_name: where the Leases are, and how their names begin.
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
        assignment: BucketAssignment,
        *,
        identity: str,
        namespaces: Sequence[str] = (),
        lease_namespace: str,
        lease_name: str = OPERATOR_NAME,
        rhythm: Rhythm = Rhythm(),  # noqa: B008 - frozen
        pace: Pace = Pace(),  # noqa: B008
        event_repeat_seconds: float = SAME_REASON_SECONDS,
        ownership: OwnershipTiming = OwnershipTiming(),  # noqa: B008
        make_watch: MakeWatch | None = None,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        owner = f"{lease_namespace}/{lease_name}/{identity}"
        self._fleet = fleet
        self._assignment = assignment
        self._pace = pace
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
        self.elsewhere: Elsewhere = ElsewhereInTheView(
            self._reconciler.view,
            lambda uid: assignment.is_ours(uid) and not self._owners.yields(uid),
            self._reporter.status,
            f"{lease_namespace}/{lease_name}",
        )
        """What other processes serve."""
        make_watch = make_watch or partial(Watch, connect)
        self._informer = Informer(cluster, self._reconciler, make_watch, namespaces=namespaces, rhythm=rhythm)
        self._membership = Membership(
            cluster=cluster,
            gate=assignment.member_gate,
            namespace=lease_namespace,
            name=lease_name,
            identity=identity,
            hands=Hands(self._taken, self._lost, self._give, joined=fleet.start, members=fleet.share_caps),
            wall=wall,
        )
        self._reporting: asyncio.Task[None] | None = None
        self._arriving: dict[int, str] = {}
        """Buckets that we hold and do not serve yet, with the version of their last status."""
        self._arrived = WakeableSleep()
        assignment.member_gate.on_doubt = self._membership.hurry
        assignment.member_gate.on_open = fleet.wake
        fleet.on_change(self._reporter.changed)
        fleet.on_departure(self._reconciler.departed)

    # -- what others ask -----------------------------------------------------------------------------------------------

    @property
    def leader(self) -> bool:
        """Whether this process serves resources."""
        return bool(self._assignment.buckets)

    @property
    def buckets(self) -> int:
        """How many of the sixteen buckets this process serves."""
        return len(self._assignment.buckets)

    @property
    def members(self) -> int:
        """How many processes share the resources, by the last look; this one included."""
        return self._membership.member_count

    def readiness(self) -> list[str]:
        """Sentences of what is not ready; empty when all is. A process without a bucket is ready, too."""
        trouble = self._informer.trouble if self._assignment.member_gate.joined else self._membership.trouble
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
        """Follow the resources, and serve what is ours, until cancelled. An error of any part ends it all."""
        async with asyncio.TaskGroup() as tasks:
            self._reporting = tasks.create_task(self._reporter.run(), name="reporter")
            tasks.create_task(self._event_recorder.run(), name="event-recorder")
            tasks.create_task(self._farewells.run(), name="farewells")
            tasks.create_task(self._owners.run(), name="foreign-owners")
            tasks.create_task(self._take_over_what_arrives(), name="take-over")
            tasks.create_task(self._informer.run(), name="informer")
            tasks.create_task(self._membership.run(), name="membership")

    def retire(self) -> None:
        """Take nothing over any more, and let the other members know that this one is about to leave."""
        self._arriving.clear()
        self._membership.retire()

    async def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Write the last statuses; none are written after that."""
        if self._reporting is not None:
            await self._reporter.finish()
            self._reporting.cancel()
            await asyncio.wait([self._reporting])
        written = await self._writer.flush(self._fleet.snapshots(), seconds=seconds, parallel=self._pace.parallel)
        if written:
            logger.info("Wrote %d final statuses", written)

    async def close(self) -> None:
        """Give all buckets back; `run` must have ended, or they would be taken again."""
        await self._membership.leave(self._writer.written_until)

    # -- buckets that change hands ---------------------------------------------------------------------------------------

    def _taken(self, bucket: int, statuses_until: str) -> None:
        self._arriving[bucket] = statuses_until
        self._arrived.wake()

    async def _take_over_what_arrives(self) -> None:
        while True:
            await self._arrived.sleep(None)
            while self._arriving:
                await self._informer.wait_until_current()
                arriving, self._arriving = self._arriving, {}
                if any(arriving.values()):
                    # Their old holders have just written the last statuses, and events of a watch come in any order.
                    await self._informer.refresh()
                await self._serve(arriving.keys() & self._membership.held)

    async def _serve(self, buckets: frozenset[int] | set[int]) -> None:
        for bucket in buckets:
            self._assignment.serve(bucket)
        self._reporter.change_hands(self._reconciler.living_in(buckets))
        self._owners.reassigned()
        await self._reconciler.take_over(_HAND_OVER_SPREAD_SECONDS if self.members > 1 else None)
        self._informer.confirm()

    def _lost(self, bucket: int) -> None:
        """Stop at once: another process may serve the bucket already."""
        self._arriving.pop(bucket, None)
        self._assignment.stop(bucket)
        self._fleet.stop(self._running_in(bucket))
        self._let_go(bucket)

    async def _give(self, bucket: int) -> str:
        """Stop in good order: drain, then write the last statuses; returns the version of the last one."""
        self._arriving.pop(bucket, None)
        self._assignment.drain(bucket)
        uids = self._running_in(bucket)
        ended = await self._fleet.hand_over(uids)
        await self._reporter.settle(uids)
        await self._writer.flush(ended, seconds=FLUSH_SECONDS, parallel=self._pace.parallel)
        self._assignment.stop(bucket)
        self._let_go(bucket)
        return self._writer.written_until

    def _running_in(self, bucket: int) -> list[str]:
        return [uid for uid in self._fleet.uids() if bucket_of(uid) == bucket]

    def _let_go(self, bucket: int) -> None:
        self._reporter.change_hands(self._reconciler.living_in({bucket}))
        self._owners.reassigned()
