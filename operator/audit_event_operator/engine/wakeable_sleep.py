"""A sleep that can be cut short. Cheaper than `asyncio.wait_for` on an event: each tick of each generator needs one."""

import asyncio
import math
from typing import Final

_SHORTEST_SECONDS: Final = 10e-6
"""A shorter timer may expire before the clock has moved, and its owner would spin."""

_LONG_SECONDS: Final = 0.25
_SLOTS_PER_SECOND: Final = 100

Sleepers = dict[asyncio.Future[None], None]


class Slots:
    """Long sleeps end on a grid of 10 ms, those of one slot by one timer, so that thousands share turns of the loop.

    A timer for each would be four more objects for each tick that the garbage collector has to look through.
    """

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: dict[int, tuple[asyncio.TimerHandle, Sleepers]] = {}

    def add(self, sleeper: asyncio.Future[None], seconds: float) -> int:
        """Have the sleep end in at least so many seconds; returns its slot."""
        loop = sleeper.get_loop()
        slot = math.ceil((loop.time() + seconds) * _SLOTS_PER_SECOND)
        if slot not in self._slots:
            self._slots[slot] = loop.call_at(slot / _SLOTS_PER_SECOND, self._end, slot), {}
        self._slots[slot][1][sleeper] = None
        return slot

    def remove(self, sleeper: asyncio.Future[None], slot: int) -> None:
        """The sleep has ended, whatever the reason."""
        timer, sleepers = self._slots.get(slot, (None, {}))
        sleepers.pop(sleeper, None)
        if timer is not None and not sleepers:
            timer.cancel()
            del self._slots[slot]

    def _end(self, slot: int) -> None:
        _, sleepers = self._slots.pop(slot)
        for sleeper in sleepers:
            if not sleeper.done():
                sleeper.set_result(None)


class WakeableSleep:
    """One sleeper, any number of wakers. A wake-up while nobody sleeps ends the next sleep at once.

    `slots`: shared by sleepers of the same loop.
    """

    __slots__ = ("_future", "_slots", "_woken")

    def __init__(self, slots: Slots | None = None) -> None:
        self._slots = slots or Slots()
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
        timer = slot = None
        if seconds is not None and seconds >= _LONG_SECONDS:
            slot = self._slots.add(future, seconds)
        elif seconds is not None:
            timer = loop.call_later(max(_SHORTEST_SECONDS, seconds), self.wake)
        try:
            await future
        finally:
            self._future = None
            if slot is not None:
                self._slots.remove(future, slot)
            elif timer is not None:
                timer.cancel()
