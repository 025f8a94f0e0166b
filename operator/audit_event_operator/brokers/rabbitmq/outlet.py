"""One generator's way to its queue or exchange: its health, its pauses after refusals, and its end.

Its link gives it a session and takes it away again; what the session needs to write for it is in its feed. It never touches
the connection itself.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.address import Address
from audit_event_operator.brokers.rabbitmq.channel_session import ChannelSession
from audit_event_operator.brokers.rabbitmq.declaration import Declaration
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault
from audit_event_operator.brokers.rabbitmq.feed import Encode, Feed
from audit_event_operator.brokers.rabbitmq.strays import Strays
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.brokers.rabbitmq.wire import PublishFrames
from audit_event_operator.engine.ledger import Outcome
from audit_event_operator.engine.outbox import Outbox, Parcel
from audit_event_operator.engine.ports import Destination, OutletHealth, OutletOwner, Trouble
from audit_event_operator.pacing.backoff import Backoff
from audit_event_operator.resource.broker_spec import Delivery
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.problems import shown
from audit_event_operator.targets.destination import RabbitMQDestination

logger = logging.getLogger(__name__)

NACKS_BEFORE_TROUBLE: Final = 3


class RabbitMQOutlet:
    """See `Outlet`. `retry` tells the link that the user may have fixed what was wrong, `ended` that this outlet is done."""

    __slots__ = (
        "_address",
        "_closed",
        "_declaration",
        "_destination",
        "_ended",
        "_feed",
        "_loop",
        "_nack_pauses",
        "_outbox",
        "_owner",
        "_probe_pauses",
        "_retry",
        "_session",
        "_strays",
        "_until_confirm",
        "health",
    )

    def __init__(
        self,
        destination: RabbitMQDestination,
        outbox: Outbox,
        owner: OutletOwner,
        timing: Timing,
        rng: random.Random,
        *,
        retry: Callable[[], None],
        ended: Callable[["RabbitMQOutlet"], None],
    ) -> None:
        self._destination = destination
        self._outbox = outbox
        self._owner = owner
        self._retry = retry
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self.health = OutletHealth()
        self._address = self._addressed()
        self._feed = Feed(destination.recipient, outbox, owner.gate, self)
        self._session: ChannelSession | None = None
        self._declaration = Declaration(destination, timing, rng, declared=self._declared, failed=self._trouble)
        self._nack_pauses = timing.backoff(rng)
        self._probe_pauses = timing.probe_backoff(rng)
        self._strays = Strays()
        self._until_confirm = False
        self._closed = False
        outbox.attach(self)

    # -- the engine's side ---------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """There may be something to write."""
        if self._session is not None:
            self._session.poke(self._feed)

    resize = poke

    def adopt(self, destination: Destination) -> bool:
        """Write another envelope from the next event on; everything else needs a new outlet."""
        if not isinstance(destination, RabbitMQDestination) or self._feed.closing:
            return False
        if not destination.differs_in_envelope(self._destination):
            return False
        self._destination = destination
        self._feed.complained = False
        if self._strays:  # they may find their way now
            self._strays.clear()
            self._probe_pauses.reset()
            self._feed.probing = False
        self._address = self._addressed()
        if self._session is not None:
            self._feed.encode = self._encoding(self._session)
            self._resume()
        self.retry_now()
        return True

    def retry_now(self) -> None:
        """The user may have fixed what was wrong: do not wait."""
        self._declaration.retry_now()
        self._retry()

    def close(self, grace_seconds: float) -> None:
        """Write nothing more; what is in flight has `grace_seconds`, then its outcome is unknown."""
        if self._closed:
            return
        self._feed.closing = True
        self._outbox.detach(self)
        self._declaration.cancel()
        if grace_seconds <= 0 or self._session is None or self._outbox.in_flight == 0:
            self._finish()
        else:
            self._loop.call_later(grace_seconds, self._finish)

    def _finish(self) -> None:
        if self._closed:
            return
        self._closed = True
        session, self._session = self._session, None
        if session is not None and (parcels := session.abandon(self._feed)):
            for parcel in parcels:
                self._outbox.fail(parcel, Outcome.UNKNOWN)
            self._outbox.notify_settled()
        self._ended(self)
        del self._owner  # which is told of nothing any more, and is the larger part of the memory

    # -- the link's side -----------------------------------------------------------------------------------------------

    def attach(self, session: ChannelSession) -> None:
        """A connection is open: make sure of the queue, then write."""
        if self._feed.closing:
            return
        self._session = session
        self._outbox.epoch += 1
        self._feed.encode = self._encoding(session)
        self._show(connected=True, broker=session.broker, blocked_since=session.blocked_since, ready_since=None)
        self._declaration.begin(session)

    def detach(self, fault: BrokerFault | None) -> None:
        """The connection is gone, or an attempt failed."""
        self._session = None
        self._feed.declared = False
        self._declaration.cancel()
        if self._feed.closing:
            self._finish()
            return
        self._show(connected=False, blocked_since=None, ready_since=None)
        if fault is not None:
            self._trouble(fault)

    def locate(self, broker: str) -> None:
        """The broker's label is known."""
        self._show(broker=broker)

    def its_turn(self) -> None:
        """The link connects now."""
        if self.health.trouble is not None and self.health.trouble.reason is Reason.WAITING_FOR_TURN:
            self._show(trouble=None)

    def blocked(self, since: float | None) -> None:
        """The broker blocked the connection, or lifted that (None)."""
        self._show(blocked_since=since)
        self.poke()

    # -- the session's side, see `Answered` ----------------------------------------------------------------------------

    def confirmed(self) -> None:
        """Whatever was wrong is over, unless events wait that still cannot be routed."""
        if self._strays and self._strays.settle():
            self._feed.probing = False
        if self._strays:
            return
        self._feed.probing = False
        self._probe_pauses.reset()
        self._feed.unproven = False
        self._nack_pauses.reset()
        self._declaration.proven()
        if self._feed.declared:
            self._show(trouble=None)

    def nacked(self) -> None:
        """Leave the broker alone for a while."""
        self._feed.unproven = True
        if self._feed.closing:
            return
        if self._outbox.consecutive_nacks >= NACKS_BEFORE_TROUBLE and self._session is not None:
            self._trouble(faults.NACKED.at(self._session.broker, recipient=self._destination.recipient))
        self._pause(self._nack_pauses)

    def returned(self, parcel: Parcel) -> None:
        """The queue is gone, or the exchange has no binding for this event."""
        self._feed.unproven = True
        if self._session is None or not self._feed.declared or self._feed.closing:
            return
        if self._destination.recipient.is_exchange:
            self._stray(parcel, self._session)
            return
        self._feed.declared = False
        self._show(ready_since=None)
        self._declaration.again(self._session)

    def settled(self) -> None:
        """There may be room in the window, or nothing left to wait for."""
        if not self._feed.closing:
            self.poke()
        elif self._outbox.in_flight == 0:
            self._finish()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _addressed(self) -> Address:
        return Address.of(self._destination, namespace=self._owner.namespace, name=self._owner.name)

    def _encoding(self, session: ChannelSession) -> Encode:
        at_least_once = self._destination.delivery is Delivery.AT_LEAST_ONCE
        return PublishFrames(
            session.channel_number,
            self._address,
            persistent=at_least_once,
            mandatory=at_least_once,
            body_max=session.connection.body_max,
        ).encode

    def _stray(self, parcel: Parcel, session: ChannelSession) -> None:
        """Wait, then look with a single event whether a queue is bound by now."""
        feed, trouble = self._feed, self.health.trouble
        self._strays.add(parcel)
        feed.probing = True
        if not feed.paused or trouble is None or trouble.reason is not Reason.UNROUTABLE:
            first = self._strays.oldest or parcel
            key = self._address.key_of(first.event)
            self._trouble(faults.UNROUTABLE.at(session.broker, recipient=self._destination.recipient, key=shown(key)))
        self._pause(self._probe_pauses)

    def _pause(self, pauses: Backoff) -> None:
        if not self._feed.paused:
            self._feed.paused = True
            self._loop.call_later(pauses.next_seconds(), self._resume)

    def _resume(self) -> None:
        self._feed.paused = False
        self.poke()

    def _declared(self) -> None:
        self._feed.declared = True
        over = self.health.trouble is not None and not self._until_confirm
        self._show(ready_since=self._loop.time(), trouble=None if over else self.health.trouble)
        self.poke()

    def _trouble(self, fault: BrokerFault) -> None:
        """Something is wrong; `since` is when the trouble began, whatever else came on top."""
        before = self.health.trouble
        since = self._loop.time() if before is None else before.since
        self._until_confirm = fault.until_confirm
        self._feed.unproven = True
        self._show(trouble=Trouble(fault.reason, fault.message, since))

    def _show(self, **changed: object) -> None:
        """Change the health, and tell the generator if that makes a difference."""
        health = replace(self.health, **changed)  # type: ignore[arg-type]
        if health != self.health:
            self.health = health
            if not self._feed.closing:
                try:
                    self._owner.outlet_changed()
                except Exception:  # it may be pika that called us, and pika would drop the line
                    logger.exception("A generator failed when it was told of its outlet.")
