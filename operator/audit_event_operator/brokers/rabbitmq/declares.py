"""Asks a broker for queues and exchanges: looks them up, and creates a queue where the destination says so.

Thousands of outlets of one queue want to know the same at the same moment, when their connection opens: those that ask while
the broker is being asked share its answer. Nothing is kept longer, so whoever asks later hears how it is then.
"""

import asyncio
from typing import Final, NamedTuple

from pika import exceptions

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.foreign_errors import NOT_FOUND, PRECONDITION_FAILED, declaration_fault
from audit_event_operator.brokers.rabbitmq.rpc import Rpc
from audit_event_operator.resource.broker_spec import DeclarationMode, QueueType
from audit_event_operator.targets.destination import RabbitMQDestination, Recipient

_ARGUMENTS: Final[dict[QueueType, dict[str, str] | None]] = {
    QueueType.CLASSIC: None,  # so that every consumer that declares it plainly can open it
    QueueType.QUORUM: {"x-queue-type": "quorum"},
    QueueType.STREAM: {"x-queue-type": "stream"},
}


class _Question(NamedTuple):
    """All that an answer depends on."""

    recipient: Recipient
    mode: DeclarationMode
    queue_type: QueueType


class Declares:
    """The questions on one connection; `broker` is named in messages."""

    def __init__(self, rpc: Rpc, broker: str) -> None:
        self._rpc = rpc
        self._broker = broker
        self._asking: dict[_Question, asyncio.Task[None]] = {}

    async def ask(self, destination: RabbitMQDestination) -> None:
        """Make sure of the queue as the destination says, or of the exchange, which is only looked up.

        Raises:
            BrokerFault: ExchangeNotFound, QueueNotFound, QueueArgumentsMismatch, QueueLocked, AccessRefused, RejectedByBroker
                (also when the broker allows no second channel).
            ConnectionLost: the connection ended.
            RpcTimeout: no answer.
        """
        question = _Question(destination.recipient, destination.declaration_mode, destination.queue_type)
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._declare(question))
            asking.add_done_callback(lambda task: self._answered(question, task))
        await asyncio.shield(asking)  # the others go on waiting when one of them leaves

    def _answered(self, question: _Question, task: asyncio.Task[None]) -> None:
        del self._asking[question]
        if not task.cancelled():
            task.exception()  # it may be that nobody waits for it any more

    async def _declare(self, question: _Question) -> None:
        recipient, create = question.recipient, False
        try:
            if recipient.is_exchange:
                code, text = await self._rpc.look_exchange_up(recipient.name)
            else:
                code, text, create = await self._declare_queue(question)
        except exceptions.NoFreeChannels:
            raise faults.NO_SECOND_CHANNEL.at(self._broker) from None
        if code:
            raise declaration_fault(code, text, self._broker, recipient, create=create)

    async def _declare_queue(self, question: _Question) -> tuple[int, str, bool]:
        """Code and text of the refusal, 0 for none, and whether the queue was to be made."""
        rpc, queue = self._rpc, question.recipient.name
        code, text = await rpc.declare_queue(queue, None, passive=True)
        create = code == NOT_FOUND and question.mode is DeclarationMode.CREATE_IF_MISSING
        if create:
            code, text = await rpc.declare_queue(queue, _ARGUMENTS[question.queue_type], passive=False)
            if code == PRECONDITION_FAILED:  # another client was faster; its arguments are its business
                again, _ = await rpc.declare_queue(queue, None, passive=True)
                code = code if again else 0
        return code, text, create
