"""How canonical events are written: one module per format, and what all of them promise.

A layout is a value without state. It knows neither what is drawn nor when events are made.
"""

from collections.abc import Iterable
from typing import Protocol, TypeAlias

from audit_event_operator.events.canonical import CanonicalEvent, Variable

Piece: TypeAlias = bytes | Variable


class Layout(Protocol):
    """Writes events in one format."""

    def __hash__(self) -> int:
        """Layouts that write the same are equal, so that they share compiled templates."""

    @property
    def content_type(self) -> str:
        """The media type of its events."""

    def render(self, event: CanonicalEvent) -> Iterable[Piece]:
        """The event's bytes, with variables where a value is inserted later."""

    def escape(self, text: str) -> bytes:
        """A text as it is inserted for a variable."""

    def timestamp(self, unix_ns: int) -> bytes:
        """A time as it is inserted for the event's `timestamp`."""
