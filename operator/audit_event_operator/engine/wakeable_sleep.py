"""Sleep that can be cut short, cheaper than `asyncio.wait_for` on an event: there is one per tick of each generator."""

from __future__ import annotations

import asyncio


class WakeableSleep:
    """One sleeper, any number of wakers. A wake-up while nobody sleeps makes the next nap end at once."""

    __slots__ = ("_future", "_woken")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self._woken = False

    def wake(self) -> None:
        """End the nap now, or the next one before it begins. Idempotent; call it on the loop."""
        future = self._future
        if future is None:
            self._woken = True
        elif not future.done():
            future.set_result(None)

    async def sleep(self, seconds: float | None) -> None:
        """Sleep until woken, or for at most `seconds`; zero or less lets the loop turn once."""
        if self._woken or (seconds is not None and seconds <= 0):
            self._woken = False
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future = self._future = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self._expire, future)
        try:
            await future
        finally:
            self._future = None
            if timer is not None:
                timer.cancel()

    @staticmethod
    def _expire(future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)
