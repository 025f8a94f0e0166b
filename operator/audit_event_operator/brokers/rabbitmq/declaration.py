"""Makes sure of one outlet's queue or exchange: looks it up, creates a queue where the spec says so, and tries again.

Works on whatever session it is given, one at a time. Knows no outbox and no outlet; it tells two callbacks.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable

from pika import exceptions

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.channel_session import ChannelSession
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault
from audit_event_operator.brokers.rabbitmq.rpc import ConnectionLost, RpcTimeout
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.targets.destination import RabbitMQDestination

logger = logging.getLogger(__name__)


class Declaration:
    """The declaration of one queue or exchange, with its pauses. `declared` and `failed` are told of each attempt's end."""

    __slots__ = (
        "_apart_seconds",
        "_asked",
        "_declared",
        "_destination",
        "_failed",
        "_fast",
        "_return_pauses",
        "_returns",
        "_slow",
        "_task",
    )

    def __init__(
        self,
        destination: RabbitMQDestination,
        timing: Timing,
        rng: random.Random,
        *,
        declared: Callable[[], None],
        failed: Callable[[BrokerFault], None],
    ) -> None:
        self._destination = destination
        self._declared = declared
        self._failed = failed
        self._fast, self._slow = timing.backoff(rng), timing.slow_backoff(rng)
        self._return_pauses = timing.backoff(rng)
        self._apart_seconds = timing.backoff_min_seconds
        self._returns = 0
        self._asked: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, session: ChannelSession) -> None:
        """Make sure of it on a new connection."""
        self.cancel()
        self._task = asyncio.create_task(self._run(session))
        self._task.add_done_callback(self._forget)

    def again(self, session: ChannelSession) -> None:
        """An event came back: make sure of the queue once more."""
        self._returns += 1
        self.begin(session)

    def cancel(self) -> None:
        """Stop; the connection or the outlet has ended."""
        if self._task is not None:
            self._task.cancel()

    def retry_now(self) -> None:
        """The user may have fixed what was wrong: do not wait."""
        if self._asked is not None:
            self._asked.set()

    def proven(self) -> None:
        """The broker took an event."""
        self._returns = 0
        for backoff in (self._fast, self._slow, self._return_pauses):
            backoff.reset()

    def _forget(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None

    async def _run(self, session: ChannelSession) -> None:
        if self._returns > 1:  # the queue was there a moment ago, and events came back all the same
            await asyncio.sleep(self._return_pauses.next_seconds())
        while True:
            await session.flowing.wait()
            began = asyncio.get_running_loop().time()
            try:
                await session.declares.ask(self._destination)
            except BrokerFault as fault:
                logger.warning("%s [%s]", fault.message, fault.detail)
                self._failed(fault)
                await self._pause(fault, began)
            except RpcTimeout:
                session.end(faults.MUTE.at(session.broker))
                return
            except (ConnectionLost, exceptions.AMQPError):
                return
            else:
                self._declared()
                return

    async def _pause(self, fault: BrokerFault, began: float) -> None:
        asked = self._asked = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((self._slow if fault.slow else self._fast).next_seconds()):
                await asked.wait()
        self._asked = None
        # A spec that is patched many times a second must not become as many questions.
        await asyncio.sleep(began + self._apart_seconds - asyncio.get_running_loop().time())
