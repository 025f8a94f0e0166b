"""How fast we may do something: a bucket that fills with time. Pure; the clock is the caller's."""

from __future__ import annotations


class TokenBucket:
    """Allows `per_second` on average, and up to `burst` at once after a pause."""

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second if burst is None else burst)
        self._tokens = self._burst
        self._at: float | None = None

    def wait_seconds(self, now: float) -> float:
        """How long until the next one is allowed; 0 when it is now. Takes nothing."""
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) / self._per_second)

    def take(self, now: float) -> bool:
        """Whether it is allowed now; if so, it counts."""
        self._fill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _fill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_second)
        self._at = now
