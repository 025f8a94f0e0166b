"""A sleep that can be cut short. Cheaper than `asyncio.wait_for` on an event: each tick of each generator needs one."""

import asyncio
import math
from typing import Final

_SHORTEST_SECONDS: Final = 10e-6
"""A shorter timer may expire before the clock has moved, and its owner would spin."""

_LONG_SECONDS: Final = 0.25
_SLOTS_PER_SECOND: Final = 100
"""Long sleeps end on a grid, so that those of thousands of generators share turns of the loop and looks at their sockets."""


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
        """Sleep until woken, or for `seconds`, but no less than 10 µs; exactly 0 lets the loop turn once.

        A quarter of a second and more may become up to 10 ms longer.
        """
        if self._woken or seconds == 0:
            self._woken = False
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future = self._future = loop.create_future()
        if seconds is None:
            timer = None
        elif seconds < _LONG_SECONDS:
            timer = loop.call_later(max(_SHORTEST_SECONDS, seconds), self.wake)
        else:
            slot = math.ceil((loop.time() + seconds) * _SLOTS_PER_SECOND)
            timer = loop.call_at(slot / _SLOTS_PER_SECOND, self.wake)
        try:
            await future
        finally:
            self._future = None
            if timer is not None:
                timer.cancel()
