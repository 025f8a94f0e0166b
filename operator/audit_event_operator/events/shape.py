"""The shape of a kind of event: three fixed words, details with tokens, and what is drawn for them.

Shapes are plain data; here they become canonical events. Knows no layout.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from audit_event_operator.events.canonical import HOST, USER, CanonicalEvent, Pattern, Variable

SOURCE_SERVICE: Final = "audit-event-generator"

_TOKEN: Final = re.compile(r"\$\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Hex:
    """A random number, written with this many hexadecimal digits."""

    digits: int


Choices: TypeAlias = Sequence[str] | range | Hex


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of event.

    Attributes:
        event_type: the same in all its events, like the next two.
        severity: how bad an event is.
        action_result: how the action ended.
        details: in order; in texts, `${name}` stands for one of `variables` or for the event's own `user`, `host` and
            `sequence`.
        variables: what is drawn evenly, once for an event: one of these texts or numbers. A variable that is used twice
            has the same value in both places.
    """

    event_type: str
    severity: str
    action_result: str
    details: Mapping[str, str | Variable]
    variables: Mapping[str, Choices] = field(default_factory=dict)

    def event(self) -> CanonicalEvent:
        """The canonical event of this kind."""
        return CanonicalEvent(
            source_service=SOURCE_SERVICE,
            server_hostname=Pattern((HOST,)),
            event_type=self.event_type,
            severity=self.severity,
            user_id=Pattern((USER,)),
            action_result=self.action_result,
            details={key: _parsed(value) if isinstance(value, str) else value for key, value in self.details.items()},
        )

    def drawn(self) -> dict[str, Choices]:
        """What is drawn for an event, in the order in which the details use it first: the same for every layout."""
        return {name: self.variables[name] for name in self._used() if name in self.variables}

    def _used(self) -> Iterator[str]:
        for value in self.details.values():
            yield from (value.name,) if isinstance(value, Variable) else _TOKEN.findall(value)


def _parsed(text: str) -> Pattern:
    # Fixed pieces and names of tokens alternate: one pass, so that nothing is replaced twice.
    pieces = enumerate(_TOKEN.split(text))
    return Pattern(tuple(Variable(piece) if index % 2 else piece for index, piece in pieces))
