"""Which ticks are due: tick k at its place on Λ, never "sleep after send", so that the rate is exact in the long run.

All times are integer nanoseconds of one steady clock that the caller reads. A tick up to 250 ms late is made up for; a later
one is skipped and counted in events, so there is never a burst after a stall, a pause or a clock step.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from audit_event_operator.pacing.schedule import Schedule

LATENESS_LIMIT_NS: Final = 250_000_000
_MILLIONTHS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now: `events` to make; `late` and `limited` were due but are skipped; `lag_ns` of the oldest tick made."""

    events: int
    late: int
    limited: int
    lag_ns: int


class Pacer:
    """The ticks of one generator, the first at `first_ns`.

    `cap`: most events per second that may be due, None for no cap; what it cuts is reported as `limited`.
    """

    def __init__(self, schedule: Schedule, first_ns: int, cap: Fraction | None = None) -> None:
        self._last_ns: int | None = None
        self._ahead = 0  # millionths of an event, granted before the cap allowed them
        self._begin(schedule, first_ns, cap)

    def _begin(self, schedule: Schedule, first_ns: int, cap: Fraction | None) -> None:
        self._schedule, self._origin_ns, self._cap = schedule, first_ns, cap
        intensity = schedule.intensity if cap is None else schedule.intensity.capped(cap)
        self._allowed = None if intensity is schedule.intensity else intensity
        self._ticks = 0
        self.next_ns = first_ns
        """When the next tick is due."""

    def due(self, now_ns: int) -> Due | None:
        """Everything due at `now_ns` and not handed out before; None when nothing is."""
        if now_ns < self.next_ns:
            return None
        schedule, origin_ns, first = self._schedule, self._origin_ns, self._ticks
        elapsed_ns = now_ns - origin_ns
        end = schedule.before(elapsed_ns + 1)
        start = first
        if now_ns - self.next_ns > LATENESS_LIMIT_NS:
            start = max(first, schedule.before(elapsed_ns - LATENESS_LIMIT_NS))
        oldest_ns = origin_ns + schedule.moment(start) if end > start else self.next_ns
        self._ticks = end
        self._last_ns = origin_ns + schedule.moment(end - 1)
        self.next_ns = origin_ns + schedule.moment(end)
        asked = (end - start) * schedule.events
        events = asked if self._allowed is None else self._allowed_before(end) - self._allowed_before(start)
        return Due(events, (start - first) * schedule.events, asked - events, now_ns - oldest_ns)

    def change(self, schedule: Schedule, cap: Fraction | None, now_ns: int) -> None:
        """Adopt a new schedule or cap in place: the next tick is at max(now, last tick + its new distance)."""
        if (schedule, cap) == (self._schedule, self._cap):
            return
        next_ns, gap_ns = self.next_ns, schedule.longest_gap_ns
        if gap_ns != self._schedule.longest_gap_ns:
            # Before the first tick there is none to count from: it stays due when it was, or earlier if the new gap is shorter.
            next_ns = min(next_ns, now_ns + gap_ns) if self._last_ns is None else max(now_ns, self._last_ns + gap_ns)
        self._ahead = self._carried()
        self._begin(schedule, next_ns, cap)

    def _allowed_before(self, tick: int) -> int:
        """How many events the cap allows before a tick.

        Rounded up: the first event of a share below one must not wait for the sum to reach a whole event.
        """
        intensity = self._allowed
        if intensity is None:
            return tick * self._schedule.events
        amount = intensity.amount(self._schedule.moment(tick)) * _MILLIONTHS - self._ahead * intensity.parts
        return -(-amount // (intensity.parts * _MILLIONTHS))

    def _carried(self) -> int:
        """What was granted in advance stays owed across a change; else each change of a share below one would add an event.

        Kept to a millionth of an event, rounded up: exact fractions would grow longer with every change.
        """
        intensity = self._allowed
        if intensity is None:
            return self._ahead
        owed = self._allowed_before(self._ticks) * intensity.parts - intensity.amount(
            self._schedule.moment(self._ticks)
        )
        return min(self._ahead + -(-owed * _MILLIONTHS // intensity.parts), _MILLIONTHS - 1)
