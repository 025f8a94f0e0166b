"""The canonical event: what happened, to whom, from where, and the details, before a layout writes it.

Its texts may hold variables, so that a kind of event is laid out once and filled for each event. Knows no layout and no
bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias


# Named tuples, because orjson refuses them: it would write a dataclass as an object.
class Variable(NamedTuple):
    """A value that is known only when an event is made. On its own, outside of a pattern, it is a number."""

    name: str


class Derivation(NamedTuple):
    """How a value follows from a text: `function` sees the text, and returns its bytes, as the layout writes them.

    `longest` says how many bytes it returns at most, when the text has no more bytes than its argument.
    """

    function: Callable[[bytes], bytes]
    longest: Callable[[int], int]


class Derived(NamedTuple):
    """A value that follows from the text that `of` makes, for layouts that need more than what happened.

    A number for a severity, say.
    """

    how: Derivation
    of: tuple[str | Variable, ...]


class Pattern(NamedTuple):
    """A text that holds variables."""

    pieces: tuple[str | Variable | Derived, ...]


Value: TypeAlias = (
    "str | int | float | bool | Variable | Derived | Pattern | Mapping[str, Value] | Sequence[Value] | None"
)
"""What JSON can express, and room for it."""

EVENT_ID: Final = Variable("event_id")
TIMESTAMP: Final = Variable("timestamp")
HOST: Final = Variable("host")
USER: Final = Variable("user")
SEQUENCE: Final = Variable("sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalEvent:
    """One event, or all events of a kind when its texts hold variables.

    Attributes:
        event_id: new for each event, like `timestamp`. Only the layout knows how a time is written.
        details: further facts, in order.
        kind: the name of the built-in kind; empty for what users define or post, of which layouts know no more than this.
        more: further fields of an event posted by hand, in order; they may name a `resource` and a `client_ip`.
    """

    event_id: Variable = EVENT_ID
    timestamp: Variable = TIMESTAMP
    source_service: str
    server_hostname: str | Pattern
    event_type: str
    severity: str | Pattern
    user_id: str | Pattern
    action_result: str
    details: Mapping[str, Value]
    more: Mapping[str, Value] = field(default_factory=dict)
    kind: str = ""

    @property
    def resource(self) -> Value:
        """What was acted upon, None when nothing is named; the platform's consumers read no details."""
        return self.more.get("resource", self.details.get("resource"))

    @property
    def client_ip(self) -> Value:
        """Where it came from, None when no address is named."""
        return self.more.get("client_ip", self.details.get("ip_address"))
