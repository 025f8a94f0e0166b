"""Whether this process may work right now: it is certain that its buckets are its own, and has not slept through that.

Asked before each tick and each write, so it is a few comparisons. A process that was stopped (SIGSTOP, a suspended machine)
finds out here, by the time since the last question, before it does anything else; then it must read the Leases again first.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from audit_event_operator.cluster.leadership.buckets import BUCKETS, bucket_of
from audit_event_operator.cluster.leadership.lease import LeaseTiming

_STALL_SECONDS: Final = 5.0
"""A gap that is longer than what a busy loop explains; a third of the Lease when that is shorter."""


def time_of_boot() -> float:
    """Seconds since the machine started, including those it was suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(eq=False)
class MemberGate:
    """Open while nobody can have taken what this member holds.

    With company that is until its deadline for renewals is over. A member that is alone goes on without renewals, for nobody
    can take a bucket through an API server that is away; unless it is `strict`.
    """

    timing: LeaseTiming = LeaseTiming()  # noqa: RUF009 - frozen
    clock: Callable[[], float] = time_of_boot
    """Seconds of a clock that also runs while the process is stopped."""
    strict: bool = False
    """Whether a member that is alone stops, too, when it cannot renew."""

    def __post_init__(self) -> None:
        self._stall_seconds = min(_STALL_SECONDS, self.timing.duration / 3)
        self.on_doubt: Callable[[], None] = lambda: None
        """Called when the gate closes because it is not certain any more what is ours."""
        self.on_open: Callable[[], None] = lambda: None
        """Called when the gate opens again after such a doubt."""
        self.joined = False
        """Whether this process has been a member at all."""
        self.company = True
        """Whether another member was there at the last look."""
        self.known_at = self.clock()
        """When our Lease was renewed last, on the gate's clock: when that was asked for."""
        self.renewals_fail = False
        """Whether the last attempt to renew got no answer."""
        self._awake_at = self.clock()
        self._doubt_since: float | None = None

    def is_open(self) -> bool:
        """Whether work may be done now."""
        return self.joined and not self.look()

    def look(self) -> bool:
        """Notice whether we were stopped or have waited too long; returns whether it is doubtful what is ours.

        Something must look at least once a second, besides those who ask the gate.
        """
        now = self.clock()
        asleep = now - self._awake_at
        self._awake_at = now
        if not self.joined:
            return False
        slept_too_long = asleep > self._stall_seconds and self._could_be_lost(asleep, now)
        if slept_too_long or (self._doubt_since is None and self._must_stop(now)):
            doubted, self._doubt_since = self._doubt_since is not None, now
            if not doubted:
                self.on_doubt()
        return self._doubt_since is not None

    def renewed(self, asked_at: float) -> bool:
        """The API server took a renewal that was asked for at `asked_at`; returns whether it came too late to be certain."""
        doubtful = self.look() or asked_at - self.known_at > self.timing.renew
        self.renewals_fail = False
        self.known_at = max(self.known_at, asked_at)
        return doubtful

    def confirm(self, asked_at: float, *, company: bool) -> None:
        """What we hold is certain, by questions that were asked from `asked_at` on; answers to older ones prove nothing."""
        self.look()
        if self._doubt_since is not None and asked_at < self._doubt_since:
            return
        doubted, self._doubt_since = self._doubt_since is not None, None
        self.company = company
        self.joined = True
        if doubted:
            self.on_open()

    def leave(self) -> None:
        """Be a member no more."""
        self.joined = False
        self._doubt_since = None

    def _must_stop(self, now: float) -> bool:
        return (self.company or self.strict) and now - self.known_at > self.timing.renew

    def _could_be_lost(self, asleep: float, now: float) -> bool:
        """Whether another process may have taken what is ours while we slept."""
        slept_through_it = asleep > self.timing.duration
        overdue = now - self.known_at > self.timing.renew
        # Nobody can take a Lease from an API server that does not answer. If it answers, our sleep kept us from renewing.
        return slept_through_it or (overdue and not self.renewals_fail)


class BucketGate:
    """The gate of all resources of one bucket."""

    __slots__ = ("_member_gate", "is_ours", "works")

    def __init__(self, member_gate: MemberGate) -> None:
        self._member_gate = member_gate
        self.is_ours = False
        """Whether the bucket is served here, even if its gate is closed for a moment."""
        self.works = False
        """Whether anything of it may still be written: while it is served, and while what is left drains."""

    def is_open(self) -> bool:
        """Whether its resources may be worked on now."""
        return self.works and self._member_gate.is_open()


class BucketAssignment:
    """Implements the engine's `Assignment`: ours are the resources of the buckets that this process serves."""

    def __init__(self, member_gate: MemberGate) -> None:
        self.member_gate = member_gate
        self._gates = [BucketGate(member_gate) for _ in range(BUCKETS)]

    @property
    def buckets(self) -> frozenset[int]:
        """The buckets that are served here."""
        return frozenset(number for number, gate in enumerate(self._gates) if gate.is_ours)

    def is_ours(self, uid: str) -> bool:
        """Whether the resource with this UID is this process's to serve, even if its gate is closed for a moment."""
        return self._gates[bucket_of(uid)].is_ours

    def gate(self, uid: str) -> BucketGate | MemberGate:
        """The gate of a resource, or of what belongs to none (an empty UID)."""
        return self._gates[bucket_of(uid)] if uid else self.member_gate

    def serve(self, bucket: int) -> None:
        """The bucket is served here from now on."""
        self._gates[bucket].is_ours = self._gates[bucket].works = True

    def drain(self, bucket: int) -> None:
        """Nothing of the bucket is begun any more; what was begun may end."""
        self._gates[bucket].is_ours = False

    def stop(self, bucket: int) -> None:
        """Nothing of the bucket is done here any more."""
        self._gates[bucket].is_ours = self._gates[bucket].works = False
