"""Templates made ready for speed: everything fixed is JSON already, what is drawn is filled in as bytes.

A draw takes a share of one large random integer by division, so that an event costs one hash and no random generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from audit_event_operator.events.words import CLIENT_ADDRESSES, SHAPES, USER, Drawn, Shape
from audit_event_operator.resource.event_type import EventType

SOURCE_SERVICE: Final = "audit-event-generator"

Fill = Callable[[int, list[bytes], "Who"], int]
"""Append the bytes of one placeholder and return what is left of the random integer."""


class Who:
    """The user, host, client address and number of one event, as JSON without quotes."""

    __slots__ = ("address", "host", "sequence", "user")

    def __init__(self, user: bytes, host: bytes, address: bytes, sequence: int) -> None:
        self.user, self.host, self.address, self.sequence = user, host, address, sequence


def escaped(text: str) -> bytes:
    """JSON of a text without its quotes; half surrogates, which are not text, become U+FFFD."""
    try:
        return orjson.dumps(text)[1:-1]
    except TypeError:
        return orjson.dumps(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))[1:-1]


class Template:
    """One compiled template.

    `render` gives the body; the placeholders stand in the order: event id, timestamp, host, user, then the drawn details.
    """

    __slots__ = ("_fills", "_form", "action_result", "event_type", "uses_address")

    def __init__(self, shape: Shape, resource: str | None = None) -> None:
        self.event_type, self.action_result = shape.event_type, shape.action_result
        self._fills: list[Fill] = []
        self.uses_address = False
        details: dict[str, str | Drawn] = dict(shape.details)
        if resource is not None:
            details["resource"] = resource
        slots: dict[str, int] = {}
        parts = [
            b'{"event_id":"%b","timestamp":"%b","source_service":"',
            _literal(SOURCE_SERVICE),
            b'","server_hostname":"%b","event_type":"',
            _literal(shape.event_type),
            b'","severity":"',
            _literal(shape.severity),
            b'","user_id":"%b","action_result":"',
            _literal(shape.action_result),
            b'","details":{',
        ]
        for index, (key, value) in enumerate(details.items()):
            parts += [b"," if index else b"", b'"', _literal(key), b'":', self._value(key, value, slots)]
        parts.append(b"}")
        for top, key in (("resource", "resource"), ("client_ip", "ip_address")):
            if key in details:
                parts += [b',"', _literal(top), b'":', self._value(top, details[key], slots, of=key)]
        parts.append(b"}")
        self._form = b"".join(parts)

    def render(self, draw: int, ident: bytes, stamp: bytes, who: Who) -> bytes:
        """The body of one event."""
        values = [ident, stamp, who.host, who.user]
        for fill in self._fills:
            draw = fill(draw, values, who)
        return self._form % tuple(values)

    def _value(self, key: str, value: str | Drawn, slots: dict[str, int], of: str | None = None) -> bytes:
        """The form of one value, and the fills of its placeholders. `of` repeats the value of another key."""
        if isinstance(value, str):
            return b'"' + self._text(value) + b'"'
        if of is not None:
            self._fills.append(_repeat(slots[of]))
            return b'"%b"'
        if value.again:
            self._fills.append(_repeat(slots[value.again]))
            return b'"' + _literal(value.prefix) + b'%b"'
        slots[key] = 4 + len(self._fills)
        prefix = escaped(value.prefix)
        if value.hex_digits:
            self._fills.append(_hex(value.hex_digits, prefix))
        elif value.choices is CLIENT_ADDRESSES:
            self._fills.append(_address)
            self.uses_address = True
        else:
            self._fills.append(_choice(tuple(prefix + escaped(choice) for choice in value.choices)))
        return b"%b" if value.number else b'"%b"'

    def _text(self, text: str) -> bytes:
        """A fixed text with tokens: one pass from left to right, nothing replaced twice."""
        form = []
        while text:
            start = min((at for token in _TOKENS if (at := text.find(token)) >= 0), default=len(text))
            form.append(_literal(text[:start]))
            text = text[start:]
            for token, fill in _TOKENS.items():
                if text.startswith(token):
                    form.append(b"%b")
                    self._fills.append(fill)
                    self.uses_address = self.uses_address or fill is _address
                    text = text[len(token) :]
                    break
        return b"".join(form)


def built_in(name: str) -> Template:
    """One of the seven."""
    return Template(SHAPES[name])


def of_event_type(event_type: EventType) -> Template:
    """An event type of the user's own."""
    shape = Shape(event_type.wire_event_type, event_type.severity, event_type.action_result, event_type.details)
    return Template(shape, event_type.resource)


def _literal(text: str) -> bytes:
    return escaped(text).replace(b"%", b"%%")


def _choice(choices: tuple[bytes, ...]) -> Fill:
    count = len(choices)

    def fill(draw: int, values: list[bytes], _: Who) -> int:
        draw, index = divmod(draw, count)
        values.append(choices[index])
        return draw

    return fill


def _hex(digits: int, prefix: bytes) -> Fill:
    bits, form = 4 * digits, prefix.replace(b"%", b"%%") + b"%%0%dx" % digits
    mask = (1 << bits) - 1

    def fill(draw: int, values: list[bytes], _: Who) -> int:
        values.append(form % (draw & mask))
        return draw >> bits

    return fill


def _repeat(slot: int) -> Fill:
    def fill(draw: int, values: list[bytes], _: Who) -> int:
        values.append(values[slot])
        return draw

    return fill


def _user(draw: int, values: list[bytes], who: Who) -> int:
    values.append(who.user)
    return draw


def _host(draw: int, values: list[bytes], who: Who) -> int:
    values.append(who.host)
    return draw


def _address(draw: int, values: list[bytes], who: Who) -> int:
    values.append(who.address)
    return draw


def _sequence(draw: int, values: list[bytes], who: Who) -> int:
    values.append(b"%d" % who.sequence)
    return draw


_TOKENS: Final[Mapping[str, Fill]] = {
    USER: _user,
    "${host}": _host,
    "${client_ip}": _address,
    "${sequence}": _sequence,
}
