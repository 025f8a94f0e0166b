"""pika's callbacks as awaitables: open a channel, switch confirms on, declare a queue or look an exchange up.

Every question to the broker has a deadline, which does not run while the broker has blocked the connection (it answers
nothing then). Knows no outlet, and does not judge the answers.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from pika import exceptions
from pika.channel import MAX_CHANNELS, Channel

from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection

DECLARES_AT_ONCE: Final = 100
"""Each has a channel of its own for a moment, and a connection has 2047 of them: less than one queue may have generators."""


class ConnectionLost(Exception):  # noqa: N818 - an answer
    """The connection went away meanwhile; its session knows why."""


class RpcTimeout(Exception):  # noqa: N818
    """The broker did not answer within the deadline."""


class Rpc:
    """Questions on one open connection, `seconds` for each; `flowing` is not set while the broker has blocked it."""

    def __init__(self, connection: GatheringConnection, seconds: float, flowing: asyncio.Event) -> None:
        self._connection = connection
        self._seconds = seconds
        self._flowing = flowing
        channels = connection.params.channel_max or MAX_CHANNELS
        self._turns = asyncio.Semaphore(max(1, min(DECLARES_AT_ONCE, channels - 1)))

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

    async def declare_queue(self, name: str, arguments: dict[str, str] | None, *, passive: bool) -> tuple[int, str]:
        """Declare a durable queue; see `_ask`."""
        return await self._ask(
            lambda channel, done: channel.queue_declare(
                name, passive, durable=True, arguments=arguments, callback=lambda _frame: done()
            )
        )

    async def look_exchange_up(self, name: str) -> tuple[int, str]:
        """Declare an exchange passively, which only looks whether it is there; see `_ask`."""
        return await self._ask(
            lambda channel, done: channel.exchange_declare(name, passive=True, callback=lambda _frame: done())
        )

    async def _ask(self, ask: Callable[[Channel, Callable[[], None]], object]) -> tuple[int, str]:
        """Ask on a channel of its own, which the broker closes to say no; `ask` calls the function it is given to say yes.

        Returns:
            Code and text of the refusal; code 0 is yes.

        Raises:
            ConnectionLost: the connection ended.
            RpcTimeout: no answer.
            NoFreeChannels: pika's; the broker allows no second channel.
        """
        async with self._turns:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[Any] = loop.create_future()
            gone: asyncio.Future[Any] = loop.create_future()

            def closed(error: BaseException) -> None:
                _answer(gone, None)
                if isinstance(error, exceptions.ChannelClosedByBroker):
                    _answer(answer, (error.reply_code, error.reply_text))
                else:
                    _answer(answer, ConnectionLost())

            channel = await self.open_channel(closed)
            ask(channel, lambda: _answer(answer, (0, "")))
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
                if not answer.done() and self._flowing.is_set():
                    raise RpcTimeout
        finally:
            answer.cancel()  # too late to be of use; does nothing to one that is there
        result = answer.result()
        if isinstance(result, ConnectionLost):
            raise result
        return result


def _answer(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)
