"""This process as one of several: keeps its member Lease, takes and gives buckets, and notices what it has lost.

Acts on what `quota` decides, and tells others by callbacks. Each turn renews, lists all Leases, and writes those that change
hands. A write fails when the Lease was written meanwhile, so two members never both take a bucket.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError, Conflict, Forbidden, NotFound, Unreachable
from audit_event_operator.cluster.leadership.gate import MemberGate
from audit_event_operator.cluster.leadership.lease import (
    INSTALLATION_LABEL,
    BucketRecord,
    bucket_lease,
    member_lease,
    member_lease_name,
    read_bucket,
    sort_leases,
)
from audit_event_operator.cluster.leadership.quota import plan
from audit_event_operator.cluster.leadership.roster import Look, Roster
from audit_event_operator.engine.wakeable_sleep import WakeableSleep

logger = logging.getLogger(__name__)

_REQUEST_SECONDS: Final = 5.0
_LEAVE_SECONDS: Final = 4.0
_LOOK_SECONDS: Final = 1.0
_SHORTEST_SLEEP_SECONDS: Final = 0.02
_WAITING_LOOKS_PER_TURN: Final = 5
_PATIENT_TURNS: Final = 2
"""A bucket that stays free for so many turns is taken by anybody, quota or not."""


@dataclass(frozen=True, slots=True)
class Hands:
    """What a member calls when buckets change hands.

    Attributes:
        taken: a bucket has become ours; `statuses_until` is the resourceVersion of the last status that its old holder wrote,
            empty where the old holder did not tell.
        lost: a bucket is not ours any more, whatever we do about it now.
        give: stop serving a bucket and let all of it be known; returns the resourceVersion of the last status written.
        joined: this process has become a member.
        members: how many members there are now, this one included.
    """

    taken: Callable[[int, str], None]
    lost: Callable[[int], None]
    give: Callable[[int], Awaitable[str]]
    joined: Callable[[], None] = lambda: None
    members: Callable[[int], None] = lambda _: None


@dataclass(eq=False, kw_only=True)
class Membership:
    """Is a member while `run` runs; `leave` gives everything back."""

    cluster: Cluster
    gate: MemberGate
    """Opened and closed here; has the times of Leases and the clock."""
    namespace: str
    name: str
    """The name of the installation, with which the names of all its Leases begin."""
    identity: str
    """Who we are; no other process may have the same."""
    hands: Hands
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The time of day, aware."""
    held: set[int] = field(default_factory=set, init=False)
    """The buckets whose Leases we hold, those included that we are about to give."""

    def __post_init__(self) -> None:
        self.timing, self.clock = self.gate.timing, self.gate.clock
        self.trouble: str | None = "The Leases have not been read yet."
        """Why the Leases cannot be read or written, a sentence; None once they could."""
        self.member_count = 0
        """How many members there are, by the last look; this one included."""
        self._roster = Roster(self.identity, self.timing)
        self._lease_name = member_lease_name(self.name, self.identity)
        self._version = ""
        self._renewed_at: float | None = None
        self._certain = False
        """Whether nobody can have taken what we hold since we last looked; if not, it is written again before we work."""
        self._records: dict[int, BucketRecord] = {}
        self._giving: dict[int, str | None] = {}
        """Buckets to give, with the version of their last status once they are not served here any more."""
        self._draining: int | None = None
        """The bucket that is about to be given, while it drains."""
        self._giver: asyncio.Task[None] | None = None
        self._lingering: set[str] = set()
        """Members that died, and whose Leases we may not delete."""
        self._stays = True
        self._looking = asyncio.Lock()
        """No look overlaps a release: it could tell that we hold what we have just released."""
        self._wakeup = WakeableSleep()

    def hurry(self) -> None:
        """Look at the Leases now instead of at the next turn."""
        self._wakeup.wake()

    async def run(self) -> None:
        """Be a member until cancelled; then our buckets stay ours until we are taken for dead or `leave` gives them back."""
        looker = asyncio.create_task(self._look_around(), name="member-gate")
        try:
            while True:
                asked_at = self.clock()
                seconds = await self._turn(asked_at)
                if self._giver is not None and self._giver.done() and not self._giver.cancelled():
                    self._giver.result()  # a bug of the giver is ours
                await self._wakeup.sleep(max(_SHORTEST_SLEEP_SECONDS, asked_at + seconds - self.clock()))
        finally:
            tasks = [looker] if self._giver is None else [looker, self._giver]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def retire(self) -> None:
        """Take nothing any more, and let the others know: we are about to `leave`."""
        self._stays, self._renewed_at = False, None
        self.hurry()

    async def leave(self, statuses_until: str = "") -> None:
        """Give everything back, so that the others need not wait until we are taken for dead. Never raises.

        `run` must have ended. `statuses_until`: the resourceVersion of the last status that we wrote.
        """
        self.gate.leave()
        if not self._version:
            return
        self._stays = False
        try:
            async with asyncio.timeout(_LEAVE_SECONDS):
                # A request that was cut off when `run` ended may still be carried out, so what we know is old.
                while not await self._give_all_back(statuses_until):  # noqa: ASYNC110 - it asks the API server
                    await asyncio.sleep(_SHORTEST_SLEEP_SECONDS)
        except (ClusterError, TimeoutError) as error:
            why = str(error) or "the API server did not answer"
            logger.warning("Could not give all Leases back; the others will wait until they expire: %s", why)

    async def _give_all_back(self, statuses_until: str) -> bool:
        """Free all our buckets and delete our own Lease; returns False when a Lease was written since we read it."""
        try:
            await self._write_member()
            self.held = set((await self._look(self.clock())).held_by(self.identity))  # also what we took just now
            freed = await asyncio.gather(*(self._write(bucket, "", statuses_until) for bucket in sorted(self.held)))
            if not all(freed):
                return False
            if self.held:
                logger.info("Gave %s back", _buckets(self.held))
            self.held.clear()
            await self.cluster.delete_lease(self.namespace, self._lease_name, self._version)
        except Conflict:
            return False
        except NotFound:  # somebody deleted it
            pass
        return True

    # -- a turn --------------------------------------------------------------------------------------------------------

    async def _turn(self, asked_at: float) -> float:
        """Renew, look and act; returns after how many seconds to come back."""
        try:
            async with self._looking:
                async with asyncio.timeout(_REQUEST_SECONDS):
                    await self._renew(asked_at)
                    look = await self._look(asked_at)
                return await self._act(look, asked_at)
        except Conflict:
            return self.timing.retry / 10
        except (Unreachable, TimeoutError) as error:
            self.gate.renewals_fail = True
            self._note(str(error) or f"The API server did not answer within {_REQUEST_SECONDS:g} s.")
        except ClusterError as error:
            self._note(str(error))
        return self.timing.retry

    async def _renew(self, asked_at: float) -> None:
        doubtful = self.gate.look()
        if not doubtful and self._renewed_at is not None and asked_at - self._renewed_at < self.timing.retry:
            return
        await self._write_member()
        self._renewed_at = asked_at
        if self.gate.renewed(asked_at):
            self._certain = False

    async def _write_member(self) -> None:
        lease = member_lease(
            self.namespace, self.name, self.identity,
            stays=self._stays, version=self._version, timing=self.timing, now=self.wall(),
        )  # fmt: skip
        try:
            if self._version:
                written = await self.cluster.update_lease(self.namespace, self._lease_name, lease)
            else:
                written = await self.cluster.create_lease(self.namespace, lease)
        except (Conflict, NotFound) as error:
            # Somebody wrote to it or deleted it, or an answer to us was lost: the list tells.
            await self._look(self.clock())
            raise Conflict(str(error)) from error
        self._version = str(written["metadata"]["resourceVersion"])

    async def _look(self, asked_at: float) -> Look:
        leases = await self.cluster.list_leases(self.namespace, f"{INSTALLATION_LABEL}={self.name}")
        members, buckets = sort_leases(leases, self.name)
        self._records = buckets
        self._version = next((each.version for each in members if each.identity == self.identity), "")
        return self._roster.look(members, buckets, asked_at, self.clock())

    async def _act(self, look: Look, asked_at: float) -> float:
        held = look.held_by(self.identity)
        # Who comes late, or whose Lease was deleted, writes again: then nobody who saw it as free can still take it.
        doubtful = {bucket for bucket in held if not (self._certain and self._records[bucket].version)}
        stale = {bucket for bucket in doubtful if not await self._write(bucket, self.identity)}
        self._certain = not stale
        for bucket in self.held - (held - stale):
            self._lose(bucket, look.holders[bucket])
        if stale:  # somebody wrote to them after the look: plan by a new one
            raise Conflict("a Lease was written since")
        self.trouble = None
        joined, self.member_count = self.gate.joined, len(look.members)
        self.gate.confirm(asked_at, company=look.company)
        if not joined and self.gate.joined:
            logger.info("Joined the members of %s/%s as %s", self.namespace, self.name, self.identity)
            self.hands.joined()
        self.hands.members(self.member_count)
        if not self._stays:
            return self.timing.retry
        for bucket in held - self.held:  # we took it, and the answer was lost
            self._keep(bucket)
        todo = plan(self.identity, look, _PATIENT_TURNS * self.timing.retry, self._giving)
        await self._take(todo.take)
        self._give(todo.give)
        await self._bury(look)
        if todo.waits:
            return self.timing.retry / _WAITING_LOOKS_PER_TURN
        next_death = look.next_death
        return self.timing.retry if next_death is None else min(self.timing.retry, max(0.05, next_death - self.clock()))

    # -- changing hands ------------------------------------------------------------------------------------------------

    async def _take(self, buckets: Sequence[int]) -> None:
        records = dict(self._records)
        written = zip(
            buckets, await asyncio.gather(*(self._write(each, self.identity) for each in buckets)), strict=True
        )
        taken = [bucket for bucket, ours in written if ours]
        for bucket in taken:
            self._keep(bucket, records[bucket])
        if taken:
            logger.info("Took %s; %s in all", _buckets(taken), _buckets(self.held))

    def _keep(self, bucket: int, before: BucketRecord | None = None) -> None:
        self.held.add(bucket)
        self.hands.taken(bucket, before.statuses_until if before is not None and not before.holder else "")

    def _lose(self, bucket: int, holder: str) -> None:
        self.held.discard(bucket)
        if bucket == self._draining and self._giver is not None:
            self._giver.cancel()  # or it would stop what may have been taken again meanwhile
        if self._giving.pop(bucket, None) is not None:
            return  # it was not served any more, and the answer to its release was lost
        logger.warning("Lost bucket %d: %s holds it now", bucket, holder or "no one")
        self.hands.lost(bucket)

    def _give(self, buckets: Iterable[int]) -> None:
        for bucket in buckets:
            self._giving[bucket] = None
        if self._giving and (self._giver is None or self._giver.done()):
            self._giver = asyncio.create_task(self._give_one_by_one(), name="give buckets")

    async def _give_one_by_one(self) -> None:
        """Give buckets one after the other, so that the streams of each pause for a moment only."""
        given = []
        for bucket in list(self._giving):
            if bucket not in self._giving:  # it was lost while another one was given
                continue
            if self._giving[bucket] is None:
                self._draining = bucket
                try:
                    self._giving[bucket] = await self.hands.give(bucket)
                finally:
                    self._draining = None
            try:
                async with self._looking:
                    released = bucket in self._giving and await self._write(bucket, "", self._giving[bucket] or "")
            except (ClusterError, TimeoutError) as error:
                self._note(str(error) or f"The API server did not answer within {_REQUEST_SECONDS:g} s.")
                break  # the next turn comes back to it
            if released and self._giving.pop(bucket, None) is not None:
                self.held.discard(bucket)
                given.append(bucket)
        if given:
            logger.info("Gave %s; %s left", _buckets(given), _buckets(self.held))

    async def _write(self, bucket: int, holder: str, statuses_until: str = "") -> bool:
        """Write who holds a bucket; returns whether it was written, since nobody else wrote to it."""
        record = self._records[bucket]
        lease = bucket_lease(
            self.namespace, self.name, bucket, record,
            holder=holder, now=self.wall(), statuses_until=statuses_until,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                if record.version:
                    written = await self.cluster.update_lease(self.namespace, lease["metadata"]["name"], lease)
                else:
                    written = await self.cluster.create_lease(self.namespace, lease)
        except (Conflict, NotFound):
            return False
        self._records[bucket] = read_bucket(written)
        if not holder:
            self._roster.released(bucket, self.clock())
        return True

    async def _bury(self, look: Look) -> None:
        """Delete the Leases of members that died long ago; the first member does."""
        if look.buried and self.identity == min(look.members):
            for who in look.buried.keys() - self._lingering:
                lease_name = member_lease_name(self.name, who)
                try:
                    await self.cluster.delete_lease(self.namespace, lease_name, look.buried[who].version)
                except (Conflict, NotFound):
                    continue
                except Forbidden as error:
                    self._lingering.add(who)
                    logger.warning("The Lease %s of a member that died stays: %s", lease_name, error)
                else:
                    logger.info("Deleted the Lease of %s, which has not renewed it for long", who)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("Cannot keep the Leases of %s/%s: %s", self.namespace, self.name, trouble)
        self.trouble = trouble

    async def _look_around(self) -> None:
        while True:
            self.gate.look()
            await asyncio.sleep(_LOOK_SECONDS)


def _buckets(buckets: Iterable[int]) -> str:
    count = len(set(buckets))
    return f"{count} bucket{'' if count == 1 else 's'}"
