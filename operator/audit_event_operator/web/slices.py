"""Long work on the event loop, in slices. What reads ten thousand resources must not hold up a single tick.

A thread would not do: what generators change may be read on the loop only.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

SLICE_SECONDS: Final = 0.002

T = TypeVar("T")
R = TypeVar("R")


class Slices:
    """Whose turn it is: in one turn of the loop there is one slice at most, however many readers there are."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, seconds: float = SLICE_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._turn = asyncio.Lock()

    async def map(self, act: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """What `act` returns for each item. Others run between items, never within one; items are taken lazily."""
        results: list[R] = []
        rest = iter(items)
        more = True
        while more:
            async with self._turn:
                more = False
                end = self._clock() + self._seconds
                for item in rest:
                    results.append(act(item))
                    if self._clock() >= end:
                        more = True
                        break
                await asyncio.sleep(0)  # with the turn still taken: the next reader's slice belongs to the next turn
        return results
