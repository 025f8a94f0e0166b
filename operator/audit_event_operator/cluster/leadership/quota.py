"""Which buckets to take and which to give, so that all members have as many and no bucket is without a holder. Pure.

Everybody has ⌊16/N⌋, and 16 mod N of the members one more. Whoever has too many gives; whoever has too few takes what is free;
nobody takes from the living. (The rule of fairness is that of Azure's event processors, without their stealing, which lets
two work until the loser looks.)
"""

from collections import Counter
from collections.abc import Collection
from typing import NamedTuple

from audit_event_operator.cluster.leadership.buckets import BUCKETS
from audit_event_operator.cluster.leadership.roster import Look


class Plan(NamedTuple):
    """What to do about one look.

    Attributes:
        take: buckets to take, as far as they are still free when they are written.
        give: buckets to give, the next one first.
        waits: it has too few, and others are about to give: it is worth to look again soon.
    """

    take: list[int]
    give: list[int]
    waits: bool


def plan(identity: str, look: Look, patience_seconds: float, giving: Collection[int] = ()) -> Plan:
    """What a member does after a look.

    Args:
        identity: the member.
        look: what it saw.
        patience_seconds: how long a bucket may stay free before it is taken beyond the quota.
        giving: buckets that it holds and is about to give.
    """
    held = sorted(look.held_by(identity) - set(giving))
    free = [bucket for bucket, holder in look.holders.items() if not holder]
    counts = Counter(holder for holder in look.holders.values() if holder in look.members)
    counts[identity] = len(held)
    quota = _quota(identity, look.members, counts)
    # Each starts at another place, so that they seldom want the same bucket.
    start = sorted(look.members).index(identity) * BUCKETS // len(look.members)
    free.sort(key=lambda bucket: (bucket - start) % BUCKETS)
    room = max(0, quota - len(held))
    take = free[:room] + [bucket for bucket in free[room:] if look.free_seconds[bucket] >= patience_seconds]
    return Plan(take, held[quota:], waits=len(take) < room)


def _quota(identity: str, members: Collection[str], counts: Counter[str]) -> int:
    """How many buckets a member may have, given who has how many now."""
    fair, more = divmod(BUCKETS, len(members))
    ahead = [who for who in members if who != identity and counts[who] > fair]
    if counts[identity] > fair:  # of those that have one more, the first ones keep it
        ahead = [who for who in ahead if who < identity]
    return fair + (len(ahead) < more)
