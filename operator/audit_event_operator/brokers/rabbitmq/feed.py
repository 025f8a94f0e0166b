"""What a channel session knows of one outlet: what to write, whether it may, and whom to tell of the broker's answers.

The outlet sets it, the session reads it per batch. Knows neither of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from audit_event_operator.engine.outbox import Outbox, Parcel
from audit_event_operator.engine.ports import Gate
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.targets.destination import Recipient

Encode = Callable[[AuditEvent, int, list[bytes]], None]
"""Appends the frames of one attempt at an event to a list; see `PublishFrames.encode`."""


class Answered(Protocol):
    """Hears of the broker's answers, inside pika's callbacks: must not raise."""

    def confirmed(self) -> None:
        """An ack came, the first since `Feed.unproven` was set."""

    def nacked(self) -> None:
        """Nacks came."""

    def returned(self, parcel: Parcel) -> None:
        """An event came back unroutable; it waits to be sent again."""

    def settled(self) -> None:
        """All answers in one piece of input have been processed."""


@dataclass(slots=True, eq=False)
class Feed:
    """One outlet on its channel.

    `encode`: set with the channel. `declared`: the queue or exchange is there. `paused`: the broker refused an event a moment
    ago. `probing`: events came back, so only one is written until one gets through. `closing`: only answers are awaited.
    `unproven`: the outlet wants to know of the next ack. `complained`: the log tells of an event that cannot be encoded.
    `queued` belongs to the pump.
    """

    recipient: Recipient
    outbox: Outbox
    gate: Gate
    outlet: Answered
    encode: Encode = field(init=False)
    declared: bool = False
    paused: bool = False
    probing: bool = False
    closing: bool = False
    unproven: bool = False
    complained: bool = False
    queued: bool = False

    @property
    def writable(self) -> int:
        """How many events may be written, as far as the outlet is concerned."""
        if not self.declared or self.paused or self.closing:
            return 0
        if self.probing:
            return 0 if self.outbox.in_flight else min(1, self.outbox.writable)
        return self.outbox.writable
