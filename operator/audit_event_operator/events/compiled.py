"""Canonical events compiled for speed: one bytes format with the fixed parts in it, and what to insert for the rest.

An event then costs a few look-ups and one formatting, without a Python call per value. The layout alone decides the
bytes; this module knows only placeholders.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from audit_event_operator.events.canonical import EVENT_ID, HOST, SEQUENCE, TIMESTAMP, USER, CanonicalEvent
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.shape import Choices, Hex

FIRST_DRAW: Final = 3
"""The random numbers before it choose template, host and user."""

MAX_DRAWS: Final = 5
"""What is left of one digest: no shape draws more."""

_GIVEN: Final = {EVENT_ID.name: b"%b", TIMESTAMP.name: b"%b", HOST.name: b"%b", USER.name: b"%b", SEQUENCE.name: b"%d"}
"""What every event has, in order, and how it is inserted."""


class Draw(NamedTuple):
    """One of `choices` values, taken by the event's random number at index `number`."""

    number: int
    choices: int
    values: Sequence[bytes | int]


class Template(NamedTuple):
    """A kind of event in one layout: the body of an event is `form % arrange(values)`.

    `values` are the event's id, timestamp, host and user as the layout writes them and its number, then one of each of
    `draws`; `arrange` brings them into the order in which the form asks for them.
    """

    event_type: str
    action_result: str
    draws: tuple[Draw, ...]
    form: bytes
    arrange: Callable[[Sequence[bytes | int]], tuple[Any, ...]]


def compile_event(
    event: CanonicalEvent, layout: Layout, drawn: Mapping[str, Choices] = MappingProxyType({})
) -> Template:
    """Lay out an event whose variables are those that every event has, and the `drawn` ones."""
    placeholders = list(_GIVEN.values())
    draws: list[Draw] = []
    for choices in drawn.values():
        placeholder, values = _drawable(choices, layout)
        placeholders.append(placeholder)
        draws.append(Draw(FIRST_DRAW + len(draws), len(values), values))
    index_of = {name: index for index, name in enumerate((*_GIVEN, *drawn))}
    form, order = [], []
    for piece in layout.render(event):
        if isinstance(piece, bytes):
            form.append(piece.replace(b"%", b"%%"))
        else:
            index = index_of[piece.name]
            form.append(placeholders[index])
            order.append(index)
    return Template(event.event_type, event.action_result, tuple(draws), b"".join(form), itemgetter(*order))


def _drawable(choices: Choices, layout: Layout) -> tuple[bytes, Sequence[bytes | int]]:
    if isinstance(choices, Hex):
        return b"%%0%dx" % choices.digits, range(16**choices.digits)
    if isinstance(choices, range):
        return b"%d", choices
    return b"%b", tuple(layout.escape(text) for text in choices)
