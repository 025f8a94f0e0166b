"""Which ticks are due: tick k at its place on Λ, never "sleep after send", so that the rate is exact in the long run.

All times are integer nanoseconds of one steady clock that the caller reads. A tick up to 250 ms late is made up for; a later
one is skipped and counted in events, so there is never a burst after a stall, a pause or a clock step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from audit_event_operator.pacing.intensity import Intensity
from audit_event_operator.pacing.schedule import Schedule

LATENESS_LIMIT_NS: Final = 250_000_000
_MILLIONTHS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now: `events` to make; `late` and `limited` were due but are skipped; `lag_ns` of the oldest tick made.

    `ticks`: those of the events, for `Pacer.moment`.
    """

    events: int
    late: int
    limited: int
    lag_ns: int
    ticks: range = range(0)


class Pacer:
    """The ticks of one generator, along a schedule that begins at `first_ns`.

    `cap`: most events per second that may be due, None for no cap; what it cuts is reported as `limited`. `punctual`: nobody
    is ever late, however far apart the looks are.
    """

    __slots__ = (
        "_ahead",
        "_allowed",
        "_allowed_from",
        "_cap",
        "_first_allowed",
        "_last_ns",
        "_origin_ns",
        "_punctual",
        "_schedule",
        "_ticks",
        "_wanted",
        "next_ns",
    )

    def __init__(
        self, schedule: Schedule, first_ns: int, cap: Fraction | None = None, *, punctual: bool = False
    ) -> None:
        self._punctual = punctual
        self._last_ns: int | None = None
        self._ahead = 0  # millionths of an event, granted before the cap allowed them
        self._begin(schedule, first_ns, 0)
        self._limit(cap)

    def _begin(self, schedule: Schedule, origin_ns: int, ticks: int) -> None:
        self._wanted, self._schedule = schedule, schedule.starting(origin_ns)
        self._origin_ns, self._ticks = origin_ns, ticks
        self.next_ns = origin_ns + self._schedule.moment(ticks)
        """When the next tick is due, or when to ask again if that is far away."""

    def _limit(self, cap: Fraction | None) -> None:
        asked, self._cap = self._schedule.intensity, cap
        allowed = asked if cap is None else asked.capped(cap)
        self._allowed: Intensity | None = None if allowed is asked else allowed
        self._allowed_from = 0 if allowed is asked else allowed.amount(self._schedule.moment(self._ticks))
        self._first_allowed = self._ticks

    @property
    def gap_ns(self) -> int:
        """From the last tick to the next one, or to when to ask again."""
        return self.next_ns - (self._origin_ns if self._last_ns is None else self._last_ns)

    def due(self, now_ns: int) -> Due | None:
        """Everything due at `now_ns` and not handed out before; None when nothing is."""
        if now_ns < self.next_ns:
            return None
        schedule, origin_ns, first = self._schedule, self._origin_ns, self._ticks
        elapsed_ns = now_ns - origin_ns
        end = schedule.before(elapsed_ns + 1)
        if end <= first:  # asked again, and it is still far away
            schedule.intensity.forget(elapsed_ns)
            self.next_ns = origin_ns + schedule.moment(first)
            return None
        start = first
        if now_ns - self.next_ns > LATENESS_LIMIT_NS and not self._punctual:
            start = max(first, schedule.before(elapsed_ns - LATENESS_LIMIT_NS))
        oldest_ns = self.next_ns if start in {first, end} else origin_ns + schedule.moment(start)
        self._last_ns = oldest_ns if end - 1 == start else origin_ns + schedule.moment(end - 1)
        self.next_ns = origin_ns + schedule.moment(end)
        self._ticks = end
        asked = events = (end - start) * schedule.events
        if self._allowed is not None:
            events = self._allowed_before(end) - self._allowed_before(start)
            self._allowed.forget(elapsed_ns)
        schedule.intensity.forget(oldest_ns - origin_ns)
        return Due(events, (start - first) * schedule.events, asked - events, now_ns - oldest_ns, range(start, end))

    def moment(self, tick: int) -> int:
        """When a tick was due, by the caller's clock."""
        return self._origin_ns + self._schedule.moment(tick)

    def moments(self, ticks: range) -> Sequence[int]:
        """When each of some consecutive ticks was due, by the caller's clock."""
        moments, origin_ns = self._schedule.moments(ticks), self._origin_ns
        if isinstance(moments, range):
            return range(moments.start + origin_ns, moments.stop + origin_ns, moments.step)
        return [moment + origin_ns for moment in moments]

    def reaching(self, events: int) -> int:
        """By when about so many more events will be due, or when to ask again if that is far away."""
        ticks = max(1, events // self._schedule.events)
        return self._origin_ns + self._schedule.moment(self._ticks + ticks - 1)

    def change(self, schedule: Schedule, cap: Fraction | None, now_ns: int) -> None:
        """Adopt a new schedule or cap in place: the next tick is at max(now, last tick + its new distance)."""
        if (schedule, cap) == (self._wanted, self._cap):
            return
        self._ahead = self._carried()
        if schedule != self._wanted:
            self._retime(schedule, now_ns)
        self._limit(cap)

    def _retime(self, schedule: Schedule, now_ns: int) -> None:
        gap_ns = schedule.gap_ns(now_ns)
        if self._last_ns is not None:
            self._begin(schedule, self._last_ns, 1)
            if self.next_ns < now_ns:
                self._begin(schedule, now_ns, 0)
            return
        # Before the first tick there is none to count from: it stays due when it was, or earlier if the new gap is shorter.
        next_ns = max(now_ns, self.next_ns)
        self._begin(schedule, next_ns if gap_ns is None else min(next_ns, now_ns + gap_ns), 0)

    def _allowed_before(self, tick: int) -> int:
        """How many events the cap allows before a tick, since it was set.

        Rounded up: the first event of a share below one must not wait for the sum to reach a whole event.
        """
        intensity = self._allowed
        if intensity is None:
            return (tick - self._first_allowed) * self._schedule.events
        amount = intensity.amount(self._schedule.moment(tick)) - self._allowed_from
        return -(-(amount * _MILLIONTHS - self._ahead * intensity.parts) // (intensity.parts * _MILLIONTHS))

    def _carried(self) -> int:
        """What was granted in advance stays owed across a change; else each change of a share below one would add an event.

        Kept to a millionth of an event, rounded up: exact fractions would grow longer with every change.
        """
        intensity = self._allowed
        if intensity is None:
            return self._ahead
        amount = intensity.amount(self._schedule.moment(self._ticks)) - self._allowed_from
        owed = self._allowed_before(self._ticks) * intensity.parts - amount
        return min(self._ahead + -(-owed * _MILLIONTHS // intensity.parts), _MILLIONTHS - 1)
