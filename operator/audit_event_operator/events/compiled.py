"""Canonical events compiled for speed: one bytes format with the fixed parts in it, and what to insert for the rest.

An event then costs a few look-ups and one formatting, without a Python call per value. The layout alone decides the
bytes; this module knows only placeholders.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

from audit_event_operator.events.canonical import (
    EVENT_ID,
    HOST,
    SEQUENCE,
    TIMESTAMP,
    USER,
    CanonicalEvent,
    Derived,
    Pattern,
    Variable,
)
from audit_event_operator.events.cast import longest as longest_of
from audit_event_operator.events.drawn import DRAWN, Choices, Hex
from audit_event_operator.events.layouts import Layout

FIRST_DRAW: Final = 3
"""The random numbers before it choose template, host and user."""

MAX_DRAWS: Final = 5
"""What is left of one digest: no kind draws more."""

GIVEN: Final = {EVENT_ID.name: b"%b", TIMESTAMP.name: b"%b", HOST.name: b"%b", USER.name: b"%b", SEQUENCE.name: b"%d"}
"""What every event has, in order, and how it is inserted."""


class Draw(NamedTuple):
    """One of `choices` values, taken by the event's random number at index `number`."""

    number: int
    choices: int
    values: Sequence[bytes | int]


class Stranger(NamedTuple):
    """Whom events of a kind are about where it is no user of the stream: one of `names`, by the random at index `number`."""

    number: int
    names: Sequence[str]

    def chosen(self, randoms: Sequence[int]) -> str:
        """Who it is, by the random numbers of an event."""
        return self.names[randoms[self.number] % len(self.names)]


class Template(NamedTuple):
    """A kind of event in one layout: the body of an event is `form % arrange(values)`.

    `values` are the event's id, timestamp, host and user as the layout writes them and its number, then one of each of
    `draws`; `arrange` brings them into the order in which the form asks for them. `longest` is how many bytes the body has at
    most, when no value is longer than the one that it is given.
    """

    event_type: str
    action_result: str
    severity: str
    stranger: Stranger | None
    draws: tuple[Draw, ...]
    form: bytes
    arrange: Callable[[Sequence[bytes | int]], tuple[Any, ...]]
    longest: Callable[[Sequence[bytes | int]], int]

    def largest_body_bytes(self, values: Sequence[bytes | int]) -> int:
        """The length of the longest body; `values` are the longest that every event has."""
        longest = (_longest(draw.values) for draw in self.draws)
        return self.longest([*values, *longest])


def compile_event(
    event: CanonicalEvent, layout: Layout, values: Mapping[str, Sequence[bytes]] | None = None
) -> Template:
    """Lay out an event whose variables are those that every event has, and drawn ones.

    `values`: what some variables are drawn from in place of their usual choices, already as the layout writes them.
    """
    placeholders = dict(GIVEN)
    draws: list[Draw] = []
    for name in variables_of(event):
        own = None if values is None else values.get(name)
        placeholders[name], choices = _drawable(DRAWN[name], layout) if own is None else (b"%b", own)
        draws.append(Draw(FIRST_DRAW + len(draws), len(choices), choices))
    severity, stranger = plain_text(event.severity), _stranger(event.user_id, tuple(variables_of(event)))
    laid = laid_out(event, layout, placeholders)
    return Template(event.event_type, event.action_result, severity, stranger, tuple(draws), *laid)


def _stranger(user_id: str | Pattern, variables: Sequence[str]) -> Stranger | None:
    """Who it is where the kind says so itself; `variables` are drawn in this order."""
    pieces = user_id.pieces if isinstance(user_id, Pattern) else (user_id,)
    (piece,) = [piece for piece in pieces if piece] or [""]
    if piece == USER:
        return None
    if not isinstance(piece, Variable):
        return Stranger(0, (str(piece),))
    choices = DRAWN[piece.name]
    names = () if isinstance(choices, Hex) else tuple(map(str, choices))
    return Stranger(FIRST_DRAW + variables.index(piece.name), names)


def plain_text(text: str | Pattern) -> str:
    """A text without variables; empty where it has some, and only the event can tell."""
    return text if isinstance(text, str) else ""


class LaidOut(NamedTuple):
    """An event in one layout, for values in the order of its placeholders: see `Template`."""

    form: bytes
    arrange: Callable[[Sequence[bytes | int]], tuple[Any, ...]]
    longest: Callable[[Sequence[bytes | int]], int]


def laid_out(event: CanonicalEvent, layout: Layout, placeholders: Mapping[str, bytes]) -> LaidOut:
    """The form of an event, and what brings values into it."""
    index_of = {name: index for index, name in enumerate(placeholders)}
    pieces: list[bytes] = []
    order: list[int] = []
    derived: dict[Derived, int] = {}
    for piece in layout.render(event):
        if isinstance(piece, bytes):
            pieces.append(piece.replace(b"%", b"%%"))
        elif isinstance(piece, Derived):
            pieces.append(b"%b")
            order.append(derived.setdefault(piece, len(placeholders) + len(derived)))
        else:
            pieces.append(placeholders[piece.name])
            order.append(index_of[piece.name])
    form, arrange = b"".join(pieces), itemgetter(*order)
    if not derived:
        return LaidOut(form, arrange, lambda values: len(form % arrange(values)))
    sources = [(each.how, _source(each, layout, placeholders, index_of)) for each in derived]
    derive = [_derivation(how.function, source) for how, source in sources]

    def longest(values: Sequence[bytes | int]) -> int:
        as_long = [bytes(how.longest(len(source.text(values)))) for how, source in sources]
        return len(form % arrange((*values, *as_long)))

    return LaidOut(form, lambda values: arrange((*values, *[each(values) for each in derive])), longest)


class _Source(NamedTuple):
    """The text that a value follows from: `form`, filled with the values at `indexes`."""

    form: bytes
    indexes: tuple[int, ...]

    def text(self, values: Sequence[bytes | int]) -> bytes:
        return self.form % tuple(values[index] for index in self.indexes)


def _source(
    derived: Derived, layout: Layout, placeholders: Mapping[str, bytes], index_of: Mapping[str, int]
) -> _Source:
    pieces = [
        placeholders[piece.name] if isinstance(piece, Variable) else layout.escape(piece).replace(b"%", b"%%")
        for piece in derived.of
    ]
    return _Source(b"".join(pieces), tuple(index_of[piece.name] for piece in derived.of if isinstance(piece, Variable)))


def _derivation(function: Callable[[bytes], bytes], source: _Source) -> Callable[[Sequence[bytes | int]], bytes]:
    """What computes one derived value from the others."""
    form, indexes = source
    if not indexes:
        constant = function(source.text(()))
        return lambda values: constant
    if form == b"%b":
        (index,) = indexes
        return lambda values: function(values[index])  # type: ignore[arg-type]  # `%b` is for bytes alone
    select = itemgetter(*indexes)
    return lambda values: function(form % select(values))


def variables_of(event: CanonicalEvent) -> Iterator[str]:
    """What is not given to every event, in the order in which the details use it first: the same for every layout."""
    texts = (*event.details.values(), event.user_id, event.severity)
    values = (value.pieces if isinstance(value, Pattern) else (value,) for value in texts)
    pieces = dict.fromkeys(piece for some in values for piece in some if isinstance(piece, Variable))
    return (piece.name for piece in pieces if piece.name not in GIVEN)


def _longest(values: Sequence[bytes | int]) -> bytes | int:
    if isinstance(values, range):  # of numbers, one of the ends
        return max(values[0], values[-1], key=lambda number: len(str(number)))
    return longest_of(cast("Sequence[bytes]", values))


def _drawable(choices: Choices, layout: Layout) -> tuple[bytes, Sequence[bytes | int]]:
    if isinstance(choices, Hex):
        return b"%%0%dx" % choices.digits, range(16**choices.digits)
    if isinstance(choices, range):
        return b"%d", choices
    return b"%b", tuple(layout.escape(text) for text in choices)
