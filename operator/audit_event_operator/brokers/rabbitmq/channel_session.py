"""One connection's life after it was opened: writes what outlets have, takes the broker's answers, notices the end.

A session is an epoch: when it has ended, late callbacks of its connection are nothing. It is the hot path of the product, so
there is no task, timer or log line per event. It never reconnects; its link does.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pika import exceptions, spec

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault
from audit_event_operator.brokers.rabbitmq.inflight import InFlight
from audit_event_operator.brokers.rabbitmq.poison_detector import PoisonDetector
from audit_event_operator.brokers.rabbitmq.rpc import ConnectionLost, Rpc, RpcTimeout
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.ledger import DropReason, Outcome, Totals
from audit_event_operator.engine.outbox import Parcel
from audit_event_operator.engine.ports import Gate

if TYPE_CHECKING:
    from audit_event_operator.brokers.rabbitmq.outlet import RabbitMQOutlet

logger = logging.getLogger(__name__)

BATCH: Final = 100
"""Most events written in one turn of the loop, by all outlets of a link together."""

GATE_POLL_SECONDS: Final = 0.25
CLOSE_SECONDS: Final = 2.0

MOST_RETURNED: Final = 65_536
"""Ids of returned events that wait for their acks. RabbitMQ sends the ack right behind, so there are few; a broker that only
returns shall not fill the memory."""


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What all sessions share."""

    gate: Gate
    totals: Totals
    timing: Timing


class ChannelSession:
    """One open connection with one publishing channel.

    Args:
        connection: it is open.
        broker: its label.
        queue: for the sentences.
        tools: shared surroundings.
        suspicion: the link's.
        changed: called when blocked or unblocked.
        proven: called at the first confirm.
    """

    def __init__(
        self,
        connection: GatheringConnection,
        *,
        broker: str,
        queue: str,
        context: SessionContext,
        poison_detector: PoisonDetector,
        changed: Callable[[], None],
        proven: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.connection = connection
        self.broker = broker
        self.blocked_since: float | None = None
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.rpc = Rpc(connection, context.timing.rpc_seconds, lambda: self.blocked_since is not None)
        self.ended: asyncio.Future[BrokerFault | None] = self._loop.create_future()
        self.channel_number = 0
        self._queue = queue
        self._context = context
        self._poison_detector = poison_detector
        self._changed = changed
        self._proven: Callable[[], None] | None = proven
        self._in_flight: InFlight[RabbitMQOutlet] = InFlight()
        self._ready: deque[RabbitMQOutlet] = deque()
        self._touched: dict[RabbitMQOutlet, None] = {}
        self._returned: set[str] = set()
        self._over = False
        self._retiring = False
        self._pump_due = False
        self._clock: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Open the publishing channel with confirms on.

        Raises:
            BrokerFault: it did not come about.
        """
        self.connection.add_on_close_callback(lambda _connection, error: self._lost(error))
        self.connection.add_on_connection_blocked_callback(lambda _connection, _frame: self._block())
        self.connection.add_on_connection_unblocked_callback(lambda _connection, _frame: self._unblock())
        try:
            channel = await self.rpc.open_channel(self._lost)
            channel.add_on_return_callback(self._on_return)
            await self.rpc.confirms_on(channel, self._on_answer)
        except RpcTimeout:
            raise faults.mute(self.broker) from None
        except (ConnectionLost, exceptions.AMQPError):
            fault = self.ended.result() if self.ended.done() else None
            raise fault or faults.unreachable(self.broker) from None
        self.channel_number = channel.channel_number
        self.connection.watch(self.channel_number, self._on_confirm, self._on_read)
        self._tick()

    # -- writing -------------------------------------------------------------------------------------------------------

    def enqueue(self, outlet: RabbitMQOutlet) -> None:
        """This outlet has something to write."""
        if self._over:
            return
        outlet.queued = True
        self._ready.append(outlet)
        self._schedule()

    def _schedule(self) -> None:
        if not self._pump_due and not self._over:
            self._pump_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Write up to one batch, in turns."""
        self._pump_due = False
        if self._over or self._retiring or self.blocked_since is not None or self.connection.ending:
            return
        if not self._context.gate.is_open():
            self._pump_due = True
            self._loop.call_later(GATE_POLL_SECONDS, self._pump)
            return
        one_by_one = self._poison_detector.one_by_one
        if one_by_one and not self._in_flight.empty:
            return
        ready, left = self._ready, 1 if one_by_one else BATCH
        pieces: list[bytes] = []
        now = self._loop.time()
        while ready and left > 0:
            outlet = ready[0]
            count = min(outlet.outbox.writable, max(1, left // len(ready))) if outlet.writing else 0
            if count <= 0:
                ready.popleft()
                outlet.queued = False
                continue
            self._write(outlet, count, pieces, now)
            left -= count
            ready.rotate(-1)
        if pieces:
            self.connection.write(pieces)
        if ready:
            self._schedule()

    def _write(self, outlet: RabbitMQOutlet, count: int, pieces: list[bytes], now: float) -> None:
        take, encode = outlet.outbox.take, outlet.encode
        parcels: list[Parcel] = []
        for _ in range(count):
            parcel = take()
            try:
                encode(parcel.event, parcel.attempt, pieces)
            except (ValueError, struct.error):
                logger.exception("An event for queue %s cannot be encoded.", outlet.destination.queue)
                outlet.outbox.drop(parcel, DropReason.ENCODE_ERROR)
                self._touch_later(outlet)
            else:
                parcels.append(parcel)
        if parcels:
            self._in_flight.add(outlet, parcels, now)

    def _touch_later(self, outlet: RabbitMQOutlet) -> None:
        self._touched[outlet] = None
        self._loop.call_soon(self._on_read)

    # -- the broker's answers: these run inside pika and never raise ----------------------------------------------------

    def _on_confirm(self, tag: int, multiple: bool) -> None:
        if self._over:
            return
        try:
            now = self._loop.time()
            for outlet, written, parcels in self._in_flight.settle(tag, multiple=multiple):
                self._context.totals.confirm_seconds.observe(now - written, len(parcels))
                accepted = parcels if not self._returned else self._sort_out_returned(outlet, parcels)
                ack = outlet.outbox.ack
                for parcel in accepted:
                    ack(parcel)
                self._touched[outlet] = None
                if accepted and outlet.unproven:
                    outlet.confirmed()
                if accepted and self._proven is not None:
                    self._proven()
                    self._proven = None
        except Exception:
            logger.exception("A confirm could not be worked through.")

    def _sort_out_returned(self, outlet: RabbitMQOutlet, parcels: list[Parcel]) -> list[Parcel]:
        """Fail those that came back before their ack; the others."""
        accepted = []
        for parcel in parcels:
            if parcel.event.event_id in self._returned:
                self._returned.discard(parcel.event.event_id)
                outlet.outbox.fail(parcel, Outcome.RETURNED)
                outlet.returned()
            else:
                accepted.append(parcel)
        return accepted

    def _on_answer(self, frame: Any) -> None:
        """Acks before `watch`, and every nack."""
        tag, multiple = int(frame.method.delivery_tag), bool(frame.method.multiple)
        if not isinstance(frame.method, spec.Basic.Nack):
            self._on_confirm(tag, multiple)
            return
        if self._over:
            return
        try:
            for outlet, _, parcels in self._in_flight.settle(tag, multiple=multiple):
                for parcel in parcels:
                    self._returned.discard(parcel.event.event_id)
                    outlet.outbox.fail(parcel, Outcome.NACK)
                self._touched[outlet] = None
                if parcels:
                    outlet.nacked()
        except Exception:
            logger.exception("A nack could not be worked through.")

    def _on_return(self, _channel: object, _method: object, properties: Any, _body: bytes) -> None:
        if self._over or not properties.message_id:
            return
        self._returned.add(properties.message_id)
        if len(self._returned) > MOST_RETURNED:
            self.end(faults.nonsense(self.broker, "it returns events and never answers for them"))

    def _on_read(self) -> None:
        """A piece of input is worked through: tell each generator once."""
        if not self._touched:
            return
        touched, self._touched = self._touched, {}
        for outlet in touched:
            try:
                outlet.outbox.notify_settled()
                outlet.after_answers()
            except Exception:
                logger.exception("What follows from the broker's answers could not be done.")
        if self._returned and self._in_flight.empty:
            self._returned.clear()  # of outlets that have gone meanwhile
        if self._ready:
            self._schedule()

    def _block(self) -> None:
        if self.blocked_since is None and not self._over:
            self.blocked_since = self._loop.time()
            self.flowing.clear()
            self._changed()

    def _unblock(self) -> None:
        if self.blocked_since is not None and not self._over:
            self._in_flight.shift(self._loop.time() - self.blocked_since)
            self.blocked_since = None
            self.flowing.set()
            self._changed()
            self._schedule()

    # -- the end -------------------------------------------------------------------------------------------------------

    def abandon(self, outlet: RabbitMQOutlet) -> list[Parcel]:
        """Forget what this outlet has in flight; the parcels."""
        return self._in_flight.abandon(outlet)

    async def retire(self) -> None:
        """End without haste: write nothing more, and let what is in flight be confirmed for a moment."""
        self._retiring = True
        deadline = self._loop.time() + CLOSE_SECONDS
        # Seldom, and not worth a signal in the hot path.
        while not self._over and not self._in_flight.empty and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.end(None)

    def end(self, fault: BrokerFault | None) -> None:
        """Nothing of this connection counts any more: what is in flight has an unknown outcome. Idempotent."""
        if self._over:
            return
        self._over = True
        if self._clock is not None:
            self._clock.cancel()
        self.connection.unwatch()
        left = self._in_flight.take_all()
        poison = None
        if fault is not None and fault.hard:
            poison = self._poison_detector.closed(parcel for _, parcels in left for parcel in parcels)
        for outlet, parcels in left:
            for parcel in parcels:
                if parcel is poison:
                    outlet.outbox.drop(parcel, DropReason.REJECTED_BY_BROKER)
                else:
                    outlet.outbox.fail(parcel, Outcome.UNKNOWN)
            self._touched[outlet] = None
        for outlet in self._ready:
            outlet.queued = False
        self._ready.clear()
        self._on_read()
        self.flowing.set()
        if not self.ended.done():
            self.ended.set_result(fault)
        if fault is not None:
            self.connection.abort()

    async def close(self) -> None:
        """Take leave of the broker within 2 s, else drop the line."""
        self.end(None)
        connection = self.connection
        if connection.is_closed:
            return
        gone = asyncio.Event()
        connection.add_on_close_callback(lambda _connection, _error: gone.set())
        try:
            if connection.is_open and self.blocked_since is None:
                connection.close()
                async with asyncio.timeout(CLOSE_SECONDS):  # wait_for can swallow a cancellation before Python 3.12
                    await gone.wait()
        except (TimeoutError, exceptions.AMQPError) as error:
            logger.debug("The connection with %s did not close: %r", self.broker, error)
        finally:
            connection.abort()

    def _lost(self, error: BaseException) -> None:
        if not self._over:
            self.end(faults.lost_fault(error, self.broker, self._queue))

    def _tick(self) -> None:
        """Look at the age of the oldest unconfirmed event."""
        limit = self._context.timing.confirm_seconds
        oldest = self._in_flight.oldest
        if self.blocked_since is None and oldest is not None and self._loop.time() - oldest > limit:
            self.end(faults.confirm_timeout(self.broker, self._queue, limit))
            return
        self._clock = self._loop.call_later(min(1.0, limit / 4), self._tick)
