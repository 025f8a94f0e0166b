"""JSON with variables in it, for every layout that is JSON. Knows no event."""

from collections.abc import Mapping, Sequence

import orjson

from audit_event_operator.events.canonical import Derived, Pattern, Value, Variable
from audit_event_operator.events.layouts import Piece
from audit_event_operator.events.text import writable


def escaped(text: str) -> bytes:
    """The text as JSON, in UTF-8 and without its quotes."""
    return orjson.dumps(writable(text))[1:-1]


def json_pieces(value: Value) -> list[Piece]:
    """The value as JSON without spaces, with its variables in place. Texts are made writable, names have to be."""
    match value:
        case Variable() | Derived():
            return [value]
        case Pattern():
            return [b'"', *(escaped(piece) if isinstance(piece, str) else piece for piece in value.pieces), b'"']
        case str():
            return [b'"', escaped(value), b'"']
        case Mapping() | Sequence():
            try:
                return [orjson.dumps(value)]
            except TypeError:  # there is a variable in it, or a text that is not writable
                return _members(value)  # type: ignore[arg-type]  # a Derived was handled above
    return [orjson.dumps(value)]


def _members(value: Mapping[str, Value] | Sequence[Value]) -> list[Piece]:
    pieces: list[Piece] = []
    if isinstance(value, Mapping):
        for key, member in value.items():
            pieces += (b",", orjson.dumps(key), b":", *json_pieces(member))
        return [b"{", *pieces[1:], b"}"]
    for member in value:
        pieces += (b",", *json_pieces(member))
    return [b"[", *pieces[1:], b"]"]
