"""Remembers what the Ready condition of one generator depends on over time, and decides it at most once a second.

The decision itself is pure (`readiness`); this is its memory: since when ticks are skipped, whether anything was confirmed
since Ready was last reset, what made the spec invalid or the task crash.
"""

from typing import Final

from audit_event_operator.engine.egress import Egress
from audit_event_operator.engine.readiness import Circumstances, Damping, decide_ready
from audit_event_operator.resource.conditions import Ready
from audit_event_operator.timeline.timeline import Timeline

_SKIP_STREAK_SECONDS: Final = 5.0
"""Skips further apart than this (or two intervals) are not one streak."""

_DECIDE_SECONDS: Final = 1.0
"""Damping is no finer than this."""

_NS: Final = 1_000_000_000


class ReadinessTracker:
    """The memory behind the Ready condition of one generator. All times are seconds of the loop's clock."""

    __slots__ = (
        "_confirmed",
        "_damping",
        "_decided_at",
        "_exhausted_since",
        "_last_skip",
        "_published_at_reset",
        "_ready",
        "_skipping_since",
        "crashed",
        "invalid",
    )

    def __init__(self, damping: Damping) -> None:
        self.invalid: str | None = None
        self.crashed: str | None = None
        self._damping = damping
        self._published_at_reset = 0
        self._confirmed = False
        self._skipping_since: float | None = None
        self._exhausted_since: float | None = None
        self._last_skip = 0.0
        self._ready: Ready | None = None
        self._decided_at = 0.0

    def reset(self, published: int) -> None:
        """Ready is Unknown until more than `published` events are confirmed."""
        self._published_at_reset, self._confirmed = published, False
        self._skipping_since = self._exhausted_since = self._ready = None

    def confirmed(self, published: int) -> bool:
        """Count a confirm; True for the first one after a reset."""
        first = not self._confirmed and published > self._published_at_reset
        self._confirmed = self._confirmed or first
        return first

    @property
    def skipping(self) -> bool:
        """Ticks are skipped, or were a moment ago."""
        return self._skipping_since is not None or self._exhausted_since is not None

    def skipped(self, now: float, egress: Egress) -> bool:
        """A tick found no room for all of its events; True for the first one of a streak.

        What is skipped while the broker takes no events has a reason of its own, and is no back-pressure afterwards. What is
        skipped because others use up the memory is neither.
        """
        outbox, before = egress.outbox, self.skipping
        starved = outbox is not None and outbox.starved
        exhausted = starved and outbox is not None and outbox.overdrawn
        self._exhausted_since = _since(self._exhausted_since, now) if exhausted else None
        self._skipping_since = _since(self._skipping_since, now) if egress.taking and not starved else None
        self._last_skip = now
        return self.skipping and not before

    def ready(self, now: float, timeline: Timeline | None, egress: Egress) -> Ready:
        """The Ready condition of this moment."""
        if self._ready is None or now - self._decided_at >= _DECIDE_SECONDS:
            return self.decide(now, timeline, egress)
        return self._ready

    def decide(self, now: float, timeline: Timeline | None, egress: Egress) -> Ready:
        """The same, anew: something has changed."""
        gap_seconds = timeline.longest_gap_ns / _NS if timeline is not None else 0.0
        if now - self._last_skip > max(_SKIP_STREAK_SECONDS, 2 * gap_seconds):
            self._skipping_since = self._exhausted_since = None
        seen = Circumstances(
            now=now,
            destination=egress.phrase,
            longest_gap_seconds=gap_seconds,
            silent="" if timeline is None else timeline.silent,
            scenarios=timeline is not None and bool(timeline.episodes.playbook),
            suspended=timeline is not None and timeline.spec.suspend,
            invalid=self.invalid,
            crashed=self.crashed,
            complete=None if timeline is None else timeline.complete,
            unavailable=egress.unavailable,
            health=egress.health,
            confirmed=self._confirmed,
            idle=egress.idle,
            skipping_since=self._skipping_since,
            exhausted_since=self._exhausted_since,
        )
        self._ready, self._decided_at = decide_ready(seen, self._damping), now
        return self._ready


def _since(since: float | None, now: float) -> float:
    return now if since is None else since
