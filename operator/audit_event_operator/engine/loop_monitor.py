"""The heartbeat of the event loop: how late it is, and whether it still beats."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from audit_event_operator.engine.ledger import Totals

BEAT_SECONDS: Final = 0.1
DEAD_AFTER_SECONDS: Final = 10.0


class LoopMonitor:
    """Beats ten times a second and counts how late each beat was.

    `clock`: seconds of a monotonic clock that also runs while the process is stopped.
    """

    def __init__(self, totals: Totals, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._totals = totals
        self._clock = clock
        self._last = clock()

    @property
    def alive(self) -> bool:
        """Whether the loop has beaten within the last ten seconds."""
        return self._clock() - self._last < DEAD_AFTER_SECONDS

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            before = self._clock()
            await asyncio.sleep(BEAT_SECONDS)
            self._last = self._clock()
            self._totals.loop_lag_seconds.observe(max(0.0, self._last - before - BEAT_SECONDS))
