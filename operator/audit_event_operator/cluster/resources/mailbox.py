"""Carries what one thread says to the loop of another: one wake-up for many messages, and never a long hold of that loop.

A list of ten thousand resources arrives as ten thousand messages; handed over one by one, each would cost a system call, and
the loop would work through all of them in a single turn.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

logger = logging.getLogger(__name__)

SLICE_SECONDS: Final = 0.005
"""How long the reading loop is held at most before it turns."""

T = TypeVar("T")


class Mailbox(Generic[T]):
    """`read` is called on `loop` with each message that is put in from any thread, in order, until `close`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, read: Callable[[T], object]) -> None:
        self._loop = loop
        self._read = read
        self._messages: deque[T] = deque()
        self._closed = False

    def put(self, message: T) -> None:
        """Have the message read, unless the loop is over. From any thread."""
        self._messages.append(message)
        if len(self._messages) == 1:  # else the loop knows that there is something to read
            call_on(self._loop, self._empty)

    def close(self) -> None:
        """Read nothing more. On the loop."""
        self._closed = True

    def _empty(self) -> None:
        until = self._loop.time() + SLICE_SECONDS
        while self._messages and not self._closed:
            self._read(self._messages.popleft())
            if self._loop.time() >= until and self._messages:
                self._loop.call_soon(self._empty)
                return


def call_on(loop: asyncio.AbstractEventLoop, callback: Callable[..., object], *arguments: object) -> None:
    """Call something on another thread's loop, unless that loop is over."""
    try:
        loop.call_soon_threadsafe(callback, *arguments)
    except RuntimeError:
        logger.debug("An event loop ended before a callback could run on it")
