"""Decides which outlet writes how much now: in turns, up to a batch per turn of the loop, so that none waits for another.

"May this be written now?" is answered here and nowhere else: the way out has room, the outlet has something that it may write,
and its gate is open. Knows neither events nor what they are written to.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, Protocol, TypeVar

from audit_event_operator.engine.ports import Gate

BATCH: Final = 100
"""Most events written in one turn of the loop, by all outlets of a pump together."""

GATE_POLL_SECONDS: Final = 0.25


class Source(Protocol):
    """An outlet, as its pump sees it. `queued` belongs to the pump."""

    queued: bool

    @property
    def gate(self) -> Gate:
        """Whether this process may write for the outlet's owner."""

    @property
    def writable(self) -> int:
        """How many events it may write, gate aside."""


AnySource = TypeVar("AnySource", bound=Source)


class Pump(Generic[AnySource]):
    """Round robin over outlets.

    `room` tells how many events all of them together may write now; after 0, `schedule` says when to ask again. `write` takes
    turns, one by one, each an outlet and how many of its events to take, which counts before the next turn is asked for.
    """

    def __init__(self, room: Callable[[], int], write: Callable[[Iterator[tuple[AnySource, int]]], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._room = room
        self._write = write
        self._ready: deque[AnySource] = deque()
        self._gated: list[AnySource] = []
        self._due = False
        self._poll: asyncio.TimerHandle | None = None

    def add(self, source: AnySource) -> None:
        """There may be something to write."""
        if not source.queued and source.writable > 0:
            source.queued = True
            self._ready.append(source)
            self.schedule()

    def schedule(self) -> None:
        """Write in the next turn of the loop, if anything is ready."""
        if self._ready and not self._due:
            self._due = True
            self._loop.call_soon(self._turn)

    def stop(self) -> None:
        """Let go of everything."""
        for source in (*self._ready, *self._gated):
            source.queued = False
        self._ready.clear()
        self._gated.clear()
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None

    def _turn(self) -> None:
        self._due = False
        room = self._room()
        if room > 0:
            self._write(self._turns(room))
            self.schedule()

    def _turns(self, room: int) -> Iterator[tuple[AnySource, int]]:
        ready = self._ready
        while ready and room > 0:
            source = ready[0]
            count = min(source.writable, max(1, room // len(ready)))
            if count <= 0:
                ready.popleft()
                source.queued = False
            elif not source.gate.is_open():
                self._gated.append(ready.popleft())
            else:
                yield source, count
                room -= count
                ready.rotate(-1)
        if self._gated and self._poll is None:
            self._poll = self._loop.call_later(GATE_POLL_SECONDS, self._ask_gates)

    def _ask_gates(self) -> None:
        self._poll = None
        self._ready += self._gated
        self._gated.clear()
        self.schedule()
