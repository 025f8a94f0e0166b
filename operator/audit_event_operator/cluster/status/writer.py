"""Writes a status to the API server, and remembers which one it has. When to write is the reporter's business."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError, Conflict, NotFound, Unprocessable, Unreachable
from audit_event_operator.cluster.status.statuses import KnownStatuses, Status, farewell_of
from audit_event_operator.engine.snapshot import Ref, Snapshot
from audit_event_operator.resource.status import Contested, build_status, claimed

logger = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class StatusWriter:
    """Writes statuses one by one, and the last ones of a process all together."""

    cluster: Cluster
    owner: str
    """This process, as the status shows it."""
    gone: Callable[[str], None]
    """Called with the UID of a resource that the API server does not have any more."""
    contested: Callable[[str], Contested | None] = lambda _: None
    """What the status of a UID has to tell of another installation."""
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The time of day, aware."""

    def __post_init__(self) -> None:
        self.known = KnownStatuses()
        self.written_until = ""
        """The highest resourceVersion of all statuses that were written, empty before the first one."""

    def status_of(self, snapshot: Snapshot) -> Status:
        """The status that a snapshot deserves now."""
        uid = snapshot.uid
        return build_status(
            snapshot.facts, self.known[uid], self.wall(), uid=uid, owner=self.owner, contested=self.contested(uid)
        )

    async def write(self, snapshot: Snapshot, status: Status) -> bool:
        """Write one status; returns whether it was written. If not, there is no point in trying again.

        Raises:
            ClusterError: it was not written, and may be tried again.
        """
        ref, uid, written = snapshot.ref, snapshot.uid, True
        owner = self.known[uid].get("owner")
        try:
            answer = await self.cluster.patch_generator_status(ref.namespace, ref.name, uid, status, owner=owner)
        except NotFound:
            self.gone(uid)
            return False
        except Unprocessable as error:
            if await self._is_another(snapshot, owner):
                self.gone(uid)
                return False
            if self.known[uid].get("owner") != owner:  # we wrote it ourselves, and the answer was lost
                return await self.write(snapshot, status)
            logger.error("The API server rejected the status of %s; this is a bug: %s", ref, error)  # noqa: TRY400
            written = False
        else:
            self.written_until = _later(self.written_until, str(answer.get("metadata", {}).get("resourceVersion", "")))
        self.known.write(uid, status, asyncio.get_running_loop().time())
        return written

    async def claim(self, ref: Ref, uid: str, status: Status) -> None:
        """Write another installation's status back with this process as its owner, so that it hears of us.

        Raises:
            ClusterError: it was not written.
        """
        await self.cluster.patch_generator_status(
            ref.namespace, ref.name, uid, claimed(status, self.owner, self.wall())
        )

    async def flush(self, snapshots: Iterable[Snapshot], *, seconds: float, parallel: int) -> int:
        """Write what changed and was not written yet, bounded runs first, for at most `seconds`; returns how many were."""
        now, written = self.wall(), 0
        work = []
        for snapshot in sorted(snapshots, key=lambda each: not each.facts.bounded):
            previous = self.known[snapshot.uid]
            status = farewell_of(snapshot, previous, self.owner, now, self.contested(snapshot.uid))
            if status != previous:
                work.append((snapshot, status))
        queue = iter(work)

        async def write_some() -> None:
            nonlocal written
            for snapshot, status in queue:
                try:
                    was_written = await self.write(snapshot, status)
                    written += was_written  # not in one line: others count while this one waits
                except ClusterError as error:
                    logger.warning("Could not write the final status of %s: %s", snapshot.ref, error)
                    if isinstance(error, Unreachable):
                        return

        writers = [asyncio.ensure_future(write_some()) for _ in range(min(parallel, len(work)))]
        if writers:
            _, late = await asyncio.wait(writers, timeout=seconds)
            for writer in late:
                writer.cancel()
            await asyncio.gather(*writers, return_exceptions=True)
        return written

    async def _is_another(self, snapshot: Snapshot, owner: str | None) -> bool:
        """Whether the name belongs to another resource now, or to none; learns who the owner is.

        Raises:
            Conflict: it belongs to this one, and another process has written its status.
        """
        try:
            found = await self.cluster.get_generator(snapshot.ref.namespace, snapshot.ref.name)
        except NotFound:
            return True
        if found.get("metadata", {}).get("uid") != snapshot.uid:
            return True
        status = found.get("status") or {}
        if owner is not None and status.get("owner") != owner:
            self.known.learn(snapshot.uid, status)
            if status.get("owner") == self.owner:
                return False
            raise Conflict(f"The status of {snapshot.ref} was written by {status.get('owner') or 'somebody else'}.")
        return False


def _later(one: str, other: str) -> str:
    """The later of two resourceVersions, of which only those of digits can be compared; answers come in any order."""
    return other if not (one.isdecimal() and other.isdecimal()) or int(other) > int(one) else one
