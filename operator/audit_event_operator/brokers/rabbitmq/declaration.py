"""Makes sure of one outlet's queue or exchange: looks it up, creates a queue where the spec says so, and tries again.

Works on whatever session it is given, one at a time. Knows no outbox and no outlet; it tells two callbacks.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Final

from pika import exceptions

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.channel_session import ChannelSession
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault
from audit_event_operator.brokers.rabbitmq.foreign_errors import NOT_FOUND, PRECONDITION_FAILED, declaration_fault
from audit_event_operator.brokers.rabbitmq.rpc import ConnectionLost, Rpc, RpcTimeout
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.resource.broker_spec import DeclarationMode, QueueType
from audit_event_operator.targets.destination import RabbitMQDestination

logger = logging.getLogger(__name__)

_ARGUMENTS: Final[dict[QueueType, dict[str, str] | None]] = {
    QueueType.CLASSIC: None,  # so that every consumer that declares it plainly can open it
    QueueType.QUORUM: {"x-queue-type": "quorum"},
    QueueType.STREAM: {"x-queue-type": "stream"},
}


class Declaration:
    """The declaration of one queue or exchange, with its pauses. `declared` and `failed` are told of each attempt's end."""

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
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, session: ChannelSession) -> None:
        """Make sure of it on a new connection."""
        self.cancel()
        self._task = asyncio.create_task(self._run(session))

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
        self._asked.set()

    def proven(self) -> None:
        """The broker took an event."""
        self._returns = 0
        for backoff in (self._fast, self._slow, self._return_pauses):
            backoff.reset()

    async def _run(self, session: ChannelSession) -> None:
        if self._returns > 1:  # the queue was there a moment ago, and events came back all the same
            await asyncio.sleep(self._return_pauses.next_seconds())
        while True:
            await session.flowing.wait()
            began = asyncio.get_running_loop().time()
            try:
                await declare(session.rpc, self._destination, session.broker)
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
        self._asked.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((self._slow if fault.slow else self._fast).next_seconds()):
                await self._asked.wait()
        # A spec that is patched many times a second must not become as many questions.
        await asyncio.sleep(began + self._apart_seconds - asyncio.get_running_loop().time())


async def declare(rpc: Rpc, destination: RabbitMQDestination, broker: str) -> None:
    """Make sure of the queue as the destination says, or of the exchange, which is only looked up.

    Raises:
        BrokerFault: ExchangeNotFound, QueueNotFound, QueueArgumentsMismatch, QueueLocked, AccessRefused, RejectedByBroker
            (also when the broker allows no second channel).
        ConnectionLost: the connection ended.
        RpcTimeout: no answer.
    """
    recipient, create = destination.recipient, False
    try:
        if recipient.is_exchange:
            code, text = await rpc.look_exchange_up(recipient.name)
        else:
            code, text, create = await _declare_queue(rpc, recipient.name, destination)
    except exceptions.NoFreeChannels:
        raise faults.NO_SECOND_CHANNEL.at(broker) from None
    if code:
        raise declaration_fault(code, text, broker, recipient, create=create)


async def _declare_queue(rpc: Rpc, queue: str, destination: RabbitMQDestination) -> tuple[int, str, bool]:
    """Code and text of the refusal, 0 for none, and whether the queue was to be made."""
    code, text = await rpc.declare_queue(queue, None, passive=True)
    create = code == NOT_FOUND and destination.declaration_mode is DeclarationMode.CREATE_IF_MISSING
    if create:
        code, text = await rpc.declare_queue(queue, _ARGUMENTS[destination.queue_type], passive=False)
        if code == PRECONDITION_FAILED:  # another client was faster; its arguments are its business
            again, _ = await rpc.declare_queue(queue, None, passive=True)
            code = code if again else 0
    return code, text, create
