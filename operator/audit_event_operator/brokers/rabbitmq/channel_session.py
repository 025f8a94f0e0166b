"""One connection's life after it was opened: writes what its feeds have, takes the broker's answers, notices the end.

A session is an epoch: late callbacks of its connection do nothing after its end. It is the hot path of the product, so there
is no task, timer or log line per event. It never reconnects; its link does.
"""

import asyncio
import logging
import struct
from collections.abc import Callable, Iterator
from typing import Any, Final

from pika import exceptions, spec

from audit_event_operator.brokers.pump import BATCH, Pump
from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.brokers.rabbitmq.declares import Declares
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault
from audit_event_operator.brokers.rabbitmq.feed import Feed
from audit_event_operator.brokers.rabbitmq.foreign_errors import lost_fault
from audit_event_operator.brokers.rabbitmq.inflight import InFlight
from audit_event_operator.brokers.rabbitmq.poison_detector import PoisonDetector
from audit_event_operator.brokers.rabbitmq.rpc import ConnectionLost, Rpc, RpcTimeout
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.ledger import DropReason, Outcome, Totals
from audit_event_operator.engine.outbox import Parcel
from audit_event_operator.targets.destination import Recipient

logger = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 2.0

MOST_RETURNED: Final = 65_536
"""Ids of returned events that wait for their acks. RabbitMQ sends the ack right behind, so there are few; a broker that only
returns shall not fill the memory."""


class ChannelSession:
    """One open connection with one publishing channel.

    `broker` and `recipient` are named in messages. The link's `poison_detector` outlives the connection. `changed` is called
    when the broker blocks the connection and when it unblocks it, `proven` at the first ack.
    """

    def __init__(
        self,
        connection: GatheringConnection,
        *,
        broker: str,
        recipient: Recipient,
        totals: Totals,
        timing: Timing,
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
        self._rpc = Rpc(connection, timing.rpc_seconds, self.flowing)
        self.declares = Declares(self._rpc, broker)
        self.ended: asyncio.Future[BrokerFault | None] = self._loop.create_future()
        self.channel_number = 0
        self._recipient = recipient
        self._totals = totals
        self._confirm_seconds = timing.confirm_seconds
        self._poison_detector = poison_detector
        self._changed = changed
        self._proven: Callable[[], None] | None = proven
        self._in_flight: InFlight[Feed] = InFlight()
        self._pump: Pump[Feed] = Pump(self._room, self._write)
        self._touched: dict[Feed, None] = {}
        self._returned: set[str] = set()
        self._over = False
        self._retiring = False
        self._clock: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Open the publishing channel with confirms on.

        Raises:
            BrokerFault: why not.
        """
        self.connection.add_on_close_callback(lambda _connection, error: self._lost(error))
        self.connection.add_on_connection_blocked_callback(lambda _connection, _frame: self._block())
        self.connection.add_on_connection_unblocked_callback(lambda _connection, _frame: self._unblock())
        try:
            channel = await self._rpc.open_channel(self._lost)
            channel.add_on_return_callback(self._on_return)
            await self._rpc.confirms_on(channel, self._on_answer)
        except RpcTimeout:
            raise faults.MUTE.at(self.broker) from None
        except (ConnectionLost, exceptions.AMQPError):
            fault = self.ended.result() if self.ended.done() else None
            raise fault or faults.UNREACHABLE.at(self.broker) from None
        self.channel_number = channel.channel_number
        self.connection.watch(self.channel_number, self._on_confirm, self._on_read)
        self._tick()

    # -- writing -------------------------------------------------------------------------------------------------------

    def poke(self, feed: Feed) -> None:
        """There may be something to write."""
        if not self._over:
            self._pump.add(feed)

    def _room(self) -> int:
        """How many events the connection takes now, whatever feed they are of."""
        if self._over or self._retiring or self.blocked_since is not None or self.connection.ending:
            return 0
        if self._poison_detector.one_by_one:
            return 1 if self._in_flight.empty else 0
        return BATCH

    def _write(self, turns: Iterator[tuple[Feed, int]]) -> None:
        pieces: list[bytes] = []
        now = self._loop.time()
        for feed, count in turns:
            take, encode = feed.outbox.take, feed.encode
            parcels: list[Parcel] = []
            for _ in range(count):
                parcel = take()
                try:
                    encode(parcel.event, parcel.attempt, pieces)
                except (ValueError, struct.error):
                    if not feed.complained:  # what makes one event too long may make all of them too long
                        feed.complained = True
                        logger.exception(
                            "An event for %s cannot be encoded. Further ones are only counted.", feed.recipient
                        )
                    feed.outbox.drop(parcel, DropReason.ENCODE_ERROR)
                    self._touched[feed] = None
                    self._loop.call_soon(self._on_read)
                else:
                    parcels.append(parcel)
            if parcels:
                self._in_flight.add(feed, parcels, now)
        if pieces:
            self.connection.send(pieces)

    # -- the broker's answers: these run inside pika and never raise ----------------------------------------------------

    def _on_confirm(self, tag: int, multiple: bool) -> None:
        if self._over:
            return
        try:
            now = self._loop.time()
            for feed, written, parcels in self._in_flight.settle(tag, multiple=multiple):
                self._totals.confirm_seconds.observe(now - written, len(parcels))
                accepted = parcels if not self._returned else self._sort_out_returned(feed, parcels)
                ack = feed.outbox.ack
                for parcel in accepted:
                    ack(parcel)
                self._touched[feed] = None
                if accepted and feed.unproven:
                    feed.outlet.confirmed()
                if accepted and self._proven is not None:
                    self._proven()
                    self._proven = None
        except Exception:
            logger.exception("Failed to process a confirm.")

    def _sort_out_returned(self, feed: Feed, parcels: list[Parcel]) -> list[Parcel]:
        """Fail those that came back before their ack; the others."""
        accepted = []
        for parcel in parcels:
            if parcel.event.event_id in self._returned:
                self._returned.discard(parcel.event.event_id)
                feed.outbox.fail(parcel, Outcome.RETURNED)
                feed.outlet.returned(parcel)
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
            for feed, _, parcels in self._in_flight.settle(tag, multiple=multiple):
                for parcel in parcels:
                    self._returned.discard(parcel.event.event_id)
                    feed.outbox.fail(parcel, Outcome.NACK)
                self._touched[feed] = None
                if parcels:
                    feed.outlet.nacked()
        except Exception:
            logger.exception("Failed to process a nack.")

    def _on_return(self, _channel: object, _method: object, properties: Any, _body: bytes) -> None:
        if self._over or not properties.message_id:
            return
        self._returned.add(properties.message_id)
        if len(self._returned) > MOST_RETURNED:
            self.end(faults.NONSENSE.at(self.broker, detail="it returns events and never answers for them"))

    def _on_read(self) -> None:
        """A piece of input has been processed: tell each generator once."""
        if not self._touched:
            return
        touched, self._touched = self._touched, {}
        for feed in touched:
            try:
                feed.outbox.notify_settled()
                feed.outlet.settled()
            except Exception:
                logger.exception("Failed to pass the broker's answers on.")
        if self._returned and self._in_flight.empty:
            self._returned.clear()  # of outlets that have gone meanwhile
        self._pump.schedule()

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
            self._pump.schedule()

    # -- the end -------------------------------------------------------------------------------------------------------

    def abandon(self, feed: Feed) -> list[Parcel]:
        """Forget what this feed has in flight; the parcels."""
        return self._in_flight.abandon(feed)

    async def retire(self) -> None:
        """Write nothing more, give what is in flight a moment to be confirmed, then end."""
        self._retiring = True
        deadline = self._loop.time() + CLOSE_SECONDS
        # Seldom, and not worth a signal in the hot path.
        while not self._over and not self._in_flight.empty and self._loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        self.end(None)

    def end(self, fault: BrokerFault | None) -> None:
        """Ignore the connection from now on: what is in flight has an unknown outcome. Idempotent."""
        if self._over:
            return
        self._over = True
        if self._clock is not None:
            self._clock.cancel()
        left = self._in_flight.take_all()
        poison = None
        if fault is not None and fault.hard:
            poison = self._poison_detector.closed(parcel for _, parcels in left for parcel in parcels)
        for feed, parcels in left:
            for parcel in parcels:
                if parcel is poison:
                    feed.outbox.drop(parcel, DropReason.REJECTED_BY_BROKER)
                else:
                    feed.outbox.fail(parcel, Outcome.UNKNOWN)
            self._touched[feed] = None
        self._pump.stop()
        self._on_read()
        self.flowing.set()
        if not self.ended.done():
            self.ended.set_result(fault)
        if fault is not None:
            self.connection.abort()

    async def close(self) -> None:
        """End, and close the connection within 2 s."""
        self.end(None)
        await self.connection.take_leave(CLOSE_SECONDS if self.blocked_since is None else 0)

    def _lost(self, error: BaseException) -> None:
        if not self._over:
            self.end(lost_fault(error, self.broker, self._recipient))

    def _tick(self) -> None:
        """Look at the age of the oldest unconfirmed event."""
        limit = self._confirm_seconds
        oldest = self._in_flight.oldest
        if self.blocked_since is None and oldest is not None and self._loop.time() - oldest > limit:
            self.end(faults.CONFIRM_TIMEOUT.at(self.broker, recipient=self._recipient, seconds=limit))
            return
        self._clock = self._loop.call_later(min(1.0, limit / 4), self._tick)
