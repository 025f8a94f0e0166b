"""How a generator stands: remembers what a verdict depends on over time, and gives it at most once a second.

The verdict itself is a pure function (`readiness`); this is its memory: since when ticks are skipped, whether anything was
confirmed since Ready was last reset, what made the spec invalid or the task crash.
"""

from __future__ import annotations

from typing import Final

from audit_event_operator.engine.egress import Egress
from audit_event_operator.engine.readiness import Circumstances, Damping, judge
from audit_event_operator.engine.snapshot import Completion, Verdict
from audit_event_operator.resource.spec import GeneratorSpec

_SKIP_STREAK_SECONDS: Final = 5.0
"""Skips further apart than this (or two intervals) are not one streak."""

_JUDGE_SECONDS: Final = 1.0
"""Damping is no finer than this."""

_NS: Final = 1_000_000_000


class ReadinessTracker:
    """The memory behind the Ready condition of one generator. All times are seconds of the loop's clock."""

    def __init__(self, damping: Damping) -> None:
        self.invalid: str | None = None
        self.crashed: str | None = None
        self._damping = damping
        self._published_at_reset = 0
        self._confirmed = False
        self._skipping_since: float | None = None
        self._last_skip = 0.0
        self._verdict: Verdict | None = None
        self._judged_at = 0.0

    def reset(self, published: int) -> None:
        """Ready is Unknown until more than `published` events are confirmed."""
        self._published_at_reset, self._confirmed = published, False
        self._skipping_since = self._verdict = None

    def confirmed(self, published: int) -> bool:
        """Count a confirm; True for the first one after a reset."""
        first = not self._confirmed and published > self._published_at_reset
        self._confirmed = self._confirmed or first
        return first

    def skipped(self, now: float, *, taking: bool) -> None:
        """A tick found no room for all of its events.

        Args:
            now: the moment.
            taking: the broker takes events. What is skipped while it is away or blocks has a reason of its own, and is no
                back-pressure once it is back.
        """
        if not taking:
            self._skipping_since = None
            return
        if self._skipping_since is None:
            self._skipping_since = now
        self._last_skip = now

    def forget_verdict(self) -> None:
        """Something has changed: judge anew when next asked."""
        self._verdict = None

    def verdict(self, now: float, spec: GeneratorSpec | None, egress: Egress, complete: Completion | None) -> Verdict:
        """The verdict of this moment."""
        if self._verdict is None or now - self._judged_at >= _JUDGE_SECONDS:
            self._verdict, self._judged_at = self._judge(now, spec, egress, complete), now
        return self._verdict

    def _judge(self, now: float, spec: GeneratorSpec | None, egress: Egress, complete: Completion | None) -> Verdict:
        interval_seconds = spec.interval_ns / _NS if spec is not None else 0.0
        if self._skipping_since is not None and now - self._last_skip > max(_SKIP_STREAK_SECONDS, 2 * interval_seconds):
            self._skipping_since = None
        seen = Circumstances(
            now=now,
            queue=spec.queue if spec is not None else "",
            interval_seconds=interval_seconds,
            suspended=spec is not None and spec.suspend,
            invalid=self.invalid,
            crashed=self.crashed,
            complete=complete,
            unavailable=egress.unavailable,
            health=egress.health,
            confirmed=self._confirmed,
            idle=egress.idle,
            skipping_since=self._skipping_since,
        )
        return judge(seen, self._damping)
