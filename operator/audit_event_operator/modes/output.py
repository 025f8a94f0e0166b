"""Where generated events go: one file or stdout, or a file for each host, hour or so many bytes; compressed as its name asks.

Only whole lines are written. Knows no event's meaning: bodies become lines.
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
from typing import Final, Protocol

from audit_event_operator.events.event import AuditEvent

STDOUT: Final = "-"
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


class Output(Protocol):
    """Takes events; `size_bytes` is what was written so far, before compression."""

    size_bytes: int

    def write(self, events: Sequence[AuditEvent]) -> None:
        """Write one line for each.

        Raises:
            OutputError: that failed.
        """

    def close(self) -> None:
        """Bring all of it to an end; raises as `write`."""


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

    def write(self, events: Sequence[AuditEvent]) -> None:
        """See `Output`."""
        self.write_bytes(lines_of(events))

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
    """A file for each host or hour. `name_of` says to which an event belongs.

    No file is kept open: there may be 10,000 hosts. What a file is to get is held back until all together are large.
    """

    def __init__(self, out: str, name_of: Callable[[AuditEvent], str]) -> None:
        self.size_bytes = 0
        self._out = out
        self._name_of = name_of
        self._held: dict[str, list[bytes]] = {}
        self._held_bytes = 0
        self._begun: set[str] = set()

    def write(self, events: Sequence[AuditEvent]) -> None:
        """See `Output`."""
        for name, some in groupby(events, self._name_of):
            lines = lines_of(some)
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

    def write(self, events: Sequence[AuditEvent]) -> None:
        """See `Output`."""
        for lines, begins in self._parts(events):
            if begins:
                self._file.close()
                self._number += 1
                self._file = File(part_name(self._out, f"{self._number:04d}"))
            self._file.write_bytes(lines)
            self.size_bytes += len(lines)

    def close(self) -> None:
        """See `Output`."""
        self._file.close()

    def _parts(self, events: Sequence[AuditEvent]) -> Iterator[tuple[bytes, bool]]:
        """What goes into one file each, and whether it begins another one."""
        part, begins, size = list[bytes](), False, self._file.size_bytes
        for event in events:
            line = event.body + b"\n"
            if size and size + len(line) > self._most:
                if part:
                    yield b"".join(part), begins
                part, begins, size = [], True, 0
            part.append(line)
            size += len(line)
        if part:
            yield b"".join(part), begins


def part_name(out: str, part: str) -> str:
    """The name of one of several files: `events.jsonl.gz` and `web-01` make `events-web-01.jsonl.gz`."""
    path, safe = Path(out), re.sub(r"[^\w.@-]", "_", part)
    stem, dot, rest = path.name.partition(".")
    return str(path.with_name(f"{stem}-{safe}{dot}{rest}"))


def split_by_host(out: str) -> Output:
    """A file for each host."""
    return SplitByName(out, _host)


def split_by_hour(out: str) -> Output:
    """A file for each hour of UTC."""

    def hour(event: AuditEvent) -> str:
        return datetime.fromtimestamp(event.unix_seconds // _HOUR_SECONDS * _HOUR_SECONDS, UTC).strftime("%Y-%m-%dT%H")

    return SplitByName(out, hour)
