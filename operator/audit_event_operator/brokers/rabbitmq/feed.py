"""What a channel session knows of one outlet: what to write, whether it may, and whom to tell of the broker's answers.

The outlet sets it, the session reads it per batch. Knows neither of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.ports import Gate
from audit_event_operator.events.event import AuditEvent

Encode = Callable[[AuditEvent, int, list[bytes]], None]
"""Appends the frames of one attempt at an event to a list; see `PublishFrames.encode`."""


class Answered(Protocol):
    """Hears of the broker's answers, inside pika's callbacks: must not raise."""

    def confirmed(self) -> None:
        """An ack came, the first since `Feed.unproven` was set."""

    def nacked(self) -> None:
        """Nacks came."""

    def returned(self) -> None:
        """An event came back unroutable."""

    def settled(self) -> None:
        """All answers in one piece of input have been processed."""


@dataclass(slots=True, eq=False)
class Feed:
    """One outlet on its channel.

    `encode`: set with the channel. `declared`: the queue is there. `paused`: the broker refused an event a moment ago.
    `closing`: only answers are awaited. `unproven`: the outlet wants to know of the next ack. `queued` belongs to the pump.
    """

    queue: str
    outbox: Outbox
    gate: Gate
    outlet: Answered
    encode: Encode = field(init=False)
    declared: bool = False
    paused: bool = False
    closing: bool = False
    unproven: bool = False
    queued: bool = False

    @property
    def writable(self) -> int:
        """How many events may be written, as far as the outlet is concerned."""
        return self.outbox.writable if self.declared and not self.paused and not self.closing else 0
