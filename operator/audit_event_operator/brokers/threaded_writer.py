"""Writes to a stream in a thread of its own, because its reader may be slow or stop reading (`| less`).

Knows nothing of what it writes.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

_FULL_PIPE_SECONDS: Final = 0.01


class ByteStream(Protocol):
    """What is written to: `sys.stdout.buffer`, an open binary file."""

    def write(self, data: bytes, /) -> int | None:
        """Write some or all of it; None when a non-blocking stream takes nothing now."""

    def flush(self) -> None:
        """Hand everything to the system."""


class ThreadedWriter:
    """One stream's writer: past its buffer, where it has one. The stream stays open.

    `written` is called on the loop after each piece: None, or why it could not be written.
    """

    def __init__(self, stream: ByteStream, written: Callable[[OSError | None], None]) -> None:
        # A thread that hangs in a buffered write would hold the buffer's lock, on which the interpreter's end then fails.
        self._stream: ByteStream = getattr(stream, "raw", stream)
        self._written = written
        self._loop = asyncio.get_running_loop()
        self._work: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="stream writer", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Write this, after what came before."""
        self._work.put(data)

    def end(self) -> None:
        """End the thread, after what came before."""
        self._work.put(None)

    def _run(self) -> None:
        while (data := self._work.get()) is not None:
            error: OSError | None = None
            try:
                self._write(data)
            except OSError as caught:
                error = caught
            except ValueError:  # the stream was closed
                error = BrokenPipeError()
            try:
                self._loop.call_soon_threadsafe(self._written, error)
            except RuntimeError:  # the loop is closed: no outcome is waited for
                return

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                count = self._stream.write(bytes(view))
            except BlockingIOError as error:
                count = error.characters_written or None
            if count is None:
                time.sleep(_FULL_PIPE_SECONDS)
            else:
                view = view[count:]
        self._stream.flush()
