"""Whether this process may work right now: it holds the Lease, and has not slept through it.

Asked before each tick and each write, so it is a few comparisons. A process that was stopped (SIGSTOP, a suspended machine)
finds out here, by the time since the last question, before it does anything else; then it must read the Lease again first.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from audit_event_operator.cluster.leadership.lease import LeaseTiming
from audit_event_operator.engine.snapshot import Ref

_STALL_SECONDS: Final = 5.0
"""A gap that is longer than what a busy loop explains; a third of the Lease when that is shorter."""


def time_of_boot() -> float:
    """Seconds since the machine started, including those it was suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(eq=False)
class LeaseGate:
    """Open while the Lease is ours and we were awake all the time since we last knew it."""

    timing: LeaseTiming = LeaseTiming()  # noqa: RUF009 - frozen
    clock: Callable[[], float] = time_of_boot
    """Seconds of a clock that also runs while the process is stopped."""

    def __post_init__(self) -> None:
        self._stall_seconds = min(_STALL_SECONDS, self.timing.duration / 3)
        self.on_doubt: Callable[[], None] = lambda: None
        """Called when the gate closes because the process was stopped."""
        self.on_open: Callable[[], None] = lambda: None
        """Called when the gate opens again after such a doubt."""
        self.held = False
        """Whether the Lease was ours when we last looked; it may be in doubt."""
        self.known_at = self.clock()
        """When it was last certain that the Lease is ours, on the gate's clock."""
        self.renewals_fail = False
        """Whether the last attempt to renew got no answer; set by the elector."""
        self._awake_at = self.clock()
        self._doubt_since: float | None = None

    def is_open(self) -> bool:
        """Whether work may be done now."""
        return self.held and not self.look()

    def look(self) -> bool:
        """Notice whether we were stopped; returns whether it is doubtful that the Lease is still ours.

        Something must look at least once a second, besides those who ask the gate.
        """
        now = self.clock()
        asleep = now - self._awake_at
        self._awake_at = now
        if self.held and asleep > self._stall_seconds and self._could_be_lost(asleep, now):
            if self._doubt_since is None:
                self.on_doubt()
            self._doubt_since = now
        return self._doubt_since is not None

    def confirm(self, asked_at: float) -> None:
        """The API server answered that the Lease is ours, to a question of `asked_at`; older answers prove nothing."""
        self.look()
        if self._doubt_since is not None and asked_at < self._doubt_since:
            return
        doubted, self._doubt_since = self._doubt_since is not None, None
        self.held = True
        self.renewals_fail = False
        self.known_at = max(self.known_at, asked_at)
        if doubted:
            self.on_open()

    def close(self) -> None:
        """The Lease is not ours."""
        self.held = False
        self._doubt_since = None

    def _could_be_lost(self, asleep: float, now: float) -> bool:
        """Whether another process may have taken the Lease while we slept."""
        slept_through_it = asleep > self.timing.duration
        overdue = now - self.known_at > self.timing.renew
        # Nobody can take a Lease from an API server that does not answer. If it answers, our sleep kept us from renewing.
        return slept_through_it or (overdue and not self.renewals_fail)


class LeaseAssignment:
    """Implements the engine's `Assignment`: all resources are ours while this process holds the one Lease."""

    def __init__(self, gate: LeaseGate) -> None:
        self.lease_gate = gate

    def is_ours(self, ref: Ref) -> bool:
        """Whether a resource is this process's to serve, even if its gate is closed for a moment."""
        return self.lease_gate.held

    def gate(self, ref: Ref) -> LeaseGate:
        """The gate that a resource's generator asks."""
        return self.lease_gate
