"""How long to wait for what, and how long between attempts. Values and pure arithmetic; knows no clock."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds.

    `confirm_seconds`: the oldest unconfirmed event may be this old. `slow_retry_…`: for what only the user can mend.
    `secret_failing_seconds`, `secret_connected_seconds`: how often the target is looked up again meanwhile.
    """

    connect_seconds: float = 20.0
    rpc_seconds: float = 20.0
    confirm_seconds: float = 60.0
    heartbeat_seconds: float = 15.0
    backoff_min_seconds: float = 1.0
    backoff_max_seconds: float = 30.0
    slow_retry_min_seconds: float = 30.0
    slow_retry_max_seconds: float = 300.0
    secret_failing_seconds: float = 30.0
    secret_connected_seconds: float = 300.0


class Backoff:
    """Growing pauses with full jitter between a lower and an upper bound, in seconds."""

    def __init__(self, min_seconds: float, max_seconds: float, rng: random.Random) -> None:
        self._min = min_seconds
        self._max = max(min_seconds, max_seconds)
        self._rng = rng
        self._tries = 0

    def next_seconds(self) -> float:
        """The next pause: at least the lower bound, at most twice as long as the last one could be."""
        self._tries = min(self._tries + 1, 32)
        return self._rng.uniform(self._min, min(self._max, self._min * 2.0**self._tries))

    def reset(self) -> None:
        """It works again."""
        self._tries = 0
