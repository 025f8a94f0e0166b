"""One generator's way to its queue: whether it may write now, how its queue is declared, and how it fares.

Its link gives it a session and takes it away again; the session writes for it. It never touches the connection itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pika import exceptions

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault
from audit_event_operator.brokers.rabbitmq.rpc import ConnectionLost, RpcTimeout, spawn
from audit_event_operator.brokers.rabbitmq.wire import PublishFrames
from audit_event_operator.engine.ledger import Outcome
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.ports import OutletHealth, OutletOwner, Trouble
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.pacing.backoff import Backoff
from audit_event_operator.resource.spec import Delivery
from audit_event_operator.targets.destination import RabbitMQDestination

if TYPE_CHECKING:
    from audit_event_operator.brokers.rabbitmq.channel_session import ChannelSession
    from audit_event_operator.brokers.rabbitmq.link import Link

logger = logging.getLogger(__name__)

NACKS_BEFORE_TROUBLE: Final = 3


def _no_channel(_event: AuditEvent, _attempt: int, _into: list[bytes]) -> None:
    raise RuntimeError("an outlet without a channel was asked to write")


class RabbitMQOutlet:
    """See `Outlet`. `writing`, `queued`, `unproven` and `encode` are for its session, which reads them per batch."""

    def __init__(self, link: Link, destination: RabbitMQDestination, outbox: Outbox, owner: OutletOwner) -> None:
        timing, rng = link.context.timing, link.context.rng
        self.destination = destination
        self.outbox = outbox
        self.writing = False
        self.queued = False
        self.unproven = False
        self._link = link
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._health = OutletHealth()
        self._session: ChannelSession | None = None
        self.encode: Callable[[AuditEvent, int, list[bytes]], None] = _no_channel
        self._declared = False
        self._paused: asyncio.TimerHandle | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._closed = False
        self._until_confirm = False
        self._retry = asyncio.Event()
        self._retry_apart_seconds = timing.backoff_min_seconds
        self._returns = 0
        self._nack_pauses = Backoff(timing.backoff_min_seconds, timing.backoff_max_seconds, rng)
        self._return_pauses = Backoff(timing.backoff_min_seconds, timing.backoff_max_seconds, rng)
        self._slow = Backoff(timing.slow_retry_min_seconds, timing.slow_retry_max_seconds, rng)
        self._fast = Backoff(timing.backoff_min_seconds, timing.backoff_max_seconds, rng)
        self._tasks: set[asyncio.Task[None]] = set()
        outbox.on_put = self.poke

    # -- the engine's side ---------------------------------------------------------------------------------------------

    @property
    def health(self) -> OutletHealth:
        """How it fares now."""
        return self._health

    def resize(self) -> None:
        """The outbox's window changed."""
        self.poke()

    def retry_now(self) -> None:
        """Do not wait for what only the user can mend."""
        self._retry.set()
        self._link.retry_now()

    def close(self, grace_seconds: float) -> None:
        """Write nothing more; what is in flight has `grace_seconds`, then its outcome is unknown."""
        if self._closed:
            return
        self.writing = False
        if self.outbox.on_put == self.poke:
            self.outbox.on_put = None
        for task in self._tasks:
            task.cancel()
        for handle in (self._paused, self._closing):
            if handle is not None:
                handle.cancel()
        self._paused = None
        self._closing = self._loop.call_later(max(0.0, grace_seconds), self._finish)
        if grace_seconds <= 0 or self._session is None or self.outbox.in_flight == 0:
            self._finish()

    def _finish(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._closing is not None:
            self._closing.cancel()
        session, self._session = self._session, None
        if session is not None:
            parcels = session.abandon(self)
            for parcel in parcels:
                self.outbox.fail(parcel, Outcome.UNKNOWN)
            if parcels:
                self.outbox.notify_settled()
        self._link.remove(self)

    # -- the link's side -----------------------------------------------------------------------------------------------

    def attach(self, session: ChannelSession) -> None:
        """A connection is open: make sure of the queue, then write."""
        if self._closing is not None:
            return
        self._session = session
        self.outbox.epoch += 1
        self.queued = False
        at_least_once = self.destination.delivery is Delivery.AT_LEAST_ONCE
        frames = PublishFrames(
            session.channel_number,
            self.destination.queue,
            persistent=at_least_once,
            mandatory=at_least_once,
            body_max=session.connection.body_max,
        )
        self.encode = frames.encode
        self._say(connected=True, broker=session.broker, blocked_since=session.blocked_since, ready_since=None)
        self._make_sure(session)

    def detach(self, fault: BrokerFault | None) -> None:
        """The connection is gone, or an attempt failed."""
        self._session = None
        self.writing = self._declared = False
        for task in self._tasks:
            task.cancel()
        if self._closing is not None:
            self._finish()
            return
        self._say(connected=False, blocked_since=None, ready_since=None)
        if fault is not None:
            self.trouble(fault)

    def locate(self, broker: str) -> None:
        """The broker's label is known."""
        self._say(broker=broker)

    def blocked(self, since: float | None) -> None:
        """The broker blocked the connection, or lifted that (None)."""
        self._say(blocked_since=since)
        self.poke()

    def trouble(self, fault: BrokerFault) -> None:
        """Something stands in the way; `since` is when the trouble began, whatever else came on top."""
        before = self._health.trouble
        since = self._loop.time() if before is None else before.since
        self._until_confirm = fault.until_confirm
        self.unproven = True
        self._say(trouble=Trouble(fault.reason, fault.message, since))

    # -- the session's side --------------------------------------------------------------------------------------------

    def poke(self) -> None:
        """There may be something to write."""
        if self.writing and not self.queued and self._session is not None:
            self._session.enqueue(self)

    def confirmed(self) -> None:
        """The broker took an event: whatever was wrong is over."""
        self.unproven = False
        self._returns = 0
        for backoff in (self._nack_pauses, self._return_pauses, self._slow, self._fast):
            backoff.reset()
        if self._declared:
            self._say(trouble=None)

    def nacked(self) -> None:
        """The broker refused an event: leave it alone for a while."""
        self.unproven = True
        if self._closing is not None:
            return
        if self.outbox.consecutive_nacks >= NACKS_BEFORE_TROUBLE and self._session is not None:
            self.trouble(faults.nacked(self._session.broker, self.destination.queue))
        if self._paused is None:
            self._paused = self._loop.call_later(self._nack_pauses.next_seconds(), self._resume)
            self.writing = False

    def returned(self) -> None:
        """An event came back unroutable: the queue is gone."""
        self.unproven = True
        session = self._session
        if session is None or not self._declared or self._closing is not None:
            return
        self._returns += 1
        self.writing = self._declared = False
        self._say(ready_since=None)
        self._make_sure(session)

    def after_answers(self) -> None:
        """Something of this outlet was settled."""
        if self._closing is not None:
            if self.outbox.in_flight == 0:
                self._finish()
            return
        if self.outbox.writable > 0:
            self.poke()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        self._paused = None
        self._write_if_possible()

    def _write_if_possible(self) -> None:
        self.writing = self._declared and self._paused is None and self._closing is None
        self.poke()

    def _make_sure(self, session: ChannelSession) -> None:
        spawn(self._tasks, self._declare(session))

    async def _declare(self, session: ChannelSession) -> None:
        """Declare the queue, again and again until it is there or the session is over."""
        if self._returns > 1:  # it was there a moment ago, and events came back all the same
            await asyncio.sleep(self._return_pauses.next_seconds())
        while session is self._session:
            await session.flowing.wait()
            asked = self._loop.time()
            try:
                await session.rpc.declare(self.destination, session.broker)
            except BrokerFault as fault:
                logger.warning("%s [%s]", fault.message, fault.detail)
                self.trouble(fault)
                self._retry.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout((self._slow if fault.slow else self._fast).next_seconds()):
                        await self._retry.wait()
                await asyncio.sleep(asked + self._retry_apart_seconds - self._loop.time())
            except RpcTimeout:
                session.end(faults.mute(session.broker))
                return
            except (ConnectionLost, exceptions.AMQPError):
                return
            else:
                self._is_declared(session)
                return

    def _is_declared(self, session: ChannelSession) -> None:
        if session is not self._session:
            return
        self._declared = True
        over = self._health.trouble is not None and not self._until_confirm
        self._say(ready_since=self._loop.time(), trouble=None if over else self._health.trouble)
        self._write_if_possible()

    def _say(self, **changed: object) -> None:
        """Have another health, and tell the generator when it is another."""
        health = replace(self._health, **changed)  # type: ignore[arg-type]
        if health != self._health:
            self._health = health
            if self._closing is None:
                try:
                    self._owner.outlet_changed()
                except Exception:  # it may be pika that called us, and pika would drop the line
                    logger.exception("A generator failed on hearing of its outlet.")
