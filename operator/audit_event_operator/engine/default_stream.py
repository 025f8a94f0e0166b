"""The default target's own way out: where posted events go when they name no generator.

It has a ledger row like a generator (empty namespace, name `api`) but no ticks. Knows nothing of HTTP.
"""

from __future__ import annotations

import asyncio
from typing import Final

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.ledger import DropReason, Ledger
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.plan import WINDOW_MIN
from audit_event_operator.engine.ports import Destination, Outlet
from audit_event_operator.engine.readiness import Circumstances, decide_ready
from audit_event_operator.engine.snapshot import Ref, Snapshot, count
from audit_event_operator.resource.status import Facts

DEFAULT_STREAM_REF: Final = Ref("", "api")
_POLL_SECONDS: Final = 0.05


class DefaultStream:
    """An outbox and an outlet to the default target."""

    def __init__(self, context: EngineContext, destination: Destination) -> None:
        self.destination = destination
        self.gate = context.assignment.gate(DEFAULT_STREAM_REF)
        self.ledger = Ledger(context.totals)
        self.outbox: Outbox | None = None
        self.outlet: Outlet | None = None
        self._context = context

    def open(self) -> None:
        """Connect; idempotent."""
        if self.outlet is None:
            context = self._context
            note = None if context.journal is None else context.journal.keep(DEFAULT_STREAM_REF)
            self.outbox = Outbox(self.ledger, context.budget, window=WINDOW_MIN, wall_ns=context.wall_ns, note=note)
            self.outlet = context.brokers.open(self.destination, self.outbox, self)

    def close(self, reason: DropReason, grace_seconds: float) -> None:
        """Drop what was not written and disconnect."""
        if self.outbox is not None and self.outlet is not None:
            self.outbox.close(reason)
            self.outlet.close(grace_seconds)
        self.outlet = None

    def outlet_changed(self) -> None:
        """Nothing depends on it: whoever asks reads the health."""

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing is on its way, at most `seconds`."""
        deadline = self._context.now() + seconds
        while self.outbox is not None and not self.outbox.idle:
            if self._context.now() >= deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    @property
    def connected(self) -> bool:
        """Whether the default target is up."""
        return self.outlet is not None and self.outlet.health.connected

    def snapshot(self) -> Snapshot:
        """The row of posted events."""
        ledger, outbox = self.ledger, self.outbox
        health = self.outlet.health if self.outlet is not None else None
        seen = Circumstances(
            now=self._context.now(),
            destination=self.destination.label,
            longest_gap_seconds=float("inf"),
            health=health,
            confirmed=ledger.published > 0,
            idle=outbox is None or outbox.idle,
        )
        facts = Facts(
            0,
            decide_ready(seen, self._context.damping),
            destination=self.destination.label,
            broker=health.broker if health is not None else "",
            connected=self.connected,
            events_published=ledger.published,
        )
        return Snapshot(DEFAULT_STREAM_REF, "", count(ledger, outbox), facts)
