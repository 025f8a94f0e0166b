"""A rate limit for what may wait or be left out: log lines, writes to the API server. Pure; the caller reads the clock."""

from typing import Final

_SHORTEST_WAIT_SECONDS: Final = 0.001
"""The lack may be a mere rounding error, which is too short to sleep for."""


class TokenBucket:
    """Allows `per_second` on average, and `burst` at once after a pause: at least 1, by default `per_second`."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second if burst is None else burst)
        self._tokens = self._burst
        self._at: float | None = None

    def wait_seconds(self, now: float) -> float:
        """How long until `take` succeeds: 0 if it would now, else 1 ms or more. `now` is in seconds of any steady clock."""
        self._fill(now)
        return 0.0 if self._tokens >= 1.0 else max(_SHORTEST_WAIT_SECONDS, (1.0 - self._tokens) / self._per_second)

    def take(self, now: float) -> bool:
        """Take one if there is one."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_second)
        self._at = now
