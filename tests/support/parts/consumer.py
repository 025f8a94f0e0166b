"""An AMQP consumer that notes when which message came, for tests that judge a stream by its queue."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self

import pika

from support.parts.rabbitmq import Broker, Message
from support.waiting import wait_until


class Arrival(NamedTuple):
    """A message, and when it came (time.monotonic())."""

    at: float
    queue: str
    message: Message

    def json(self) -> Any:
        return self.message.json()


class Consumer:
    """Consumes some queues and notes when each message came; declares the queues as the operator would."""

    def __init__(self, broker: Broker, queues: Iterable[str]) -> None:
        self._broker = broker
        self._queues = tuple(queues)
        self._arrivals: list[Arrival] = []
        self._stop = threading.Event()
        self._flowing = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="consumer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._flowing.is_set() or self._error, what="the consumer to start")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        if self._error is not None:
            raise self._error

    @property
    def arrivals(self) -> list[Arrival]:
        """Everything up to now, in the order it came."""
        return list(self._arrivals)

    def __len__(self) -> int:
        return len(self._arrivals)

    def wait_for(self, count: int, *, timeout_seconds: float = 20) -> list[Arrival]:
        """Wait until at least so many have come, and return all."""
        wait_until(
            lambda: len(self._arrivals) >= count,
            timeout_seconds=timeout_seconds,
            what=f"{count} messages",
            every_seconds=0.01,
            explain=lambda: f"{len(self._arrivals)} came",
        )
        return self.arrivals

    def wait_for_more(self, count: int = 1, *, timeout_seconds: float = 20) -> list[Arrival]:
        """Wait until so many have come from now on, and return these."""
        before = len(self._arrivals)
        return self.wait_for(before + count, timeout_seconds=timeout_seconds)[before:]

    def wait_for_silence(self, seconds: float, *, timeout_seconds: float = 15) -> float:
        """Wait until nothing has come for so long; returns when the last one came (time.monotonic())."""
        began = time.monotonic()

        def last() -> float:
            return self._arrivals[-1].at if self._arrivals else 0.0

        wait_until(
            lambda: time.monotonic() - max(began, last()) > seconds,
            timeout_seconds=timeout_seconds,
            what=f"{seconds} s without a message",
        )
        return last()

    def _run(self) -> None:
        try:
            with self._broker.channel() as channel:
                for queue in self._queues:
                    channel.queue_declare(queue, durable=True)
                    channel.basic_consume(queue, self._note(queue), auto_ack=True)
                self._flowing.set()
                while not self._stop.is_set():
                    channel.connection.process_data_events(time_limit=0.05)
        except BaseException as error:  # noqa: BLE001 - raised by the test's own thread
            self._error = error

    def _note(self, queue: str) -> Callable[..., None]:
        def note(_channel: object, _method: object, properties: pika.BasicProperties, body: bytes) -> None:
            self._arrivals.append(Arrival(time.monotonic(), queue, Message(properties, body)))

        return note
