"""Pauses between attempts, ever longer while they fail. Pure: it waits for nothing and knows no clock."""

import random


class Backoff:
    """Pauses that double from `min_seconds` up to `max_seconds`; a maximum below the minimum counts as the minimum.

    With `rng` each pause lies between `min_seconds` and twice the plain value (full jitter); None gives the plain values.
    """

    __slots__ = ("_max", "_min", "_next", "_rng")

    def __init__(self, min_seconds: float, max_seconds: float, rng: random.Random | None = None) -> None:
        self._min = self._next = min_seconds
        self._max = max(min_seconds, max_seconds)
        self._rng = rng

    def next_seconds(self) -> float:
        """The pause before the next attempt."""
        plain = self._next
        self._next = min(self._max, plain * 2)
        return plain if self._rng is None else self._rng.uniform(self._min, self._next)

    def reset(self) -> None:
        """An attempt succeeded: the next pause is a short one again."""
        self._next = self._min
