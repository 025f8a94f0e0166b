"""How a format's mapping is written down, and how it is filled with what an event has.

A mapping is data: names of fields, dotted where they are nested, and templates. `${resource}` stands for that detail of the
event, `${user}` and `${host}` for the event's, `${resource|base_name}` for a value that follows from one. A field whose event
lacks what it names is left out.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import orjson

from audit_event_operator.events.canonical import (
    SEQUENCE,
    CanonicalEvent,
    Derivation,
    Derived,
    Pattern,
    Value,
    Variable,
)
from audit_event_operator.events.layouts.derivations import BASE_NAME, HOST_NAME, LOWER, UID, pid_of

Template: TypeAlias = "str | int | Mapping[str, Template] | Sequence[Template]"

_TOKEN: Final = re.compile(r"\$\{([A-Za-z0-9_.|-]+)\}")

_DERIVED: Final[Mapping[str, Derivation]] = MappingProxyType(
    {"base_name": BASE_NAME, "host_name": HOST_NAME, "lower": LOWER, "uid_of": UID}
)
_NUMBERS: Final[Mapping[str, Derivation]] = MappingProxyType({"pid": pid_of()})


class Mapped:
    """Fills templates for one event, and remembers which of its details they named."""

    def __init__(self, event: CanonicalEvent) -> None:
        self.named: set[str] = set()
        self._details = event.details
        self._known: dict[str, Value] = {
            "user": event.user_id,
            "host": event.server_hostname,
            "severity": event.severity,
            "action_result": event.action_result,
            "event_id": Pattern((event.event_id,)),
            "timestamp": Pattern((event.timestamp,)),
            "act": Pattern((*pieces_of(event.server_hostname), " ", SEQUENCE)),
        }

    def fields(self, template: Mapping[str, Template]) -> dict[str, Any]:
        """An object with all fields that could be filled, nested at the dots of their names."""
        filled: dict[str, Any] = {}
        for path, each in template.items():
            value = self.value(each)
            if value is not None:
                put(filled, path, value)
        return filled

    def value(self, template: Template) -> Value:
        """One value; None where the event lacks something that it names."""
        match template:
            case str():
                return self._text(template)
            case Mapping():
                return self.fields(template) or None
            case Sequence():
                members = [self.value(each) for each in template]
                return None if None in members else members
        return template

    def _text(self, template: str) -> Value:
        whole = _TOKEN.fullmatch(template)
        if whole is not None:
            return self._source(whole[1])
        pieces: list[str | Variable | Derived] = []
        for index, piece in enumerate(_TOKEN.split(template)):
            source = self._source(piece) if index % 2 else piece
            if source is None:
                return None
            pieces += pieces_of(source)
        return joined(pieces)

    def _source(self, name: str) -> Value:
        name, _, function = name.partition("|")
        value = self._known.get(name)
        if value is None:
            value = self._details.get(name)
            self.named.add(name)
        if value is None or not function:
            return value
        if function in _NUMBERS:
            return derived(_NUMBERS[function], value)
        return Pattern((derived(_DERIVED[function], value),))

    def rest(self, details: Mapping[str, Value]) -> dict[str, Value]:
        """The details that no template named."""
        return {key: value for key, value in details.items() if key not in self.named}


def derived(how: Derivation, value: Value) -> Derived:
    """What follows from a text of the event."""
    return Derived(how, tuple(piece for piece in pieces_of(value) if not isinstance(piece, Derived)))


def pieces_of(value: Value) -> tuple[str | Variable | Derived, ...]:
    """A value as a text, in pieces: numbers in digits, lists and objects as JSON."""
    match value:
        case Pattern():
            return value.pieces
        case Variable() | Derived():
            return (value,)
        case str():
            return (value,)
        case _:
            return (orjson.dumps(value).decode(),)


def text_of(value: Value) -> str | Pattern:
    """A value as a text."""
    return value if isinstance(value, str) else joined(pieces_of(value))


def joined(pieces: Sequence[str | Variable | Derived]) -> str | Pattern:
    """Pieces as one text."""
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(texts) if len(texts) == len(pieces) else Pattern(tuple(pieces))


def put(fields: dict[str, Any], path: str, value: Value) -> None:
    """Set a field whose name has dots where it is nested."""
    *parents, last = path.split(".")
    for parent in parents:
        fields = fields.setdefault(parent, {})
    fields[last] = value


def flat(details: Mapping[str, Value]) -> dict[str, str | Pattern]:
    """Details as texts, with names that have no dots."""
    return {key.replace(".", "_"): text_of(value) for key, value in details.items() if value is not None}
