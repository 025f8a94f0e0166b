"""pika's callbacks as awaitables: open a channel, switch confirms on, declare a queue on a channel of its own.

Every question to the broker has a deadline, which does not run while the broker has blocked the connection (it answers
nothing then). Decides how a queue is declared; knows no outlet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from pika import exceptions
from pika.channel import Channel

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.resource.spec import DeclarationMode, QueueType
from audit_event_operator.targets.destination import RabbitMQDestination

DECLARES_AT_ONCE: Final = 100
"""Each has a channel of its own for a moment, and a connection has 2047 of them: less than one queue may have generators."""


class ConnectionLost(Exception):  # noqa: N818 - an answer
    """The connection went away meanwhile; whoever watches it says why."""


class RpcTimeout(Exception):  # noqa: N818
    """The broker did not answer within the deadline."""


class Rpc:
    """Questions on one connection.

    Args:
        connection: it is open.
        seconds: the deadline of each question.
        blocked: whether the broker has blocked the connection.
    """

    def __init__(self, connection: GatheringConnection, seconds: float, blocked: Callable[[], bool]) -> None:
        self._connection = connection
        self._seconds = seconds
        self._blocked = blocked
        self._turns = asyncio.Semaphore(max(1, min(DECLARES_AT_ONCE, connection.channels_max - 1)))

    async def open_channel(self, on_close: Callable[[BaseException], None]) -> Channel:
        """A new channel; `on_close` is told once why it ended."""
        if not self._connection.is_open:
            raise ConnectionLost
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()

        def closed(_channel: object, error: BaseException) -> None:
            _answer(opened, ConnectionLost())
            on_close(error)

        def arrived(channel: Channel) -> None:
            if opened.done():  # nobody waits for it any more
                channel.close()
            else:
                opened.set_result(channel)

        channel = self._connection.channel(on_open_callback=arrived)
        channel.add_on_close_callback(closed)
        return cast(Channel, await self._wait(opened))

    async def confirms_on(self, channel: Channel, on_answer: Callable[[Any], None]) -> None:
        """Switch publisher confirms on; returns after select-ok."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        channel.add_on_close_callback(lambda _channel, _error: _answer(done, ConnectionLost()))
        channel.confirm_delivery(on_answer, callback=lambda frame: _answer(done, frame))
        await self._wait(done)

    async def declare(self, destination: RabbitMQDestination, broker: str) -> None:
        """Make sure of the queue as the destination says.

        Raises:
            BrokerFault: QueueNotFound, QueueArgumentsMismatch, QueueLocked, AccessRefused, RejectedByBroker (also when the
                broker allows no second channel).
            LineLost: the connection ended.
            Mute: no answer.
        """
        try:
            async with self._turns:
                await self._declare(destination, broker)
        except exceptions.NoFreeChannels:
            raise faults.no_second_channel(broker) from None

    async def _declare(self, destination: RabbitMQDestination, broker: str) -> None:
        code, text = await self._ask_for(destination, passive=True)
        create = code == faults.NOT_FOUND and destination.declaration_mode is DeclarationMode.CREATE_IF_MISSING
        if create:
            code, text = await self._ask_for(destination, passive=False)
            if code == faults.PRECONDITION_FAILED:  # somebody else was faster; his arguments are his business
                again, _ = await self._ask_for(destination, passive=True)
                code = 0 if again == 0 else code
        if code:
            raise faults.queue_fault(code, text, broker, destination.queue, create=create)

    async def _ask_for(self, destination: RabbitMQDestination, *, passive: bool) -> tuple[int, str]:
        """One declare on a channel of its own: the broker closes the channel to say no. Code 0 is yes."""
        answer: asyncio.Future[tuple[int, str]] = asyncio.get_running_loop().create_future()
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def closed(error: BaseException) -> None:
            _answer(gone, None)
            if isinstance(error, exceptions.ChannelClosedByBroker):
                _answer(answer, (error.reply_code, error.reply_text))
            else:
                _answer(answer, ConnectionLost())

        channel = await self.open_channel(closed)
        arguments = {"x-queue-type": "quorum"} if destination.queue_type is QueueType.QUORUM and not passive else None
        channel.queue_declare(
            destination.queue,
            passive=passive,
            durable=True,
            arguments=arguments,
            callback=lambda _frame: _answer(answer, (0, "")),
        )
        try:
            code, text = await self._wait(answer)
        finally:
            if channel.is_open:
                channel.close()
        if not channel.is_closed:
            await self._wait(gone)  # until then its number is taken
        return code, text

    async def _wait(self, answer: asyncio.Future[Any]) -> Any:
        try:
            while not answer.done():
                await asyncio.wait({answer}, timeout=self._seconds)
                if not answer.done() and not self._blocked():
                    raise RpcTimeout
        finally:
            answer.cancel()  # too late to be of use; does nothing to one that is there
        result = answer.result()
        if isinstance(result, ConnectionLost):
            raise result
        return result


def spawn(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a task and keep it alive until it ends."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


def _answer(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)
