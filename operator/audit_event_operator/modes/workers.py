"""Several processes that make the portions of a request in turns. What is written does not depend on how many there are.

Each lives through all streams and writes its share: events of users who behave follow from what was before, and telling
another process of them costs about what writing them does. Each goes on as far as it is allowed to, so that all of them stop
at the same place.
"""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Final, NamedTuple

from audit_event_operator.modes.output import OutputError
from audit_event_operator.modes.portions import Portion, Request, Work
from audit_event_operator.modes.summary import Summary
from audit_event_operator.world.scenarios.ending import Ending

_AHEAD: Final = 2
"""Portions that each may be ahead of the reader: enough that none waits for it."""
_GO_ON: Final = b"+"
_STOP: Final = b"."
_LOOK_SECONDS: Final = 0.2
# What is forked starts at once; elsewhere than on Linux, system libraries do not survive it.
_PROCESSES: Final = (
    multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")
)


class _End(NamedTuple):
    """The last that one of them says."""

    records: list[bytes]
    summary: Summary


class Workers:
    """The processes, from when they begin to `close`."""

    def __init__(self, request: Request) -> None:
        self.summary = Summary()
        """Complete after the last portion."""
        self._count = request.workers
        self._connections: list[Connection[bytes, Portion | _End]] = []
        self._processes = []
        for number in range(request.workers):
            ours, theirs = _PROCESSES.Pipe()
            self._connections.append(ours)
            inherited = self._connections if _PROCESSES.get_start_method() == "fork" else []
            process = _PROCESSES.Process(target=_work, args=(theirs, request, number, inherited), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)

    def portions(self, interrupted: Callable[[], bool]) -> Iterator[Portion]:
        """All portions in order, the last one with the records that are left. `interrupted`: end soon.

        Raises:
            OutputError: one of them ended before its time.
        """
        self._tell(_GO_ON * self._count * _AHEAD)
        number, stopping = 0, False
        while True:
            if not number and self._waits_in_vain(interrupted):
                return
            said = self._receive(number % self._count)
            if isinstance(said, _End):
                break
            yield said
            number += 1
            if not stopping:
                stopping = interrupted()
                self._tell(_STOP if stopping else _GO_ON)
        ends = [said, *(self._receive((number + other) % self._count) for other in range(1, self._count))]
        for end in ends:
            if isinstance(end, _End):
                self.summary.merge(end.summary)
                yield Portion([], end.records)

    def close(self) -> None:
        """End all of them."""
        for process, connection in zip(self._processes, self._connections, strict=True):
            connection.close()
            process.terminate()
            process.join()

    def _waits_in_vain(self, interrupted: Callable[[], bool]) -> bool:
        """Wait for the first portion, which may be far away: there is nothing to be brought to an end before it."""
        while not self._connections[0].poll(_LOOK_SECONDS):
            if interrupted():
                return True
        return False

    def _tell(self, words: bytes) -> None:
        for connection in self._connections:
            with suppress(BrokenPipeError):  # it has ended, which `_receive` will see
                for index in range(len(words)):
                    connection.send_bytes(words[index : index + 1])

    def _receive(self, number: int) -> Portion | _End:
        try:
            return self._connections[number].recv()
        except (EOFError, ConnectionResetError):
            process = self._processes[number]
            process.join()
            raise OutputError(
                f"one of {self._count} workers ended early, with exit code {process.exitcode}; is there enough memory?"
            ) from None


def _work(
    connection: "Connection[Portion | _End, bytes]",
    request: Request,
    number: int,
    inherited: "list[Connection[bytes, Portion | _End]]",
) -> None:
    """What each of them does. `inherited`: the reader's ends, which have to be closed here to see that it is gone."""
    for each in inherited:
        each.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the reader says what follows from it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    work, ending = Work(request, number, request.workers), Ending.RUN_COMPLETE

    def granted() -> bool:
        nonlocal ending
        if connection.recv_bytes() == _GO_ON:
            return True
        ending = Ending.OPERATOR_STOPPED
        return False

    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the reader is gone
        for portion in work.portions(granted):
            connection.send(portion)
        connection.send(_End(work.end(ending), work.summary))
