"""Syslog as RFC 5424 has it: what the programs of a host would have written when something happened.

`Syslog` writes the one line that detectors read, `SyslogFull` all of them, one below the other. What nobody but us can say has
the tag `audit`, and the seed's JSON as its message.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from audit_event_operator.events.canonical import (
    EVENT_ID,
    SEQUENCE,
    TIMESTAMP,
    CanonicalEvent,
    Derivation,
    Derived,
    Pattern,
    Value,
    Variable,
)
from audit_event_operator.events.identity import stamp_of
from audit_event_operator.events.layouts import Piece
from audit_event_operator.events.layouts.derivations import ONE_WORD, PORT, TERMINAL, UID, pid_of
from audit_event_operator.events.layouts.json_text import json_pieces
from audit_event_operator.events.layouts.mapping import derived, joined, pieces_of
from audit_event_operator.events.layouts.seed_json import seed_fields
from audit_event_operator.events.syslog_lines import LINES, PID_OF, Line
from audit_event_operator.events.text import writable

GENERIC_TAG: Final = "audit"

_LOG_AUDIT: Final = 13 << 3
"""A facility of RFC 5424, section 6.2.1."""
_SEVERITIES: Final = MappingProxyType({"INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2})
_NOTICE: Final = 5
_CONTROL: Final = {code: f"#{code:03o}" for code in (*range(32), 127)}
_DEVICES: Final = "/dev/"
_COLUMNS: Final = 8


def _escaped(text: str) -> bytes:
    """Control characters as rsyslog writes them: a line has no line break."""
    return writable(text).translate(_CONTROL).encode()


def _quoted(text: bytes) -> bytes:
    """As within the quotes of a JSON string; there are no control characters left."""
    return text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def _in_8_columns(user: bytes) -> bytes:
    return user.decode().rjust(_COLUMNS).encode()


_QUOTED: Final = Derivation(_quoted, lambda text_bytes: 2 * text_bytes)
_IN_8_COLUMNS: Final = Derivation(_in_8_columns, lambda text_bytes: text_bytes + _COLUMNS)


@dataclass(frozen=True, slots=True)
class Syslog:
    """The layout of `format: Syslog`, and with `full` of `format: SyslogFull`."""

    full: bool = False
    content_type: str = "text/plain; charset=utf-8"
    escape = staticmethod(_escaped)
    timestamp = staticmethod(stamp_of)

    def render(self, event: CanonicalEvent) -> Iterator[Piece]:
        """One line or several, with a line break between them only."""
        if not event.kind:
            yield from _generic(event)
            return
        lines = [line for line in LINES[event.kind] if self.full or line.detected]
        values = _Values(event)
        for number, line in enumerate(lines):
            yield from _header(event, line.priority, line.program, values.pid(line), first=not number)
            for piece in line.text.pieces:
                for part in values[piece.name] if isinstance(piece, Variable) else (piece,):
                    yield _escaped(part) if isinstance(part, str) else part


def _header(event: CanonicalEvent, priority: int, tag: str, pid: Piece, *, first: bool = True) -> Iterator[Piece]:
    yield (b"" if first else b"\n") + b"<%d>1 " % priority
    yield event.timestamp
    yield b" "
    yield derived(ONE_WORD, event.server_hostname)
    yield b" %b " % tag.encode()
    yield pid
    yield b" - - "


def _generic(event: CanonicalEvent) -> Iterator[Piece]:
    severity = _SEVERITIES.get(event.severity, _NOTICE) if isinstance(event.severity, str) else _NOTICE
    yield from _header(event, _LOG_AUDIT + severity, GENERIC_TAG, b"-")
    for piece in json_pieces(seed_fields(event)):
        if isinstance(piece, Variable) and piece not in (EVENT_ID, TIMESTAMP, SEQUENCE):
            yield Derived(_QUOTED, (piece,))
        else:
            yield piece


class _Values:
    """What the variables of lines stand for in one event."""

    def __init__(self, event: CanonicalEvent) -> None:
        self._host, self._user = event.server_hostname, event.user_id
        self._details = event.details
        session = event.details.get("session_id")
        by_number = joined((*pieces_of(self._host), " ", *pieces_of(self._user), " ", SEQUENCE))
        self._process: Value = by_number
        self._connection: Value = (
            by_number if session is None else joined((*pieces_of(self._host), " ", *pieces_of(session)))
        )
        # In a session whose terminal is not told it is the same all the time; without one, it is the user's on that host.
        terminal_key = joined((*pieces_of(self._host), " ", *pieces_of(self._user if session is None else session)))
        tty = event.details.get("tty")
        created = event.details.get("resource") if event.action_result == "CREATED" else None
        number = derived(UID, self._user if created is None else created)
        self._known: dict[str, Value] = {
            "user": self._user,
            "host": self._host,
            "user_in_8_columns": derived(_IN_8_COLUMNS, self._user),
            "port": derived(PORT, self._connection),
            "uid": number,
            "gid": number,
            "tty": derived(TERMINAL, terminal_key) if tty is None else _without_folder(tty),
        }

    def __getitem__(self, name: str) -> tuple[str | Variable | Derived, ...]:
        return pieces_of(self._known.get(name, Variable(name)))

    def pid(self, line: Line) -> Piece:
        """The process number, `-` where the program writes none."""
        if not line.pid:
            return b"-"
        if line.program in PID_OF:
            return b"%d" % PID_OF[line.program]
        return derived(pid_of(line.child), self._connection if line.program == "sshd" else self._process)


def _without_folder(tty: Value) -> Value:
    first, *others = pieces_of(tty)
    return joined((first.removeprefix(_DEVICES), *others)) if isinstance(first, str) else Pattern((first, *others))
