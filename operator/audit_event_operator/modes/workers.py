"""Several processes that make the portions of independent streams in turns. The bytes do not depend on how many there are."""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final

from audit_event_operator.modes.output import OutputError
from audit_event_operator.modes.portions import Portion, Request, Work

_LOOK_SECONDS: Final = 0.2
# A fork starts at once. Elsewhere than on Linux it is unsafe: system libraries may have started threads.
_PROCESSES: Final = (
    multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
)


class Workers:
    """The processes, from when they begin to `close`. A pipe holds little, so none is far ahead of the reader."""

    def __init__(self, request: Request) -> None:
        self._count = request.workers
        self._connections: list[Connection[None, Portion | None]] = []
        self._processes = []
        for number in range(request.workers):
            ours, theirs = _PROCESSES.Pipe()
            self._connections.append(ours)
            inherited = self._connections if _PROCESSES.get_start_method() == "fork" else []
            process = _PROCESSES.Process(target=_work, args=(theirs, request, number, inherited), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)

    def portions(self, stopped: Callable[[], bool]) -> Iterator[Portion]:
        """All portions in order. `stopped` is asked now and then: True ends it.

        Raises:
            OutputError: one of the processes ended before its time.
        """
        number = 0
        while not stopped():
            connection = self._connections[number % self._count]
            if not connection.poll(_LOOK_SECONDS):
                continue
            portion = self._received(number % self._count)
            if portion is None:
                return
            yield portion
            number += 1

    def close(self) -> None:
        """End all of them."""
        for process, connection in zip(self._processes, self._connections, strict=True):
            connection.close()
            process.terminate()
            process.join()

    def _received(self, number: int) -> Portion | None:
        try:
            return self._connections[number].recv()
        except (EOFError, ConnectionResetError):
            process = self._processes[number]
            process.join()
            raise OutputError(
                f"one of {self._count} workers ended early, with exit code {process.exitcode}; is there enough memory?"
            ) from None


def _work(
    connection: "Connection[Portion | None, None]",
    request: Request,
    number: int,
    inherited: "list[Connection[None, Portion | None]]",
) -> None:
    """What each of them does. `inherited`: the reader's ends, which have to be closed here to see that it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the reader says what follows from it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for each in inherited:
        each.close()
    with suppress(BrokenPipeError, ConnectionResetError):  # the reader is gone
        for portion in Work(request, number, request.workers).portions():
            connection.send(portion)
        connection.send(None)
