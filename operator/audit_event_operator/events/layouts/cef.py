"""ArcSight's Common Event Format, version 0, without a header of syslog around it.

What its dictionary has no key for goes to the custom strings and numbers (`cs1` to `cs5`, `cn1` to `cn3`) with their labels,
then to keys of our own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from audit_event_operator.events.canonical import CanonicalEvent, Pattern, Value, Variable
from audit_event_operator.events.layouts import Piece
from audit_event_operator.events.layouts.cef_kinds import CEF_KINDS, COMMON
from audit_event_operator.events.layouts.derivations import OUTCOMES, number_of
from audit_event_operator.events.layouts.mapping import Mapped, Template, derived, pieces_of
from audit_event_operator.events.layouts.ocsf import PRODUCT, VENDOR
from audit_event_operator.events.text import writable

DEVICE_VERSION: Final = "1"
"""Of what the events look like, not of the program: rules must not break with each release."""
OWN_KEY: Final = "auditflow"
"""How keys of our own begin."""

_MOST_STRINGS: Final = 5
_MOST_NUMBERS: Final = 3
_SEVERITY: Final = number_of({"INFO": 3, "WARNING": 6, "ERROR": 8, "CRITICAL": 10}, 5)
_OUTCOME: Final[Mapping[bool | None, str]] = MappingProxyType({True: "success", False: "failure"})
_LINE_BREAKS: Final = {"\n": r"\n", "\r": r"\r"}
_NO_LETTERS: Final = re.compile(r"[^A-Za-z0-9]+")
_IN_EXTENSION: Final = str.maketrans({"\\": r"\\", "=": r"\=", **_LINE_BREAKS})
_IN_HEADER: Final = str.maketrans({"\\": r"\\", "|": r"\|", "\n": " ", "\r": " "})


def _escaped(text: str) -> bytes:
    """As in the extension, where all values are that come with an event."""
    return writable(text).translate(_IN_EXTENSION).encode()


def _header(text: str) -> bytes:
    return writable(text).translate(_IN_HEADER).encode()


def _milliseconds(unix_ns: int) -> bytes:
    return b"%d" % (unix_ns // 1_000_000)


@dataclass(frozen=True, slots=True)
class Cef:
    """The layout of `format: CEF`."""

    content_type: str = "text/plain; charset=utf-8"
    escape = staticmethod(_escaped)
    timestamp = staticmethod(_milliseconds)

    def render(self, event: CanonicalEvent) -> Iterator[Piece]:
        """One line: seven fields of a header, then the extension."""
        kind = CEF_KINDS.get(event.kind)
        signature, name = (event.event_type, event.event_type) if kind is None else (event.kind, kind.name)
        for text in ("CEF:0", VENDOR, PRODUCT, DEVICE_VERSION, signature, name):
            yield _header(text) + b"|"
        yield derived(_SEVERITY, event.severity)
        between = b"|"
        for key, value in _extension(event, {"suser": "${user}"} if kind is None else kind.fields):
            yield between + key.encode() + b"="
            for piece in pieces_of(value):
                yield _escaped(piece) if isinstance(piece, str) else piece
            between = b" "


def _extension(event: CanonicalEvent, own: Mapping[str, Template]) -> Iterator[tuple[str, Value]]:
    mapped = Mapped(event)
    yield "rt", event.timestamp
    yield "externalId", Pattern((event.event_id,))
    yield "cat", event.event_type
    yield "act", event.action_result
    outcome = _OUTCOME.get(OUTCOMES.get(event.action_result))
    if outcome is not None:
        yield "outcome", outcome
    filled = {key: mapped.value(template) for key, template in {**COMMON, **own}.items()}
    for key, value in filled.items():
        if value is not None and filled.get(key.removesuffix("Label")) is not None:
            yield key, value
    yield from _custom({**mapped.rest(event.details), **event.more}.items())


def _custom(details: Iterable[tuple[str, Value]]) -> Iterator[tuple[str, Value]]:
    """Custom fields in turn, each with its label."""
    strings, numbers, taken = 0, 0, set[str]()
    for key, value in details:
        number = isinstance(value, Variable | int) and not isinstance(value, bool)
        if number and numbers < _MOST_NUMBERS:
            numbers += 1
            field = f"cn{numbers}"
        elif not number and strings < _MOST_STRINGS:
            strings += 1
            field = f"cs{strings}"
        else:
            yield _own_key(key, taken), value
            continue
        yield field, value
        yield f"{field}Label", key


def _own_key(key: str, taken: set[str]) -> str:
    words = "".join(word[0].upper() + word[1:] for word in _NO_LETTERS.split(key) if word)
    name = f"{OWN_KEY}{words or 'Field'}"[:60]
    count = 1
    while name in taken:
        count += 1
        name = f"{name}{count}"
    taken.add(name)
    return name
