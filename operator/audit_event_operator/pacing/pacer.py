"""Deadlines: tick k is due at start + k·interval, never "sleep after send", so that the rate is exact in the long run.

All times are integer nanoseconds of one monotonic clock that the caller reads. A tick up to 250 ms late is made up for;
a later one is skipped and counted in events, so there is never a burst after a stall, a pause or a clock step.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000
_AHEAD_PARTS: Final = 1_000_000
LATENESS_LIMIT_NS: Final = 250_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """What is due now: `events` to make; `late` and `limited` were due but are skipped; `lag_ns` of the oldest tick made."""

    events: int
    late: int
    limited: int
    lag_ns: int


class Pacer:
    """The ticks of one generator.

    Args:
        interval_ns: time between ticks, 1 ms to 24 h.
        events_per_interval: events due at each tick, 1 to 10,000.
        first_ns: when the first tick is due.
        cap: most events per second that may be due, None for no cap; what it cuts is reported as `limited`.
    """

    def __init__(self, interval_ns: int, events_per_interval: int, first_ns: int, cap: Fraction | None = None) -> None:
        self._interval_ns = interval_ns
        self._events = events_per_interval
        self._cap = cap
        self._base_ns = first_ns
        self._ticks = 0
        self._last_ns: int | None = None
        self._ahead = Fraction(0)
        self._set_share()

    @property
    def next_ns(self) -> int:
        """When the next tick is due."""
        return self._base_ns + self._ticks * self._interval_ns

    @property
    def rate(self) -> Fraction:
        """Events per second that really are due, the cap taken into account."""
        return Fraction(self._share * NS_PER_SECOND, self._interval_ns)

    @property
    def limited(self) -> bool:
        """Whether the cap cuts the rate."""
        return self._share < self._events

    def due(self, now_ns: int) -> Due | None:
        """Everything due at `now_ns` and not handed out before; None when nothing is."""
        late_ns = now_ns - self.next_ns
        if late_ns < 0:
            return None
        first = self._ticks
        end = first + late_ns // self._interval_ns + 1
        start = first
        if late_ns > LATENESS_LIMIT_NS:
            missed = -(-(late_ns - LATENESS_LIMIT_NS) // self._interval_ns)
            start = min(first + missed, end)
        self._ticks = end
        self._last_ns = self._base_ns + (end - 1) * self._interval_ns
        events = self._events_before(end) - self._events_before(start)
        asked = (end - start) * self._events
        lag_ns = now_ns - (self._base_ns + start * self._interval_ns) if end > start else late_ns
        return Due(events=events, late=(start - first) * self._events, limited=asked - events, lag_ns=lag_ns)

    def change(self, interval_ns: int, events_per_interval: int, cap: Fraction | None, now_ns: int) -> None:
        """Take a new interval, batch or cap up in place: the next tick is at max(now, last tick + new interval)."""
        if (interval_ns, events_per_interval, cap) == (self._interval_ns, self._events, self._cap):
            return
        if interval_ns != self._interval_ns:
            # Before the first tick there is none to count from: it stays due when it was, or earlier if so asked.
            next_ns = self.next_ns if self._last_ns is None else max(now_ns, self._last_ns + interval_ns)
            next_ns = min(next_ns, now_ns + interval_ns) if self._last_ns is None else next_ns
        else:
            next_ns = self.next_ns
        # What was given in advance is owed, else each change of a share below one would be worth an event.
        ahead = self._ahead + self._events_before(self._ticks) - self._ticks * self._share
        # Rounded up to a millionth of an event: exact fractions would grow longer with every change.
        self._ahead = Fraction(min(ceil(ahead * _AHEAD_PARTS), _AHEAD_PARTS - 1), _AHEAD_PARTS)
        self._interval_ns, self._events, self._cap = interval_ns, events_per_interval, cap
        self._base_ns, self._ticks = next_ns, 0
        self._set_share()

    def restart(self, first_ns: int) -> None:
        """Make the next tick due at `first_ns` (after a resume or for a new run)."""
        self._base_ns, self._ticks, self._last_ns = first_ns, 0, None
        self._ahead = Fraction(0)

    def _set_share(self) -> None:
        share = Fraction(self._events)
        if self._cap is not None:
            share = min(share, self._cap * Fraction(self._interval_ns, NS_PER_SECOND))
        self._share = share

    def _events_before(self, tick: int) -> int:
        # The first tick of a share below one must not wait for the sum to reach a whole event.
        return tick * self._events if self._share == self._events else ceil(tick * self._share - self._ahead)
