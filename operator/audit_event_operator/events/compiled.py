"""Templates made ready for speed: one bytes format with everything fixed in it as JSON, and what to draw for the rest.

An event then costs a few look-ups and one formatting, without a Python call per value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

from audit_event_operator.events.text import escaped
from audit_event_operator.events.words import BUILT_IN, CLIENT_ADDRESSES, Hex, Number, Shape
from audit_event_operator.resource.event_type import EventType

SOURCE_SERVICE: Final = "audit-event-generator"

LOTS: Final = 5
"""How many random numbers a template may use: no shape draws more often."""

_OWN: Final = {"event_id": b"%b", "timestamp": b"%b", "host": b"%b", "user": b"%b", "sequence": b"%d"}
"""What every event has whatever its template, in order, and how it is written."""
_TOKEN: Final = re.compile(r"\$\{([a-z_]+)\}")
_REPEATED: Final = {"resource": "resource", "client_ip": "ip_address"}
"""Top-level keys and the details they repeat, because the platform's consumers read no details."""


class Draw(NamedTuple):
    """One of `values`, taken with the template's random number `lot`."""

    lot: int
    choices: int
    values: Sequence[bytes | int]


class Template(NamedTuple):
    """A compiled template: the body of an event is `form % pick(values)`.

    `values` are the event's id, timestamp, host and user (JSON without quotes) and its number, then one for each of
    `draws`.
    """

    event_type: str
    action_result: str
    draws: tuple[Draw, ...]
    form: bytes
    pick: Callable[[list[bytes | int]], tuple[Any, ...]]


@cache
def built_in(name: str) -> Template:
    """One of the seven, compiled once and shared by all generators."""
    return compile_shape(BUILT_IN[name])


def of_event_type(event_type: EventType) -> Template:
    """An event type of the user's own; its `resource`, if it has one, comes first in the details, as in the seed's."""
    resource = {} if event_type.resource is None else {"resource": event_type.resource}
    details = {**resource, **event_type.details, **resource}
    return compile_shape(
        Shape(event_type.wire_event_type, event_type.severity.value, event_type.action_result, details)
    )


def compile_shape(shape: Shape) -> Template:
    """Compile a template's shape."""
    form = _Form({"client_ip": CLIENT_ADDRESSES, **shape.variables})
    form.literal(b'{"event_id":"').value("event_id")
    form.literal(b'","timestamp":"').value("timestamp")
    form.literal(b'","source_service":"' + escaped(SOURCE_SERVICE))
    form.literal(b'","server_hostname":"').value("host")
    form.literal(b'","event_type":"' + escaped(shape.event_type))
    form.literal(b'","severity":"' + escaped(shape.severity))
    form.literal(b'","user_id":"').value("user")
    form.literal(b'","action_result":"' + escaped(shape.action_result))
    form.literal(b'","details":{')
    for index, (key, value) in enumerate(shape.details.items()):
        form.literal(b"," if index else b"").member(key, value)
    form.literal(b"}")
    for key, detail in _REPEATED.items():
        if detail in shape.details:
            form.literal(b",").member(key, shape.details[detail])
    form.literal(b"}")
    return Template(
        shape.event_type, shape.action_result, tuple(form.draws), b"".join(form.parts), itemgetter(*form.order)
    )


class _Form:
    """A format under construction: its parts, the slot of every placeholder in order, and the draws behind the slots."""

    def __init__(self, variables: Mapping[str, Sequence[str] | range | Hex]) -> None:
        self.parts: list[bytes] = []
        self.order: list[int] = []
        self.draws: list[Draw] = []
        self._variables = variables
        self._slots = {name: slot for slot, name in enumerate(_OWN)}
        self._placeholders = dict(_OWN)

    def literal(self, json: bytes) -> _Form:
        self.parts.append(json.replace(b"%", b"%%"))
        return self

    def value(self, name: str) -> _Form:
        """Leave room for what stands behind a name; a variable is drawn when it is used for the first time."""
        if name not in self._slots:
            self._draw(name, self._variables[name])
        self.parts.append(self._placeholders[name])
        self.order.append(self._slots[name])
        return self

    def member(self, key: str, value: str | Number) -> _Form:
        self.literal(b'"' + escaped(key) + b'":')
        return self.value(value.variable) if isinstance(value, Number) else self._text(value)

    def _text(self, text: str) -> _Form:
        self.literal(b'"')
        # Fixed pieces and names of tokens alternate: one pass, so that nothing is replaced twice.
        for index, piece in enumerate(_TOKEN.split(text)):
            if index % 2 == 0:
                self.literal(escaped(piece))
            elif piece in self._variables or piece in _OWN:
                self.value(piece)
            else:
                self.literal(escaped(f"${{{piece}}}"))
        return self.literal(b'"')

    def _draw(self, name: str, variable: Sequence[str] | range | Hex) -> None:
        values: Sequence[bytes | int]
        if isinstance(variable, Hex):
            values, placeholder = range(16**variable.digits), b"%%0%dx" % variable.digits
        elif isinstance(variable, range):
            values, placeholder = variable, b"%d"
        else:
            values, placeholder = tuple(escaped(text) for text in variable), b"%b"
        self._slots[name] = len(_OWN) + len(self.draws)
        self._placeholders[name] = placeholder
        self.draws.append(Draw(len(self.draws), len(values), values))
