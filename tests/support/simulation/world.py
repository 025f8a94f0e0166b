"""Virtual time, shared by many event loops: each process has its own, so that one of them can be stopped like by SIGSTOP."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from random import Random
from typing import Any

_LONGEST_STEP_SECONDS = 0.002
"""What one turn of an event loop may take: others, and signals, come in between."""


class World:
    """The time, what happens next, and the dice.

    Args:
        seed: the same seed, the same story.
    """

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, when: float, do: Callable[[], None]) -> None:
        """Do something at a time; at once when it has passed."""
        heapq.heappush(self._agenda, (max(when, self.now), next(self._numbers), do))

    def run_until(self, until: float) -> None:
        """Let everything happen up to a time."""
        while self._agenda and self._agenda[0][0] <= until:
            self.now, _, do = heapq.heappop(self._agenda)
            do()
        self.now = until


class ProcessLoop(asyncio.BaseEventLoop):
    """The event loop of one process. While `stopped` nothing runs, and what was due meanwhile comes afterwards."""

    def __init__(self, world: World, on_turn: Callable[[], None]) -> None:
        super().__init__()
        self._world = world
        self._on_turn = on_turn
        self._selector = self
        self._busy = False
        self.stopped = False

    def time(self) -> float:
        return self._world.now

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> asyncio.Handle:
        handle = super().call_soon(callback, *args, context=context)
        if not self._busy:
            self._busy = True
            self._come_back()
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> asyncio.TimerHandle:
        handle = super().call_at(when, callback, *args, context=context)
        self._world.at(when, self._turn)
        return handle

    def resume(self) -> None:
        """Go on, like by SIGCONT."""
        self.stopped = False
        self._world.at(self._world.now, self._turn)

    def end(self) -> None:
        """Cancel all tasks and close; the world hears nothing of it."""
        self.stopped = True
        while tasks := asyncio.all_tasks(self):
            for task in tasks:
                if not task.cancelling():
                    task.cancel()
            self._run_once_more()
        self.close()

    def _come_back(self) -> None:
        self._world.at(self._world.now + self._world.random.uniform(0, _LONGEST_STEP_SECONDS), self._turn)

    def _turn(self) -> None:
        if self.stopped or self.is_closed():
            return
        self._busy = True  # what it calls soon is seen below
        self._run_once_more()
        self._busy = bool(self._ready)
        if self._busy:
            self._come_back()
        self._on_turn()

    def _run_once_more(self) -> None:
        self.stop()
        self.run_forever()

    # What BaseEventLoop asks of a selector: nothing ever comes from outside.

    def select(self, timeout: float | None) -> list[Any]:
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        return
