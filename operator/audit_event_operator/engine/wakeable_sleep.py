"""A sleep that can be cut short. Cheaper than `asyncio.wait_for` on an event: each tick of each generator needs one."""

import asyncio
from typing import Final

_SHORTEST_SECONDS: Final = 10e-6
"""A shorter timer may expire before the clock has moved, and its owner would spin."""


class WakeableSleep:
    """One sleeper, any number of wakers. A wake-up while nobody sleeps ends the next sleep at once."""

    __slots__ = ("_future", "_woken")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._woken = False

    def wake(self) -> None:
        """End the sleep now, or the next one before it begins. Idempotent; call it on the loop."""
        future = self._future
        if future is None:
            self._woken = True
        elif not future.done():
            future.set_result(None)

    async def sleep(self, seconds: float | None) -> None:
        """Sleep until woken, or for at most `seconds`, but no less than 10 µs; exactly 0 lets the loop turn once."""
        if self._woken or seconds == 0:
            self._woken = False
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future = self._future = loop.create_future()
        timer = None if seconds is None else loop.call_later(max(_SHORTEST_SECONDS, seconds), self.wake)
        try:
            await future
        finally:
            self._future = None
            if timer is not None:
                timer.cancel()
