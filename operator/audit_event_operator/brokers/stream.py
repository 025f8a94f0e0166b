"""Shows events instead of sending them: one body per line on stdout or in a file. The demo's broker.

An event is published when its line has been handed to the system. Knows neither queues nor brokers.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from audit_event_operator.brokers.pump import BATCH, Pump
from audit_event_operator.brokers.threaded_writer import ByteStream, ThreadedWriter
from audit_event_operator.engine.ledger import Outcome, Totals
from audit_event_operator.engine.outbox import Outbox, Parcel
from audit_event_operator.engine.ports import ConnectionState, Destination, Outlet, OutletHealth, OutletOwner, Trouble
from audit_event_operator.resource.conditions import Reason

logger = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 2.0


class StreamOutlet:
    """See `Outlet`. The pump writes for it, in turns with other outlets; `ended` is called when it is done."""

    def __init__(
        self,
        outbox: Outbox,
        owner: OutletOwner,
        pump: "Pump[StreamOutlet]",
        ended: Callable[["StreamOutlet"], None],
    ) -> None:
        self.outbox = outbox
        self.gate = owner.gate
        self.queued = False
        self.in_flight: dict[Parcel, None] = {}
        self._owner = owner
        self._pump = pump
        self._ended = ended
        self._open = True
        self.health = OutletHealth()
        outbox.attach(self)

    @property
    def writable(self) -> int:
        """How many events may be written, as far as the outlet is concerned."""
        return self.outbox.writable if self._open else 0

    def show(self, health: OutletHealth) -> None:
        """Have another health."""
        if self._open:
            self.health = health
            self._owner.outlet_changed()

    def poke(self) -> None:
        """There may be something to write."""
        self._pump.add(self)

    resize = poke

    def retry_now(self) -> None:
        """There is nothing to retry."""

    def adopt(self, destination: Destination) -> bool:
        """Nothing but bodies is written."""
        return self._open

    def close(self, grace_seconds: float) -> None:
        """Write nothing more; what was handed over has `grace_seconds`, then its outcome is unknown."""
        if not self._open:
            return
        self._open = False
        self.outbox.detach(self)
        if grace_seconds <= 0:
            self._give_up()
        elif self.in_flight:
            asyncio.get_running_loop().call_later(grace_seconds, self._give_up)
        self._ended(self)

    def _give_up(self) -> None:
        parcels, self.in_flight = self.in_flight, {}
        for parcel in parcels:
            self.outbox.fail(parcel, Outcome.UNKNOWN)
        if parcels:
            self.outbox.notify_settled()


class StreamBrokers:
    """See `Brokers`. Lines go to `stream`, called `name` in health and messages; `totals` gets the time each took.

    `closed` is called on the loop, once, when the reader has left (a broken pipe) or writing fails.
    """

    def __init__(
        self, stream: ByteStream, *, totals: Totals, closed: Callable[[], None] = lambda: None, name: str = "stdout"
    ) -> None:
        self._totals = totals
        self._closed = closed
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._writer = ThreadedWriter(stream, self._written)
        self._pump: Pump[StreamOutlet] = Pump(self._room, self._hand_over)
        self._outlets: dict[StreamOutlet, None] = {}
        self._writing: list[tuple[StreamOutlet, Parcel]] = []
        self._began = 0.0
        self._broken = False
        self.failed = False
        """Whether writing failed, and not just because the reader has left."""
        self.shown: Counter[str] = Counter()
        """How many events of each type were written."""
        self._closing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def open(self, destination: Destination, outbox: Outbox, owner: OutletOwner) -> Outlet:
        """A new outlet, ready in the next turn of the loop."""
        outlet = StreamOutlet(outbox, owner, self._pump, self._forget)
        self._outlets[outlet] = None
        self._loop.call_soon(self._ready, outlet)
        return outlet

    def connections(self) -> dict[ConnectionState, int]:
        """Connections by state: the stream counts as one."""
        return {ConnectionState.FAILING if self._broken else ConnectionState.CONNECTED: 1}

    def connect_results(self) -> dict[str, int]:
        """There are no attempts to count."""
        return {}

    async def aclose(self) -> None:
        """Write nothing more, and wait for the lines under way, at most 2 s; the stream itself stays open."""
        self._closing = True
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._idle.wait()
        except TimeoutError:
            logger.debug("%s takes nothing any more.", self._name)
        self._writer.end()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _forget(self, outlet: StreamOutlet) -> None:
        self._outlets.pop(outlet, None)

    def _ready(self, outlet: StreamOutlet) -> None:
        if self._broken:
            outlet.show(OutletHealth(trouble=self._trouble(), broker=self._name))
        else:
            outlet.show(OutletHealth(ready_since=self._loop.time(), connected=True, broker=self._name))
        outlet.poke()

    def _room(self) -> int:
        """The thread has one batch at a time, so that what a slow reader has not seen yet stays small."""
        return 0 if self._writing or self._broken or self._closing else BATCH

    def _hand_over(self, turns: Iterator[tuple[StreamOutlet, int]]) -> None:
        for outlet, count in turns:
            for _ in range(count):
                parcel = outlet.outbox.take()
                outlet.in_flight[parcel] = None
                self._writing.append((outlet, parcel))
        if self._writing:
            self._idle.clear()
            self._began = self._loop.time()
            self._writer.write(b"".join(parcel.event.body + b"\n" for _, parcel in self._writing))

    def _written(self, error: OSError | None) -> None:
        """The thread is done with a batch."""
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
                self.shown[parcel.event.event_type] += 1
                self._totals.confirm_seconds.observe(seconds)
            else:
                outlet.outbox.fail(parcel, Outcome.UNKNOWN)
        if error is not None and not self._broken:
            self._break(error)
        for outlet in touched:
            outlet.outbox.notify_settled()
            outlet.poke()
        self._idle.set()
        self._pump.schedule()

    def _break(self, error: OSError) -> None:
        self._broken = True
        if not isinstance(error, BrokenPipeError):
            self.failed = True
            logger.error("%s cannot be written to: %s", self._name, error.strerror)
        for outlet in tuple(self._outlets):
            outlet.show(replace(outlet.health, ready_since=None, connected=False, trouble=self._trouble()))
        self._closed()

    def _trouble(self) -> Trouble:
        return Trouble(Reason.BROKER_UNREACHABLE, f"{self._name} was closed.", self._loop.time())
