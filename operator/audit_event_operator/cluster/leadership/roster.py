"""Who is there and who holds what, as one reader has seen it over time. Pure: readings of one steady clock are passed in.

A member lives while its Lease changes, by the reader's own clock. A bucket is free when nobody holds it or its holder does not
live any more; the Lease of a living holder is never touched. A bucket whose Lease was deleted stays with the holder that was
seen last for as long as a Lease lasts, so that the holder can make it again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from audit_event_operator.cluster.leadership.lease import BucketRecord, LeaseTiming, MemberRecord

WATCHED_TURNS: Final = 3
"""After so many missed turns a member may have renewed unseen, or not have been able to: its time starts again."""

_SOMEBODY: Final = "somebody"

BURIED_AFTER_DURATIONS: Final = 6
"""A member Lease that has not changed for so many durations is deleted."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one list of the Leases told.

    Attributes:
        members: living members that want buckets, the reader included.
        holders: who holds each bucket; empty for a free one.
        free_seconds: of each free bucket, for how long the reader has seen it free.
        buckets: the records, to write on.
        company: whether any other member lives, one that is about to leave included.
        next_death: when the next holder dies if it does not renew, on the reader's clock; None without other holders.
        buried: Leases of members that died long ago, by identity.
    """

    members: frozenset[str]
    holders: Mapping[int, str]
    free_seconds: Mapping[int, float]
    buckets: Mapping[int, BucketRecord]
    company: bool
    next_death: float | None
    buried: Mapping[str, MemberRecord]

    def held_by(self, identity: str) -> frozenset[int]:
        """The buckets that a member holds."""
        return frozenset(bucket for bucket, holder in self.holders.items() if holder == identity)


class Roster:
    """What one member has seen of all of them.

    Args:
        identity: the reader; it always counts as living.
        timing: how long a Lease counts.
    """

    def __init__(self, identity: str, timing: LeaseTiming) -> None:
        self.identity = identity
        self._timing = timing
        self._seen: dict[str, tuple[str, float]] = {}
        """The last sign of each member and since when it is unchanged."""
        self._free_since: dict[int, float] = {}
        self._last_seen: dict[int, tuple[str, float]] = {}
        """Who held each bucket when its Lease was there last, and when that was."""
        self._looked_at: float | None = None

    def look(
        self, members: Iterable[MemberRecord], buckets: Mapping[int, BucketRecord], asked_at: float, answered_at: float
    ) -> Look:
        """Take in all Leases as a list told them that was asked for and answered at these times.

        What it tells was so at some moment between the two: the later one counts as the first sight of a Lease, the earlier
        one as the last sight of one that has not changed.
        """
        duration = self._timing.duration
        buckets = {bucket: self._remembered(bucket, each, asked_at) for bucket, each in buckets.items()}
        unwatched = self._looked_at is None or asked_at - self._looked_at > WATCHED_TURNS * self._timing.retry
        self._looked_at = asked_at
        others = {each.identity: each for each in members if each.identity != self.identity}
        signs = {who: each.renewed for who, each in others.items()}
        # A holder without a Lease of its own is judged like one that does not renew: somebody may have deleted the Lease.
        signs |= {each.holder: "" for each in buckets.values() if each.holder not in ("", self.identity, *others)}
        seen = {}
        for who, sign in signs.items():
            before = self._seen.get(who)
            seen[who] = before if before and before[0] == sign and not unwatched else (sign, answered_at)
        self._seen = seen
        living = {who for who, (_, since) in seen.items() if asked_at - since < duration}
        holders = {
            bucket: each.holder if each.holder == self.identity or each.holder in living else ""
            for bucket, each in buckets.items()
        }
        self._free_since = {
            bucket: self._free_since.get(bucket, asked_at) for bucket, holder in holders.items() if not holder
        }
        held_by_others = {holder for holder in holders.values() if holder not in ("", self.identity)}
        return Look(
            members=frozenset({self.identity, *(who for who, each in others.items() if each.stays and who in living)}),
            holders=holders,
            free_seconds={bucket: asked_at - since for bucket, since in self._free_since.items()},
            buckets=dict(buckets),
            company=bool(living),
            next_death=min((seen[who][1] + duration for who in held_by_others), default=None),
            buried={
                who: each
                for who, each in others.items()
                if asked_at - seen[who][1] >= BURIED_AFTER_DURATIONS * duration
            },
        )

    def released(self, bucket: int, now: float) -> None:
        """We have freed a bucket: whoever takes it may hold it before we look, also if its Lease is deleted meanwhile."""
        self._last_seen[bucket] = _SOMEBODY, now

    def _remembered(self, bucket: int, record: BucketRecord, now: float) -> BucketRecord:
        if record.version:
            self._last_seen[bucket] = record.holder, now
            return record
        holder, seen_at = self._last_seen.get(bucket, ("", now))
        return replace(record, holder=holder if now - seen_at < self._timing.duration else "")
