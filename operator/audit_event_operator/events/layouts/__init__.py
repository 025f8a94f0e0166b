"""How canonical events are written: one module per format, and what all of them promise.

A layout is a value without state; most are the same for all streams. It knows neither what is drawn nor when events are made.
"""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from audit_event_operator.events.canonical import CanonicalEvent, Derived, Variable

Piece: TypeAlias = bytes | Variable | Derived


class Layout(Protocol):
    """Writes events in one format."""

    def __hash__(self) -> int:
        """Layouts that write the same are equal, so that they share compiled templates."""

    @property
    def content_type(self) -> str:
        """The media type of its events."""

    def render(self, event: CanonicalEvent) -> Iterable[Piece]:
        """The event's bytes, with variables where a value is inserted later."""

    @property
    def escape(self) -> Callable[[str], bytes]:
        """Turns a text into what is inserted for a variable; one function for all layouts that write texts alike."""

    @property
    def timestamp(self) -> Callable[[int], bytes]:
        """Turns a time, in nanoseconds since 1970, into what is inserted for the event's `timestamp`."""
