"""The rate that was really confirmed: a sliding window over a counter, fed whenever the counter grows."""

from array import array
from typing import Final

_WINDOW_SECONDS: Final = 30.0
_STEP_SECONDS: Final = 3.0
"""Between two samples that are kept, and how much longer than it should be the window may therefore be."""


class ObservedRate:
    """Events per second over the last 30 s of a counter that only grows; `now`: when it begins, in seconds of any clock."""

    __slots__ = ("_counts", "_times")

    def __init__(self, now: float, count: int = 0) -> None:
        self._times = array(
            "d", (now,)
        )  # thousands of streams have one of these: a deque of tuples is five times as large
        self._counts = array("q", (count,))

    def sample(self, now: float, count: int) -> None:
        """The counter stands at `count` since `now`. The latest sample is always kept, earlier ones a step apart."""
        times, counts = self._times, self._counts
        if len(times) > 1 and now - times[-2] < _STEP_SECONDS:
            times[-1], counts[-1] = now, count
        else:
            times.append(now)
            counts.append(count)
        self._forget(now)

    def rate(self, now: float, count: int) -> float:
        """The mean over the window, or since the beginning where that is later; 0 in the first second."""
        self._forget(now)
        seconds = now - self._times[0]
        if seconds > _WINDOW_SECONDS + _STEP_SECONDS:  # nothing came between the first sample and the window
            seconds = _WINDOW_SECONDS
        return (count - self._counts[0]) / seconds if seconds >= 1.0 else 0.0

    def _forget(self, now: float) -> None:
        """Leave out what is older than the window, but for the last of it: that is how the counter stood at its beginning."""
        old = 0
        for time in self._times[1:]:
            if now - time < _WINDOW_SECONDS:
                break
            old += 1
        if old:
            del self._times[:old], self._counts[:old]
