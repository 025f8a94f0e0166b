"""Whether this process may work right now: it holds the Lease, and has not slept through it.

Asked before each tick and each write, so it is a few comparisons. A process that was stopped (SIGSTOP, a suspended
machine) finds out here, by the gap since anybody last asked, before it does anything else; then the Lease must be read
again first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from audit_event_operator.engine.ports import Gate
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.durations import Seconds

_STALL_SECONDS: Final = 5.0
"""A gap that is longer than what a busy loop explains; a third of the Lease when that is shorter."""


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """The Lease's times in seconds. Each is a setting."""

    duration: Annotated[int, Field(ge=1, le=3600)] = 15
    """How long the Lease is valid without being renewed."""
    renew: Seconds = 10
    """Deadline of the holder's renewal."""
    retry: Seconds = 2
    """Time between two tries to take or renew the Lease."""


def time_of_boot() -> float:
    """Seconds since the machine started, those it was suspended included."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class LeaseGate:
    """Open while the Lease is ours and we were awake all the time since we last knew it.

    Args:
        timing: the Lease's times.
        clock: seconds of a clock that also runs while the process is stopped.
    """

    def __init__(
        self,
        timing: LeaseTiming = LeaseTiming(),
        *,
        clock: Callable[[], float] = time_of_boot,
    ) -> None:
        self._timing = timing
        self._stall_seconds = min(_STALL_SECONDS, timing.duration / 3)
        self._clock = clock
        self.on_doubt: Callable[[], None] = lambda: None
        """Called when the gate closes because the process was stopped."""
        self.on_open: Callable[[], None] = lambda: None
        """Called when the gate opens again after such a doubt."""
        self._held = False
        self._awake_at = clock()
        self._known_at = clock()
        self._doubt_since: float | None = None
        self.renewals_fail = False
        """Whether the last attempt to renew got no answer; set by the leader elector."""

    @property
    def held(self) -> bool:
        """Whether the Lease was ours when we last looked."""
        return self._held

    @property
    def known_at(self) -> float:
        """When it was last certain that the Lease is ours, on the gate's clock."""
        return self._known_at

    def gate(self, ref: Ref) -> Gate:
        """Implements `Assignment`: one Lease is for all resources, so all have this gate."""
        return self

    def is_open(self) -> bool:
        """Whether work may be done now."""
        return self._held and not self.look()

    def look(self) -> bool:
        """Notice whether we were stopped; returns whether it is doubtful that the Lease is still ours.

        Besides whoever asks the gate, something must look at least once a second.
        """
        now = self._clock()
        asleep = now - self._awake_at
        self._awake_at = now
        if self._held and asleep > self._stall_seconds and self._could_be_lost(asleep, now):
            if self._doubt_since is None:
                self.on_doubt()
            self._doubt_since = now
        return self._doubt_since is not None

    def confirm(self, asked_at: float) -> None:
        """The API server said that the Lease is ours, in answer to a question of `asked_at`; older answers prove nothing."""
        self.look()
        if self._doubt_since is not None and asked_at < self._doubt_since:
            return
        doubted, self._doubt_since = self._doubt_since is not None, None
        self._held = True
        self.renewals_fail = False
        self._known_at = max(self._known_at, asked_at)
        if doubted:
            self.on_open()

    def close(self) -> None:
        """The Lease is not ours."""
        self._held = False
        self._doubt_since = None

    def _could_be_lost(self, asleep: float, now: float) -> bool:
        """Whether somebody can have taken the Lease while we slept.

        While the API server does not answer, a short sleep is nobody's chance; else it is what kept us from renewing.
        """
        if asleep > self._timing.duration:
            return True
        return not self.renewals_fail and now - self._known_at > self._timing.renew
