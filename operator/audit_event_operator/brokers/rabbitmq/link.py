"""Keeps one connection for one (broker, queue): dials, hands the session to its outlets, waits, dials again.

The only place that decides when to try again. It ends when its last outlet is gone.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.channel_session import ChannelSession, SessionContext
from audit_event_operator.brokers.rabbitmq.dial import Dialer
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault, ConnectResult, label
from audit_event_operator.brokers.rabbitmq.outlet import RabbitMQOutlet
from audit_event_operator.brokers.rabbitmq.poison_detector import PoisonDetector
from audit_event_operator.brokers.rabbitmq.resolver import Resolver
from audit_event_operator.brokers.rabbitmq.rpc import spawn
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.pacing.backoff import Backoff
from audit_event_operator.resource.conditions import DestinationUnavailable
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target

logger = logging.getLogger(__name__)


class LinkState(StrEnum):
    """How a connection fares, as metrics count it."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    BLOCKED = "blocked"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class LinkContext:
    """What all links share."""

    resolver: Resolver
    dialer: Dialer
    session: SessionContext
    timing: Timing
    rng: random.Random


class Link:
    """One connection and its outlets.

    Args:
        reference: who knows the broker.
        queue: the queue of its first outlet, for the sentences.
        tools: shared surroundings.
        on_empty: called when the last outlet is gone.
    """

    def __init__(
        self, reference: TargetReference, queue: str, context: LinkContext, on_empty: Callable[[Link], None]
    ) -> None:
        self.reference = reference
        self.context = context
        self.outlets: dict[RabbitMQOutlet, None] = {}
        self.target: Target | None = None
        self._queue = queue
        self._on_empty = on_empty
        self._session: ChannelSession | None = None
        self._fault: BrokerFault | None = None
        self._wake = asyncio.Event()
        self._attempted = 0.0
        self._poison_detector = PoisonDetector()
        timing, rng = context.timing, context.rng
        self._backoff = Backoff(timing.backoff_min_seconds, timing.backoff_max_seconds, rng)
        self._slow = Backoff(timing.slow_retry_min_seconds, timing.slow_retry_max_seconds, rng)
        self._tasks: set[asyncio.Task[None]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def state(self) -> LinkState:
        """How it fares."""
        if self._session is not None:
            return LinkState.CONNECTED if self._session.blocked_since is None else LinkState.BLOCKED
        return LinkState.CONNECTING if self._fault is None else LinkState.FAILING

    def add(self, outlet: RabbitMQOutlet) -> None:
        """Carry one more outlet."""
        self.outlets[outlet] = None
        if self._session is not None:
            outlet.attach(self._session)
        elif self._fault is not None:
            outlet.detach(self._fault)

    def remove(self, outlet: RabbitMQOutlet) -> None:
        """An outlet has ended."""
        self.outlets.pop(outlet, None)
        if not self.outlets:
            self._on_empty(self)

    def retry_now(self) -> None:
        """Try at once what only the user can mend; he may have."""
        if self._fault is not None and self._fault.slow:
            self._wake.set()

    def take_up(self, target: Target) -> None:
        """The broker, or the user to log in as, may be another one now: if so, connect anew."""
        if self._session is not None and target != self.target:
            spawn(self._tasks, self._session.retire())

    def stop(self) -> asyncio.Task[None]:
        """End: gracefully within 2 s. The task that does it."""
        self._task.cancel()
        return self._task

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._keep()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _keep(self) -> None:
        while True:
            try:
                fault = await self._serve()
            except DestinationUnavailable as answer:
                self.target = None
                self.context.dialer.results[ConnectResult.TARGET_UNAVAILABLE] += 1
                fault = faults.target_fault(answer)
            except BrokerFault as found:
                fault = found
            except Exception as error:
                logger.exception("Connecting to the broker of queue %s failed unexpectedly.", self._queue)
                fault = faults.unreachable("of this resource", repr(error))
            self._tell(fault)
            if fault is not None:
                await self._pause(fault)

    async def _serve(self) -> BrokerFault | None:
        """Connect, and stay connected as long as it lasts; why it ended, None when it shall be made anew at once."""
        context = self.context
        self._attempted = asyncio.get_running_loop().time()
        target = self.target = await context.resolver.resolve(self.reference)
        broker = label(target)
        for outlet in tuple(self.outlets):
            outlet.locate(broker)
        connection = await context.dialer.dial(target, trusted=self.reference.kind is TargetKind.DEFAULT)
        session = ChannelSession(
            connection,
            broker=broker,
            queue=self._queue,
            context=context.session,
            poison_detector=self._poison_detector,
            changed=self._flow_changed,
            proven=self._proven,
        )
        try:
            await session.open()
            self._session = session
            self._fault = None
            for outlet in tuple(self.outlets):
                outlet.attach(session)
            fault = await asyncio.shield(session.ended)
        finally:
            session.end(None)
            self._session = None
            if self._task.cancelling():
                await session.close()
            else:
                spawn(self._tasks, session.close())
        return fault

    def _tell(self, fault: BrokerFault | None) -> None:
        if fault is not None and (self._fault is None or self._fault.message != fault.message):
            logger.warning("%s [%s]", fault.message, fault.detail)
        self._fault = fault
        for outlet in tuple(self.outlets):
            outlet.detach(fault)

    async def _pause(self, fault: BrokerFault) -> None:
        """Wait before the next attempt; shorter when the user asks, or the broker's whereabouts change."""
        timing, rng, loop = self.context.timing, self.context.rng, asyncio.get_running_loop()
        if not fault.slow:
            await asyncio.sleep(self._backoff.next_seconds())
            return
        self._wake.clear()
        end = loop.time() + self._slow.next_seconds()
        while self.target is None or loop.time() < end:
            look = timing.secret_failing_seconds * rng.uniform(2 / 3, 1)
            wait = look if self.target is None else min(look, end - loop.time())
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                if await self._another_target():
                    return
            else:
                # A spec that is patched many times a second must not become as many logins.
                await asyncio.sleep(self._attempted + timing.backoff_min_seconds - loop.time())
                return

    async def _another_target(self) -> bool:
        try:
            target = await self.context.resolver.recent(self.reference, self.context.timing.secret_failing_seconds / 2)
        except DestinationUnavailable as answer:
            self.target = None
            if self._fault is None or self._fault.message != answer.message:
                self._tell(faults.target_fault(answer))
            return False
        except Exception:  # the next attempt says it to the user
            logger.exception("Looking up the broker of queue %s failed unexpectedly.", self._queue)
            return False
        return target != self.target

    def _flow_changed(self) -> None:
        session = self._session
        if session is not None:
            for outlet in tuple(self.outlets):
                outlet.blocked(session.blocked_since)

    def _proven(self) -> None:
        self._backoff.reset()
        self._slow.reset()
