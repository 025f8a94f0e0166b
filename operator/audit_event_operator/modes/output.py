"""Where generated events go: one file or stdout, or a file for each host, hour or so many bytes; compressed as its name asks.

Only whole lines are written. Knows no event's meaning: bodies become lines. Where they go is settled by `arrangement`, which
knows events and no file, so that somebody else can do that part of the work.
"""

import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from audit_event_operator.events.event import AuditEvent

STDOUT: Final = "-"
BY_HOST: Final = "host"
BY_HOUR: Final = "hour"
_GZIP: Final = 16 + zlib.MAX_WBITS
_GZIP_LEVEL: Final = 1
_ZSTD_LEVEL: Final = 1
"""Events repeat themselves: harder work makes files little smaller, and several times slower."""
_MOST_HELD_BYTES: Final = 32 * 2**20
_body: Final = itemgetter(AuditEvent._fields.index("body"))
_host: Final = attrgetter("host")
_HOUR_SECONDS: Final = 3_600


class OutputError(Exception):
    """A sentence that says what cannot be written to, and why."""


class Part(NamedTuple):
    """Whole lines that belong into one file; `name`: into which of several."""

    name: str
    lines: bytes


class Output(Protocol):
    """Takes what was arranged for it; `size_bytes` is what was written so far, before compression."""

    size_bytes: int

    def write(self, parts: Iterable[Part]) -> None:
        """Write all of them.

        Raises:
            OutputError: that failed.
        """

    def close(self) -> None:
        """Bring all of it to an end; raises as `write`."""


def arrangement(split: str | int | None) -> Callable[[Sequence[AuditEvent]], list[Part]]:
    """What turns events into parts for `output_to` with the same `split`."""
    match split:
        case None:
            return _together
        case int():
            return _one_by_one
    return _by_host if split == BY_HOST else _by_hour


def output_to(out: str, split: str | int | None) -> Output:
    """One file or stdout; with `split`, one for each `host` or `hour`, or of at most so many bytes."""
    match split:
        case None:
            return File(out)
        case int(most_bytes):
            return SplitBySize(out, most_bytes)
    return SplitByName(out)


def _together(events: Sequence[AuditEvent]) -> list[Part]:
    return [Part("", lines_of(events))]


def _one_by_one(events: Sequence[AuditEvent]) -> list[Part]:
    return [Part("", event.body + b"\n") for event in events]


def _by_host(events: Sequence[AuditEvent]) -> list[Part]:
    return [Part(name, lines_of(some)) for name, some in groupby(events, _host)]


def _by_hour(events: Sequence[AuditEvent]) -> list[Part]:
    return [Part(_hour(seconds), lines_of(some)) for seconds, some in groupby(events, _hour_seconds)]


def _hour_seconds(event: AuditEvent) -> int:
    return event.unix_seconds // _HOUR_SECONDS * _HOUR_SECONDS


def _hour(unix_seconds: int) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%dT%H")


class Compressor(Protocol):
    """Bytes in, fewer bytes out, some of them at the end."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some more."""

    def flush(self) -> bytes:
        """Give what is left."""


def compressor_of(name: str) -> Compressor | None:
    """What a file of this name is compressed with; None: it is not."""
    if name.endswith(".gz"):
        return zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
    if name.endswith(".zst"):
        from zstandard import ZstdCompressor  # it takes a while to load

        return ZstdCompressor(_ZSTD_LEVEL, write_checksum=True).compressobj()
    return None


def lines_of(events: Iterable[AuditEvent]) -> bytes:
    """One line for each event."""
    return b"\n".join([*map(_body, events), b""])


class File:
    """One file or stdout. `append`: keep what is in it; a compressed one gets another member or frame."""

    def __init__(self, name: str, *, append: bool = False) -> None:
        self.size_bytes = 0
        self._name = "stdout" if name == STDOUT else name
        self._squeeze = compressor_of(name)
        self._descriptor: int | None = None
        if name != STDOUT:
            flags = os.O_WRONLY | os.O_CREAT | (os.O_APPEND if append else os.O_TRUNC)
            try:
                self._descriptor = os.open(name, flags, 0o666)
            except OSError as error:
                raise OutputError(f"cannot write to {self._name}: {error.strerror}") from None
        elif sys.stdout is None:
            raise OutputError("stdout is closed, so there is nowhere to print events")

    def write(self, parts: Iterable[Part]) -> None:
        """See `Output`."""
        self.write_bytes(b"".join([part.lines for part in parts]))

    def write_bytes(self, data: bytes) -> None:
        """Write whole lines."""
        self.size_bytes += len(data)
        self._put(data if self._squeeze is None else self._squeeze.compress(data))

    def close(self) -> None:
        """See `Output`."""
        try:
            if self._squeeze is not None:
                squeeze, self._squeeze = self._squeeze, None
                self._put(squeeze.flush())
        finally:
            if self._descriptor is not None:
                descriptor, self._descriptor = self._descriptor, None
                self._tried(lambda: os.close(descriptor))

    def _put(self, data: bytes) -> None:
        self._tried(lambda: self._put_all(data))

    def _put_all(self, data: bytes) -> None:
        if self._descriptor is None:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _tried(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BrokenPipeError:
            raise OutputError(f"{self._name} was closed by its reader") from None
        except OSError as error:
            raise OutputError(f"cannot write to {self._name}: {error.strerror}") from None


class SplitByName:
    """A file for each name.

    No file is kept open: there may be 10,000 hosts. What a file is to get is held back until all together are large.
    """

    def __init__(self, out: str) -> None:
        self.size_bytes = 0
        self._out = out
        self._held: dict[str, list[bytes]] = {}
        self._held_bytes = 0
        self._begun: set[str] = set()

    def write(self, parts: Iterable[Part]) -> None:
        """See `Output`."""
        for name, lines in parts:
            self._held.setdefault(name, []).append(lines)
            self._held_bytes += len(lines)
        if self._held_bytes > _MOST_HELD_BYTES:
            self._let_go()

    def close(self) -> None:
        """See `Output`."""
        self._let_go()

    def _let_go(self) -> None:
        for name, lines in self._held.items():
            file = File(part_name(self._out, name), append=name in self._begun)
            self._begun.add(name)
            try:
                file.write_bytes(b"".join(lines))
                self.size_bytes += file.size_bytes
            finally:
                file.close()
        self._held, self._held_bytes = {}, 0


class SplitBySize:
    """Files of at most so many bytes before compression, numbered from 1; an event that is larger has one for itself."""

    def __init__(self, out: str, most_bytes: int) -> None:
        self.size_bytes = 0
        self._out = out
        self._most = most_bytes
        self._number = 1
        self._file = File(part_name(out, "0001"))

    def write(self, parts: Iterable[Part]) -> None:
        """See `Output`."""
        for lines, begins in self._files(parts):
            if begins:
                self._file.close()
                self._number += 1
                self._file = File(part_name(self._out, f"{self._number:04d}"))
            self._file.write_bytes(lines)
            self.size_bytes += len(lines)

    def close(self) -> None:
        """See `Output`."""
        self._file.close()

    def _files(self, parts: Iterable[Part]) -> Iterator[tuple[bytes, bool]]:
        """What goes into one file each, and whether it begins another one."""
        held, begins, size = list[bytes](), False, self._file.size_bytes
        for _, line in parts:
            if size and size + len(line) > self._most:
                if held:
                    yield b"".join(held), begins
                held, begins, size = [], True, 0
            held.append(line)
            size += len(line)
        if held:
            yield b"".join(held), begins


def part_name(out: str, part: str) -> str:
    """The name of one of several files: `events.jsonl.gz` and `web-01` make `events-web-01.jsonl.gz`."""
    path, safe = Path(out), re.sub(r"[^\w.@-]", "_", part)
    stem, dot, rest = path.name.partition(".")
    return str(path.with_name(f"{stem}-{safe}{dot}{rest}"))
