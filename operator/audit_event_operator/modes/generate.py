"""As many events as asked for, as fast as they can be made, on a synthetic clock: into files or to stdout.

No wall clock decides what is written: the same request makes the same bytes. Words for people go to stderr.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Final

import orjson

from audit_event_operator.files.collection import Found
from audit_event_operator.files.source import uid_of
from audit_event_operator.modes.output import (
    STDOUT,
    File,
    Output,
    OutputError,
    SplitBySize,
    split_by_host,
    split_by_hour,
)
from audit_event_operator.modes.summary import Summary, progress_line, table
from audit_event_operator.terminal import PROGRAM, print_line, tell
from audit_event_operator.timeline.replay import Replay, play
from audit_event_operator.world.scenarios.ending import Ending

INTERRUPTED: Final = 130
BY_HOST: Final = "host"
BY_HOUR: Final = "hour"
_PROGRESS_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate: the events of `streams` from `from_ns` on and before `to_ns`, at most `count`.

    Moments are nanoseconds since 1970; `start_ns` is when the runs begin. `split`: `host`, `hour`, or the most bytes of a file.
    """

    streams: Sequence[Found]
    start_ns: int
    from_ns: int
    to_ns: int
    count: int | None = None
    out: str = STDOUT
    truth: str | None = None
    split: str | int | None = None


def replays_of(streams: Sequence[Found], start_ns: int) -> list[Replay]:
    """The streams on a synthetic clock, by name, so that the order of files does not matter."""
    found = sorted(streams, key=lambda each: str(each.ref))
    return [Replay(str(each.ref), uid_of(each.ref), each.spec, start_ns=start_ns) for each in found]


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
    replays, summary, began = replays_of(request.streams, request.start_ns), Summary(), time.monotonic()
    output = _opened(request)
    truth = None if request.truth is None else File(request.truth)
    progress = _Progress(request, began)

    def tell_truth() -> None:
        for replay in replays:
            for record in replay.records():
                summary.add(record)
                if truth is not None:
                    truth.write_bytes(orjson.dumps(record.document(replay.name), option=orjson.OPT_APPEND_NEWLINE))

    chunks = play(replays, from_ns=request.from_ns, to_ns=request.to_ns, count=request.count, stopped=interrupted)
    for events in chunks:
        output.write(events)
        summary.count(events)
        tell_truth()
        progress.show(summary)
    for replay in replays:
        replay.end(Ending.OPERATOR_STOPPED if interrupted() else Ending.RUN_COMPLETE)
    tell_truth()
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


def _opened(request: Request) -> Output:
    match request.split:
        case None:
            return File(request.out)
        case int(most_bytes):
            return SplitBySize(request.out, most_bytes)
    return split_by_host(request.out) if request.split == BY_HOST else split_by_hour(request.out)


class _Progress:
    """A line on a terminal that is written over and over; nothing elsewhere."""

    def __init__(self, request: Request, began: float) -> None:
        self._request = request
        self._began = self._shown = began
        self._on = sys.stderr is not None and sys.stderr.isatty()

    def show(self, summary: Summary) -> None:
        if not self._on or (now := time.monotonic()) < self._shown + _PROGRESS_SECONDS:
            return
        self._shown = now
        request = self._request
        done = (summary.unix_seconds * 1_000_000_000 - request.from_ns) / (request.to_ns - request.from_ns)
        if request.count:
            done = max(done, summary.events / request.count)
        self._print(progress_line(min(1.0, max(0.0, done)), summary.events, now - self._began))

    def clear(self) -> None:
        if self._on:
            self._print("")

    @staticmethod
    def _print(line: str) -> None:
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Says whether Ctrl-C was pressed; pressed a second time, it ends what is under way."""
    pressed: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(pressed)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget_stdout() -> None:
    """So that the interpreter does not try again at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
