"""Shows events instead of sending them: one body per line on stdout or in a file. The demo's broker.

A reader may be slow or stop reading (`| less`), so writing happens in a thread of its own; an event is published when its
line has been handed to the system. Knows neither queues nor brokers.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from audit_event_operator.engine.ledger import Outcome, Totals
from audit_event_operator.engine.outbox import Outbox, Parcel
from audit_event_operator.engine.ports import Destination, Outlet, OutletHealth, OutletOwner, Trouble
from audit_event_operator.resource.conditions import Reason

logger = logging.getLogger(__name__)

BATCH: Final = 100
"""Most lines handed over at once, so that what a slow reader has not seen yet stays small."""

CLOSE_SECONDS: Final = 2.0
_FULL_PIPE_SECONDS: Final = 0.01


class ByteStream(Protocol):
    """What is written to: `sys.stdout.buffer`, an open binary file."""

    def write(self, data: bytes, /) -> int | None:
        """Write some or all of it; None when a non-blocking stream takes nothing now."""

    def flush(self) -> None:
        """Hand everything to the system."""


class StreamOutlet:
    """See `Outlet`."""

    def __init__(self, brokers: StreamBrokers, outbox: Outbox, owner: OutletOwner) -> None:
        self.outbox = outbox
        self.open = True
        self.queued = False
        self.in_flight: dict[Parcel, None] = {}
        self._brokers = brokers
        self._owner = owner
        self._health = OutletHealth()
        outbox.on_put = self.poke

    @property
    def health(self) -> OutletHealth:
        """How it fares now."""
        return self._health

    def say(self, health: OutletHealth) -> None:
        """Have another health."""
        self._health = health
        if self.open:
            self._owner.outlet_changed()

    def poke(self) -> None:
        """There may be something to write."""
        if self.open and not self.queued and self.outbox.writable > 0:
            self._brokers.enqueue(self)

    def resize(self) -> None:
        """The outbox's window changed."""
        self.poke()

    def retry_now(self) -> None:
        """There is nothing to retry."""

    def close(self, grace_seconds: float) -> None:
        """Write nothing more; what was handed over has `grace_seconds`, then its outcome is unknown."""
        if not self.open:
            return
        self.open = False
        if self.outbox.on_put == self.poke:
            self.outbox.on_put = None
        if grace_seconds <= 0:
            self._give_up()
        elif self.in_flight:
            asyncio.get_running_loop().call_later(grace_seconds, self._give_up)
        self._brokers.forget(self)

    def _give_up(self) -> None:
        parcels, self.in_flight = self.in_flight, {}
        for parcel in parcels:
            self.outbox.fail(parcel, Outcome.UNKNOWN)
        if parcels:
            self.outbox.notify_settled()


class StreamBrokers:
    """See `Brokers`.

    Args:
        stream: where lines go. It is written to directly, past its buffer, where it has one.
        totals: gets the time each line took.
        closed: called on the loop, once, when nobody reads any more (a broken pipe) or writing fails.
        name: what the stream is called in health and messages.
    """

    def __init__(
        self, stream: ByteStream, *, totals: Totals, closed: Callable[[], None] = lambda: None, name: str = "stdout"
    ) -> None:
        # A thread that hangs in a buffered write would hold the buffer's lock, on which the interpreter's end then fails.
        self._stream: ByteStream = getattr(stream, "raw", stream)
        self._totals = totals
        self._closed = closed
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._ready: deque[StreamOutlet] = deque()
        self._outlets: dict[StreamOutlet, None] = {}
        self._work: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._writing: list[tuple[StreamOutlet, Parcel]] = []
        self._began = 0.0
        self._broken = False
        self._idle = asyncio.Event()
        self._idle.set()
        threading.Thread(target=self._write_all, name="stream writer", daemon=True).start()

    def open(self, destination: Destination, outbox: Outbox, owner: OutletOwner) -> Outlet:
        """A new outlet, ready in the next turn of the loop."""
        outlet = StreamOutlet(self, outbox, owner)
        self._outlets[outlet] = None
        self._loop.call_soon(self._ready_now, outlet)
        return outlet

    def connections(self) -> dict[str, int]:
        """Connections by state: the stream counts as one."""
        return {"failing" if self._broken else "connected": 1}

    def connect_results(self) -> dict[str, int]:
        """There are no attempts to count."""
        return {}

    async def aclose(self) -> None:
        """Wait for the lines under way, at most 2 s; the stream itself stays open."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            logger.debug("%s takes nothing any more.", self._name)
        self._work.put(None)

    # -- the outlets' side ---------------------------------------------------------------------------------------------

    def enqueue(self, outlet: StreamOutlet) -> None:
        """This outlet has something to write."""
        outlet.queued = True
        self._ready.append(outlet)
        if self._idle.is_set():
            self._idle.clear()
            self._loop.call_soon(self._pump)

    def forget(self, outlet: StreamOutlet) -> None:
        """This outlet has ended."""
        self._outlets.pop(outlet, None)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _ready_now(self, outlet: StreamOutlet) -> None:
        if outlet.open:
            trouble = self._trouble() if self._broken else None
            since = None if self._broken else self._loop.time()
            outlet.say(OutletHealth(ready_since=since, connected=not self._broken, trouble=trouble, broker=self._name))
            outlet.poke()

    def _pump(self) -> None:
        """Hand one batch over, in turns."""
        lines: list[bytes] = []
        ready = self._ready
        while ready and len(lines) < BATCH and not self._broken:
            outlet = ready[0]
            count = min(outlet.outbox.writable, max(1, (BATCH - len(lines)) // len(ready))) if outlet.open else 0
            if count <= 0:
                ready.popleft()
                outlet.queued = False
                continue
            for _ in range(count):
                parcel = outlet.outbox.take()
                outlet.in_flight[parcel] = None
                self._writing.append((outlet, parcel))
                lines.append(parcel.event.body)
            ready.rotate(-1)
        if lines:
            self._began = self._loop.time()
            self._work.put(b"\n".join(lines) + b"\n")
        else:
            self._idle.set()

    def _settle(self, error: OSError | None) -> None:
        """The thread has written, or failed to."""
        written, self._writing = self._writing, []
        seconds = self._loop.time() - self._began
        touched: dict[StreamOutlet, None] = {}
        for outlet, parcel in written:
            if parcel not in outlet.in_flight:
                continue  # given up meanwhile
            del outlet.in_flight[parcel]
            touched[outlet] = None
            if error is None:
                outlet.outbox.ack(parcel)
                self._totals.confirm_seconds.observe(seconds)
            else:
                outlet.outbox.fail(parcel, Outcome.UNKNOWN)
        if error is not None:
            self._break(error)
        for outlet in touched:
            outlet.outbox.notify_settled()
            outlet.poke()
        self._pump()

    def _break(self, error: OSError) -> None:
        if self._broken:
            return
        self._broken = True
        if not isinstance(error, BrokenPipeError):
            logger.error("%s cannot be written to: %s", self._name, error.strerror)
        for outlet in tuple(self._outlets):
            outlet.say(replace(outlet.health, ready_since=None, connected=False, trouble=self._trouble()))
        self._closed()

    def _trouble(self) -> Trouble:
        message = f"Nobody reads {self._name} any more."
        return Trouble(Reason.BROKER_UNREACHABLE, message, self._loop.time())

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        while (data := self._work.get()) is not None:
            error: OSError | None = None
            try:
                self._write(data)
            except OSError as caught:
                error = caught
            except ValueError:  # somebody closed the stream
                error = BrokenPipeError()
            try:
                self._loop.call_soon_threadsafe(self._settle, error)
            except RuntimeError:  # the loop is closed: nobody waits for an outcome
                return

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                count = self._stream.write(bytes(view))
            except BlockingIOError as error:
                count = error.characters_written or None
            if count is None:
                time.sleep(_FULL_PIPE_SECONDS)
            else:
                view = view[count:]
        self._stream.flush()
