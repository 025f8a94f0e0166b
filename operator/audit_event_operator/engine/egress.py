"""A generator's way out: its outbox and outlet, opened as the spec asks.

Kept when nothing about it changes, opened anew in place when only the declaration or the guarantee does, and left behind
when the destination is another place. Knows neither ticks nor events.
"""

import math
from fractions import Fraction
from typing import Final, Protocol

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.ledger import DropReason, Ledger
from audit_event_operator.engine.outbox import EVENT_LIMIT_BYTES, Outbox
from audit_event_operator.engine.ports import Destination, Outlet, OutletHealth, OutletOwner, Trouble
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.resource.broker_spec import Delivery
from audit_event_operator.resource.conditions import DestinationUnavailable
from audit_event_operator.resource.spec import GeneratorSpec

WINDOW_MIN: Final = 64
WINDOW_MAX: Final = 2_048


def window_for(rate: Fraction) -> int:
    """One second of the target rate, 64 to 2048 events: the bound of the buffer and of what is unconfirmed."""
    return max(WINDOW_MIN, min(WINDOW_MAX, math.ceil(rate)))


class Owner(OutletOwner, Protocol):
    """The generator, as its way out sees it."""

    def settled(self) -> None:
        """The broker answered, once per answer."""


class Egress:
    """Where the events of one generator go; `owner` is told of health and answers."""

    __slots__ = (
        "_context",
        "_destination",
        "_ledger",
        "_outlet",
        "_owner",
        "_ref",
        "broker",
        "label",
        "outbox",
        "phrase",
        "queue",
        "unavailable",
    )

    def __init__(self, ref: Ref, context: EngineContext, ledger: Ledger, owner: Owner) -> None:
        self.outbox: Outbox | None = None
        self.unavailable: Trouble | None = None
        """Why there is no destination at all."""
        self.broker = ""
        """The broker's label, kept for the last status when the outlet has been closed."""
        self.label = ""
        """The destination, for people."""
        self.phrase = ""
        """The same within a sentence."""
        self.queue = ""
        """The queue's name, where it is one."""
        self._ref = ref
        self._context = context
        self._ledger = ledger
        self._owner = owner
        self._outlet: Outlet | None = None
        self._destination: Destination | None = None

    @property
    def health(self) -> OutletHealth:
        """How the outlet fares; without one, nothing is connected."""
        health = self._outlet.health if self._outlet is not None else OutletHealth()
        self.broker = health.broker or self.broker
        return health

    @property
    def taking(self) -> bool:
        """The broker takes events, at whatever speed."""
        health = self.health
        return health.ready_since is not None and health.blocked_since is None and health.trouble is None

    @property
    def idle(self) -> bool:
        """Nothing is on its way."""
        return self.outbox is None or self.outbox.idle

    async def drained(self, seconds: float, answered: WakeableSleep) -> None:
        """Wait until nothing is on its way, at most `seconds`; each answer has to wake `answered`."""
        deadline = self._context.now() + seconds
        while not self.idle and (left := deadline - self._context.now()) > 0:
            await answered.sleep(left)

    def needs_drain(self, spec: GeneratorSpec) -> bool:
        """Whether events are on their way to another place than the spec's."""
        if self._destination is None or self.idle:
            return False
        try:
            destination = self._context.destinations.destination(self._ref.namespace, spec)
        except DestinationUnavailable:
            return True
        return not self._destination.same_place(destination)

    def take(self, spec: GeneratorSpec, rate: Fraction) -> bool:
        """Have an outlet as the spec asks; True when it leads to another place than before."""
        self.label, self.phrase = spec.destination_label, spec.destination_phrase
        self.queue = spec.queue if spec.exchange is None else ""
        try:
            destination = self._context.destinations.destination(self._ref.namespace, spec)
        except DestinationUnavailable as answer:
            self.leave()
            self.unavailable = Trouble(answer.reason, answer.message, self._context.now())
            return True
        was_unavailable, self.unavailable = self.unavailable is not None, None
        if destination == self._destination and self._outlet is not None:
            self._outlet.retry_now()
            return False
        moved = was_unavailable or (self._destination is not None and not self._destination.same_place(destination))
        if moved:
            self.leave()
        elif self._outlet is not None and self._outlet.adopt(destination):
            if self.outbox is not None:
                self.outbox.resend = spec.delivery is Delivery.AT_LEAST_ONCE
            self._destination = destination
            return False
        self.open(destination, rate, resend=spec.delivery is Delivery.AT_LEAST_ONCE)
        return moved

    def open(self, destination: Destination, rate: Fraction, *, resend: bool = True) -> None:
        """Have an outlet to this destination; the outbox stays where only the declaration or the guarantee changes."""
        if self._outlet is not None:
            self._outlet.close(0.0)
        if self.outbox is None:
            context = self._context
            note = None if context.journal is None else context.journal.keep(self._ref)
            self.outbox = Outbox(
                self._ledger,
                context.budget.open(self._ref.namespace, destination.broker),
                window=window_for(rate),
                wall_ns=context.wall_ns,
                note=note,
            )
            self.outbox.on_settled = self._owner.settled
        self.outbox.resend = resend
        self._destination = destination
        self._outlet = self._context.brokers.open(destination, self.outbox, self._owner)

    def resize(self, rate: Fraction, event_bytes: int) -> None:
        """Bound buffer and unconfirmed events anew, for bodies of at most `event_bytes`."""
        if self.outbox is not None:
            self.outbox.window = window_for(rate)
            self.outbox.event_bytes = min(event_bytes, EVENT_LIMIT_BYTES)
        if self._outlet is not None:
            self._outlet.resize()

    def leave(self) -> None:
        """Go from this place: what could not be delivered in time is dropped as `target_changed`."""
        self.stop(DropReason.TARGET_CHANGED, 0.0)
        self.outbox = self._destination = None
        self.broker = ""

    def stop(self, reason: DropReason, grace_seconds: float) -> None:
        """End delivery: what is buffered is dropped for `reason` now, what is in flight at the latest after the grace."""
        if self.outbox is not None:
            self.outbox.close(reason)
        if self._outlet is not None:
            self.broker = self._outlet.health.broker or self.broker
            self._outlet.close(grace_seconds)
            self._outlet = None

    def forget(self) -> None:
        """Nothing more comes of it: let go of the owner, so that its memory is free without a search for cycles."""
        if self.outbox is not None:
            self.outbox.on_settled = self.outbox.on_published = self.outbox.on_marked = None
            self.outbox = None
        del self._owner
