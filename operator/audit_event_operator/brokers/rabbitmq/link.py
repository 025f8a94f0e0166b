"""Keeps one connection for one (broker, queue or exchange): dials, hands the session to its outlets, waits, dials again.

The only place that decides when to try again. It ends when its last outlet is gone.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.channel_session import ChannelSession
from audit_event_operator.brokers.rabbitmq.dial import Dialer
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault, ConnectResult, label
from audit_event_operator.brokers.rabbitmq.outlet import RabbitMQOutlet
from audit_event_operator.brokers.rabbitmq.places import Places
from audit_event_operator.brokers.rabbitmq.poison_detector import PoisonDetector
from audit_event_operator.brokers.rabbitmq.resolver import Resolver
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.ports import ConnectionState, OutletOwner
from audit_event_operator.resource.conditions import DestinationUnavailable
from audit_event_operator.targets.destination import RabbitMQDestination, Recipient
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target

logger = logging.getLogger(__name__)

_NOTICEABLE_SECONDS: Final = 1.0
"""A shorter wait for one's turn is not worth telling."""


@dataclass(frozen=True, slots=True)
class LinkContext:
    """What all links share. `turns`: who may connect now; `connections`: who may have one at all."""

    resolver: Resolver
    dialer: Dialer
    turns: Places
    connections: Places
    totals: Totals
    timing: Timing
    rng: random.Random


class Link:
    """One connection and its outlets.

    `recipient` and `namespace` are those of its first outlet; others have the same place unless there are very many.
    `on_empty` is called when the last outlet is gone.
    """

    def __init__(
        self,
        reference: TargetReference,
        recipient: Recipient,
        namespace: str,
        context: LinkContext,
        on_empty: Callable[["Link"], None],
    ) -> None:
        self.reference = reference
        self.recipient = recipient
        self.namespace = namespace
        self.outlets: dict[RabbitMQOutlet, None] = {}
        self._context = context
        self._target: Target | None = None
        self._on_empty = on_empty
        self._session: ChannelSession | None = None
        self._fault: BrokerFault | None = None
        self._queueing: BrokerFault | None = None
        self._asked = asyncio.Event()
        self._attempted = 0.0
        self._poison_detector = PoisonDetector()
        self._backoff = context.timing.backoff(context.rng)
        self._slow = context.timing.slow_backoff(context.rng)
        self._tasks: set[asyncio.Task[None]] = set()
        self._task = asyncio.create_task(self._run())

    @property
    def state(self) -> ConnectionState:
        """How it fares."""
        if self._session is not None:
            return ConnectionState.CONNECTED if self._session.blocked_since is None else ConnectionState.BLOCKED
        return ConnectionState.CONNECTING if self._fault is None else ConnectionState.FAILING

    def open(self, destination: RabbitMQDestination, outbox: Outbox, owner: OutletOwner) -> RabbitMQOutlet:
        """Carry one more outlet."""
        timing, rng = self._context.timing, self._context.rng
        outlet = RabbitMQOutlet(destination, outbox, owner, timing, rng, retry=self._retry_now, ended=self._remove)
        self.outlets[outlet] = None
        if self._session is not None:
            outlet.attach(self._session)
        elif (fault := self._fault or self._queueing) is not None:
            outlet.detach(fault)
        return outlet

    def take_up(self, target: Target) -> None:
        """This was just looked up: if it is another broker or another user, connect anew."""
        if self._session is not None and target != self._target:
            self._spawn(self._session.retire())

    def stop(self) -> asyncio.Task[None]:
        """End: gracefully within 2 s. The task that does it."""
        self._task.cancel()
        return self._task

    # -- inside --------------------------------------------------------------------------------------------------------

    def _remove(self, outlet: RabbitMQOutlet) -> None:
        self.outlets.pop(outlet, None)
        if not self.outlets:
            self._on_empty(self)

    def _retry_now(self) -> None:
        if self._fault is not None and self._fault.slow:
            self._asked.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        connections = self._context.connections
        claim = connections.claim(self.namespace, self)
        try:
            if not claim.granted.done():
                self._tell(self._limit_fault(connections))
                await asyncio.shield(claim.granted)
            await self._keep()
        finally:
            connections.release(claim)
            if self._tasks:
                await asyncio.wait(self._tasks)

    def _limit_fault(self, connections: Places) -> BrokerFault:
        held = connections.held(self.namespace)
        bounded = connections.per_namespace is not None and held >= connections.per_namespace
        finding = faults.NAMESPACE_LIMIT if bounded else faults.PROCESS_LIMIT
        return finding.at(places=held, total=connections.total)

    @asynccontextmanager
    async def _turn(self, broker: str) -> AsyncIterator[None]:
        """The place of one attempt among those of all links; its outlets are told when that takes noticeably long."""
        turns = self._context.turns
        claim = turns.claim(self.namespace, self.reference)
        try:
            await asyncio.wait([claim.granted], timeout=_NOTICEABLE_SECONDS)
            if not claim.granted.done():
                self._queueing = faults.WAITING_FOR_TURN.at(broker, places=turns.held(self.namespace))
                if self._fault is None:
                    for outlet in tuple(self.outlets):
                        outlet.detach(self._queueing)
                await asyncio.wait([claim.granted])
                self._queueing = None
                for outlet in tuple(self.outlets):
                    outlet.its_turn()
            yield
        finally:
            self._queueing = None
            turns.release(claim)

    async def _keep(self) -> None:
        while True:
            try:
                fault = await self._serve()
            except DestinationUnavailable as answer:
                self._target = None
                self._context.dialer.results[ConnectResult.TARGET_UNAVAILABLE] += 1
                fault = BrokerFault(answer.reason, answer.message)
            except BrokerFault as found:
                fault = found
            except Exception as error:
                logger.exception("Failed to connect to the broker of %s.", self.recipient)
                fault = faults.UNREACHABLE.at("of this resource", detail=repr(error))
            self._tell(fault)
            if fault is not None and fault.slow and not fault.of_declaration:
                await self._wait_for_the_user()
            elif fault is not None:
                await asyncio.sleep(self._backoff.next_seconds())

    async def _serve(self) -> BrokerFault | None:
        """Connect, and stay connected while it lasts; why it ended, None to connect again at once."""
        context = self._context
        self._attempted = asyncio.get_running_loop().time()
        target = self._target = await context.resolver.resolve(self.reference)
        broker = label(target)
        for outlet in tuple(self.outlets):
            outlet.locate(broker)
        async with self._turn(broker):
            connection = await context.dialer.dial(target, trusted=self.reference.kind is TargetKind.DEFAULT)
        session = ChannelSession(
            connection,
            broker=broker,
            recipient=self.recipient,
            totals=context.totals,
            timing=context.timing,
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
            return await asyncio.shield(session.ended)
        finally:
            session.end(None)
            self._session = None
            if self._task.cancelling():
                await session.close()
            else:
                self._spawn(session.close())

    def _tell(self, fault: BrokerFault | None) -> None:
        if fault is not None and (self._fault is None or self._fault.message != fault.message):
            logger.warning("%s [%s]", fault.message, fault.detail)
        self._fault = fault
        for outlet in tuple(self.outlets):
            outlet.detach(fault)

    async def _wait_for_the_user(self) -> None:
        """Until a spec changes, another target is found, or, while there is one at all, the slow pause is over."""
        now = asyncio.get_running_loop().time
        self._asked.clear()
        due = now() + self._slow.next_seconds()
        while self._target is None or now() < due:
            look = self._context.timing.secret_failing_seconds * self._context.rng.uniform(2 / 3, 1)
            try:
                async with asyncio.timeout(look if self._target is None else min(look, due - now())):
                    await self._asked.wait()
            except TimeoutError:
                if await self._another_target():
                    return
            else:
                # A spec that is patched many times a second must not become as many logins.
                await asyncio.sleep(self._attempted + self._context.timing.backoff_min_seconds - now())
                return

    async def _another_target(self) -> bool:
        """Look the target up; whether it is another one than at the last attempt."""
        seconds = self._context.timing.secret_failing_seconds / 2
        try:
            return await self._context.resolver.recent(self.reference, seconds) != self._target
        except DestinationUnavailable as answer:
            self._target = None
            if self._fault is None or self._fault.message != answer.message:
                self._tell(BrokerFault(answer.reason, answer.message))
        except Exception:  # the next attempt tells the user
            logger.exception("Failed to look up the broker of %s.", self.recipient)
        return False

    def _flow_changed(self) -> None:
        if self._session is not None:
            for outlet in tuple(self.outlets):
                outlet.blocked(self._session.blocked_since)

    def _proven(self) -> None:
        self._backoff.reset()
        self._slow.reset()
