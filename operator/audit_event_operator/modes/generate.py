"""As many events as asked for, as fast as they can be made, on a synthetic clock: into files or to stdout.

No wall clock decides what is written: the same request makes the same bytes. Words for people go to stderr.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from types import FrameType
from typing import Final

from audit_event_operator.modes.output import STDOUT, File, OutputError, output_to
from audit_event_operator.modes.portions import Portion, Request, Work
from audit_event_operator.modes.summary import Summary, progress_line, table
from audit_event_operator.modes.workers import Workers
from audit_event_operator.terminal import PROGRAM, print_line, tell
from audit_event_operator.world.scenarios.ending import Ending

INTERRUPTED: Final = 130
_PROGRESS_SECONDS: Final = 0.25


def generate(request: Request) -> int:
    """Write the events, then a summary on stderr; returns the exit code."""
    try:
        with _interruptible() as interrupted:
            return _generate(request, interrupted)
    except OutputError as error:
        print_line(f"{PROGRAM}: {error}", "red")
        if request.out == STDOUT and sys.stdout is not None:
            _forget_stdout()
        return 1
    except KeyboardInterrupt:  # the second one, while a reader takes nothing
        return INTERRUPTED


def _generate(request: Request, interrupted: Callable[[], bool]) -> int:
    summary, began = Summary(), time.monotonic()
    output = output_to(request.out, request.split)
    truth = None if request.truth is None else File(request.truth)
    progress = _Progress(request, began)
    for portion in _portions(request, interrupted):
        output.write(portion.parts)
        summary.merge(portion.summary)
        if truth is not None:
            truth.write_bytes(b"".join(portion.records))
        if portion.unix_seconds:
            progress.show(summary.events, portion.unix_seconds)
    output.close()
    if truth is not None:
        truth.close()
    progress.clear()
    tell(table(list(summary.rows(output.size_bytes, time.monotonic() - began))))
    if interrupted():
        return INTERRUPTED
    if request.count is not None and summary.events < request.count:
        asked = "1 event" if summary.events == 1 else f"{summary.events:,} events"
        print_line(f"Warning: the streams ask for no more than {asked} in this window", "yellow")
    return 0


def _portions(request: Request, interrupted: Callable[[], bool]) -> Iterator[Portion]:
    """All that is to be written."""
    work = Work(request)
    if request.workers > 1 and work.divisible:
        with closing(Workers(request)) as workers:
            yield from workers.portions(interrupted)
        return
    yield from work.portions(interrupted)
    yield work.end(Ending.OPERATOR_STOPPED if interrupted() else Ending.RUN_COMPLETE)


class _Progress:
    """A line on a terminal that is written over and over; nothing elsewhere."""

    def __init__(self, request: Request, began: float) -> None:
        self._request = request
        self._began = self._shown = began
        self._on = sys.stderr is not None and sys.stderr.isatty()

    def show(self, events: int, unix_seconds: int) -> None:
        if not self._on or (now := time.monotonic()) < self._shown + _PROGRESS_SECONDS:
            return
        self._shown = now
        request = self._request
        done = (unix_seconds * 1_000_000_000 - request.from_ns) / (request.to_ns - request.from_ns)
        if request.count:
            done = max(done, events / request.count)
        self._print(progress_line(min(1.0, max(0.0, done)), events, now - self._began))

    def clear(self) -> None:
        if self._on:
            self._print("")

    @staticmethod
    def _print(line: str) -> None:
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Says whether Ctrl-C was pressed; pressed a second time, it ends what is under way. More often is no use."""
    pressed: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        pressed.append(number)
        if len(pressed) > 1:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(pressed)
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if pressed else handler)


def _forget_stdout() -> None:
    """So that the interpreter does not try again at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
