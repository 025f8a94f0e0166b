"""A publisher that does nothing of its own accord: a connection of pika, one channel in confirm mode, notes of what comes back.

For what the product relies on of RabbitMQ, seen without the product.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import pika
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel

from support.parts.rabbitmq import Broker

ANSWER_SECONDS = 20


class Note(NamedTuple):
    """Something that came back: ack, nack, return, blocked, unblocked, channel closed, connection closed."""

    what: str
    tag: int = 0
    multiple: bool = False
    code: int = 0
    text: str = ""


class RawPublisher:
    """Use it as an asynchronous context manager; it opens connection and channel, and tears the line down at the end."""

    def __init__(self, broker: Broker, **parameters: Any) -> None:
        """Nothing is opened yet; `parameters` are pika's (port, virtual_host, credentials, heartbeat …)."""
        standard = {
            "host": broker.host,
            "port": broker.port,
            "virtual_host": broker.vhost,
            "credentials": pika.PlainCredentials(broker.user, broker.password),
        }
        self._parameters = pika.ConnectionParameters(**(standard | parameters))
        self.notes: list[Note] = []
        self._noted = asyncio.Event()
        self.channel: Channel
        self._connection: AsyncioConnection

    async def __aenter__(self) -> Self:
        """Raises what pika says when the connection cannot be opened."""
        opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._connection = AsyncioConnection(
            self._parameters,
            on_open_callback=tell(opened),
            on_open_error_callback=lambda _, error: opened.set_exception(error),
            on_close_callback=lambda _, error: self._note(_closed("connection closed", error)),
        )
        await asyncio.wait_for(opened, ANSWER_SECONDS)
        self._connection.add_on_connection_blocked_callback(lambda *_: self._note(Note("blocked")))
        self._connection.add_on_connection_unblocked_callback(lambda *_: self._note(Note("unblocked")))
        self.channel = await self.open_channel()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection.is_open:
            # A blocked broker would never answer a close.
            self._connection._terminate_stream(pika.exceptions.ConnectionWrongStateError("the test is over"))
            await self.wait_for("connection closed")

    async def open_channel(self) -> Channel:
        """Another channel in confirm mode; TimeoutError when the broker does not answer."""
        opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self._connection.channel(on_open_callback=tell(opened))
        channel = await asyncio.wait_for(opened, ANSWER_SECONDS)
        channel.add_on_close_callback(lambda _, error: self._note(_closed("channel closed", error)))
        channel.add_on_return_callback(
            lambda _, method, *__: self._note(Note("return", code=method.reply_code, text=method.reply_text))
        )
        selected: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        channel.confirm_delivery(self._confirm, callback=tell(selected))
        await asyncio.wait_for(selected, ANSWER_SECONDS)
        return channel

    def publish(
        self,
        queue: str,
        count: int = 1,
        *,
        exchange: str = "",
        mandatory: bool = True,
        body: bytes = b"{}",
        **more: Any,
    ) -> None:
        """Write messages to a queue (or under this key to an exchange), without waiting; `more` are properties."""
        properties = pika.BasicProperties(delivery_mode=2, **more)
        for _ in range(count):
            self.channel.basic_publish(exchange, queue, body, properties, mandatory=mandatory)

    def seen(self, *what: str) -> list[Note]:
        """The notes of these kinds, in the order they came."""
        return [note for note in self.notes if note.what in what]

    async def wait_for(self, what: str, *, timeout_seconds: float = ANSWER_SECONDS) -> Note:
        """Wait until there is a note of this kind, and return the last one; TimeoutError when there is none."""
        async with asyncio.timeout(timeout_seconds):
            while not (found := self.seen(what)):
                await self._next_note()
        return found[-1]

    async def wait_settled(self, count: int, *, timeout_seconds: float = ANSWER_SECONDS) -> tuple[set[int], set[int]]:
        """Wait until so many tags are acked or nacked; which (acked, nacked)."""
        async with asyncio.timeout(timeout_seconds):
            while sum(len(tags) for tags in self.settled()) < count:
                await self._next_note()
        return self.settled()

    def settled(self) -> tuple[set[int], set[int]]:
        """The tags that are (acked, nacked) up to now."""
        tags: dict[str, set[int]] = {"ack": set(), "nack": set()}
        for note in self.seen("ack", "nack"):
            below = range(1, note.tag) if note.multiple else ()
            tags[note.what] |= {note.tag, *below} - tags["ack"] - tags["nack"]
        return tags["ack"], tags["nack"]

    async def _next_note(self) -> None:
        self._noted.clear()
        await self._noted.wait()

    def _confirm(self, frame: Any) -> None:
        method = frame.method
        self._note(Note("ack" if "Ack" in type(method).__name__ else "nack", method.delivery_tag, method.multiple))

    def _note(self, note: Note) -> None:
        self.notes.append(note)
        self._noted.set()


def tell(future: asyncio.Future[Any], value: Any = None) -> Callable[..., None]:
    """A callback that gives the future this value, else its own first argument; what it raised would end the connection."""

    def told(*arguments: Any) -> None:
        if not future.done():
            future.set_result(arguments[0] if value is None else value)

    return told


def _closed(what: str, error: Any) -> Note:
    return Note(what, code=getattr(error, "reply_code", 0), text=str(getattr(error, "reply_text", error)))
