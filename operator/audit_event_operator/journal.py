"""The delivery journal: a line of JSON in a file for every attempt's outcome and every drop, for tests and investigations.

The loop only appends a tuple to a queue; a thread of its own makes lines of them and writes. Names of events, never their
bodies. What is lost when the process is killed is at most the last `EVERY_SECONDS`.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson

from audit_event_operator.engine.ledger import DropReason, Outcome
from audit_event_operator.engine.outbox import Note, Parcel
from audit_event_operator.engine.snapshot import Ref

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 0.2
BACKLOG: Final = 200_000
"""Most entries that wait for a slow disk; what comes on top is left out, and a line says how many."""

Entry = tuple[int, str, str, int, int, int, Outcome | DropReason]


class DeliveryJournal:
    """Implements `engine.ports.Journal`; appends to the file.

    Raises:
        OSError: the file cannot be opened for writing.
    """

    def __init__(self, path: Path, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._file = path.open("ab")
        self._wall_ns = wall_ns
        self._entries: deque[Entry] = deque()
        self._left_out = 0
        self._broken = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def keep(self, ref: Ref) -> Note:
        """What the outbox of this resource calls for every outcome."""
        name, entries, wall_ns = str(ref), self._entries, self._wall_ns

        def note(parcel: Parcel, what: Outcome | DropReason) -> None:
            if self._broken or len(entries) >= BACKLOG:
                self._left_out += 1
                return
            entries.append(
                (wall_ns(), name, parcel.event.event_id, parcel.order, parcel.outbox.epoch, parcel.attempt, what)
            )

        return note

    def close(self) -> None:
        """Write what is left, and end; blocks for as long as the disk takes."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            with self._file as file:
                while not self._over.wait(EVERY_SECONDS):
                    self._write()
                    file.flush()
                self._write()
        except OSError as error:
            logger.error("Cannot write the delivery journal any more; it ends here: %s", error)  # noqa: TRY400
            self._broken = True
            self._entries.clear()

    def _write(self) -> None:
        entries, write = self._entries, self._file.write
        for _ in range(len(entries)):
            write(_line(entries.popleft()))
        left_out, self._left_out = self._left_out, 0
        if left_out:
            write(orjson.dumps({"left_out": left_out}) + b"\n")


def _line(entry: Entry) -> bytes:
    at_ns, generator, event_id, sequence, epoch, attempt, what = entry
    said = {
        "time_unix_ns": at_ns,
        "generator": generator,
        "message_id": event_id,
        "sequence": sequence,
        "epoch": epoch,
        "attempt": attempt,
        "outcome": what.value if isinstance(what, Outcome) else "dropped",
    }
    if isinstance(what, DropReason):
        said["reason"] = what.value
    return orjson.dumps(said) + b"\n"
