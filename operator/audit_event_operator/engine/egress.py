"""A generator's way out: its outbox and outlet, opened as the spec asks.

Kept when nothing about it changes, opened anew in place when only the declaration or the guarantee does, and left behind
when the target is another one. Knows neither ticks nor events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.ledger import DropReason, Ledger
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.plan import request_for, same_target
from audit_event_operator.engine.ports import (
    Outlet,
    OutletHealth,
    OutletListener,
    OutletRequest,
    TargetUnavailable,
    Trouble,
)
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.spec import Delivery, GeneratorSpec


class Owner(OutletListener, Protocol):
    """The generator, as its way out sees it."""

    def settled(self) -> None:
        """The broker answered, once per answer."""


class Egress:
    """Where the events of one generator go.

    Args:
        ref: the resource's name.
        tools: brokers, targets and limits.
        ledger: where outcomes are counted.
        owner: who is told of health and answers.
        now: seconds of the loop's clock.
    """

    def __init__(
        self, ref: Ref, context: EngineContext, ledger: Ledger, owner: Owner, now: Callable[[], float]
    ) -> None:
        self.outbox: Outbox | None = None
        self.unavailable: Trouble | None = None
        """Why there is no target at all."""
        self.broker = ""
        """The broker's label, kept for the last status when the outlet has been closed."""
        self._ref = ref
        self._context = context
        self._ledger = ledger
        self._owner = owner
        self._now = now
        self._outlet: Outlet | None = None
        self._request: OutletRequest | None = None

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

    def needs_drain(self, spec: GeneratorSpec) -> bool:
        """Whether events are on their way to another target than the spec's."""
        if self._request is None or self.idle:
            return False
        try:
            reference = self._context.targets.reference(self._ref.namespace, spec.rabbitmq)
        except TargetUnavailable:
            return True
        return not same_target(self._request, request_for(spec, reference))

    def take(self, spec: GeneratorSpec, window: int) -> bool:
        """Have an outlet as the spec asks; True when its target is another one than before."""
        try:
            reference = self._context.targets.reference(self._ref.namespace, spec.rabbitmq)
        except TargetUnavailable as answer:
            self.leave()
            self.unavailable = Trouble(answer.reason, answer.message, self._now())
            return True
        was_unavailable, self.unavailable = self.unavailable is not None, None
        request = request_for(spec, reference)
        if request == self._request and self._outlet is not None:
            self._outlet.retry_now()
            return False
        moved = was_unavailable or (self._request is not None and not same_target(self._request, request))
        if moved:
            self.leave()
        if self._outlet is not None:
            self._outlet.close(0.0)  # the same target with another declaration or guarantee: the outbox stays
        if self.outbox is None:
            context = self._context
            note = None if context.journal is None else context.journal.keep(self._ref)
            self.outbox = Outbox(self._ledger, context.budget, window=window, wall_ns=context.wall_ns, note=note)
            self.outbox.on_settled = self._owner.settled
        self.outbox.resend = spec.delivery is Delivery.AT_LEAST_ONCE
        self._request = request
        self._outlet = self._context.brokers.open(request, self.outbox, self._owner)
        return moved

    def resize(self, window: int) -> None:
        """Bound buffer and unconfirmed events anew."""
        if self.outbox is not None:
            self.outbox.window = window
        if self._outlet is not None:
            self._outlet.resize()

    def leave(self) -> None:
        """Go from this target: what could not be delivered in time is dropped as `target_changed`."""
        self.stop(DropReason.TARGET_CHANGED, 0.0)
        self.outbox = self._request = None
        self.broker = ""

    def stop(self, reason: DropReason, grace_seconds: float) -> None:
        """End delivery: what is buffered is dropped for `reason` now, what is in flight at the latest after the grace."""
        if self.outbox is not None:
            self.outbox.close(reason)
        if self._outlet is not None:
            self.broker = self._outlet.health.broker or self.broker
            self._outlet.close(grace_seconds)
            self._outlet = None
