"""Tells what episodes really did: one record each, to the truth queue of the stream's broker, or to whoever listens.

It has an outbox and an outlet of its own, and memory of its own: a truth queue that is away or full never holds the stream up.
What cannot be told is counted.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Final

import orjson

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.egress import Egress
from audit_event_operator.engine.ledger import DropReason, Ledger
from audit_event_operator.engine.ports import Gate, Trouble
from audit_event_operator.engine.snapshot import NOTHING_TOLD, Ref, TruthCounts
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.broker_spec import Delivery
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.message import Message
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.world.scenarios.truth import Record

EVENT_TYPE: Final = "ground_truth"
CONTENT_TYPE: Final = "application/json"
LAST_WORDS_SECONDS: Final = 0.9
"""So long what is on its way may still be written when the resource or the truth queue has changed: nothing is written later
than a second after a deletion."""
_HOST: Final = "generated"
_RATE: Final = Fraction(1)
_NS: Final = 1_000_000_000


class TruthTeller:
    """The ground truth of one resource. `gate` is the generator's; `changed` is called when a reader may see something new."""

    __slots__ = (
        "_answered",
        "_changed",
        "_context",
        "_dropped",
        "_egress",
        "_ledger",
        "_listener",
        "_of_namespace",
        "_queue",
        "_ref",
        "_told",
        "_told_elsewhere",
        "gate",
        "name",
        "namespace",
    )

    def __init__(self, ref: Ref, context: EngineContext, gate: Gate, changed: Callable[[], None]) -> None:
        self.namespace = ref.namespace
        self.name = ref.name
        self.gate = gate
        self._ref = ref
        self._context = context
        self._changed = changed
        self._answered = WakeableSleep(context.slots)
        self._ledger: Ledger | None = None
        self._egress: Egress | None = None
        self._queue: str | None = None
        self._listener = context.truth_listener
        self._of_namespace = context.truth_totals.namespaces[ref.namespace]
        self._dropped = 0
        self._told_elsewhere = 0
        self._told: str | None = None

    # -- the generator's side ------------------------------------------------------------------------------------------

    def use(self, spec: GeneratorSpec) -> None:
        """Have a way to the truth queue of this spec, or none."""
        queue = None if spec.ground_truth is None else spec.ground_truth.queue
        if queue is None or self._listener is not None or not (spec.scenarios or self._egress):
            self._retire()
            return
        wanted = spec.model_copy(
            update={"queue": queue, "exchange": None, "message": Message(), "delivery": Delivery.AT_LEAST_ONCE}
        )
        if self._egress is not None and self._egress.needs_drain(wanted):
            self._retire()
        if self._egress is None:
            context = replace(
                self._context, totals=self._context.truth_totals, budget=self._context.truth_budget, journal=None
            )
            self._ledger = self._ledger or Ledger(self._context.truth_totals, self.namespace)
            self._egress = Egress(self._ref, context, self._ledger, self)
        self._queue = queue
        self._egress.take(wanted, _RATE)

    def tell(self, record: Record) -> None:
        """Tell of one episode; where there is no truth queue, nobody is told."""
        body = orjson.dumps(record.document(str(self._ref)))
        if self._listener is not None:
            told = self._listener(body)
            self._told_elsewhere += told
            self._of_namespace.published += told
            self._drop(not told)
            return
        if self._egress is None:
            return
        outbox = self._egress.outbox
        if outbox is not None:
            outbox.event_bytes = len(body)
        if outbox is None or not outbox.room:
            self._drop(1)
            return
        unix_seconds = self._context.wall_ns() // _NS
        outbox.put([AuditEvent(record.episode, EVENT_TYPE, _HOST, record.end_reason, unix_seconds, CONTENT_TYPE, body)])

    async def drained(self, seconds: float) -> None:
        """Wait until all is told, at most `seconds`."""
        if self._egress is not None:
            await self._egress.drained(seconds, self._answered)

    def stop(self, reason: DropReason, grace_seconds: float) -> None:
        """Tell nothing more; what was written may be confirmed within the grace."""
        if self._egress is not None:
            self._egress.stop(reason, grace_seconds)

    # -- what readers see ----------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Nothing waits to be told."""
        return self._egress is None or self._egress.idle

    @property
    def counts(self) -> TruthCounts:
        """What became of the records."""
        ledger = self._ledger
        if ledger is None and not (self._dropped or self._told_elsewhere):
            return NOTHING_TOLD
        published, undelivered = (0, 0) if ledger is None else (ledger.published, ledger.dropped_total)
        return TruthCounts(published + self._told_elsewhere, undelivered, self._dropped)

    @property
    def trouble(self) -> str | None:
        """A sentence while records cannot be told."""
        if self._egress is None:
            return None
        health = self._egress.health
        trouble = self._egress.unavailable or health.trouble
        if trouble is None and health.blocked_since is not None and not self.idle:
            return self._sentence("The broker has blocked its connection.")
        return self._sentence(trouble.message) if trouble is not None and self._lasts(trouble) else None

    @property
    def restless(self) -> bool:
        """Whether time alone may change `trouble`."""
        return self._egress is not None and (self._told is not None or not self._egress.taking)

    def sweep(self) -> bool:
        """Once a second: True when `trouble` has become another one by itself."""
        before, self._told = self._told, self.trouble
        return self._told != before

    # -- the outlet's side ---------------------------------------------------------------------------------------------

    def outlet_changed(self) -> None:
        """The outlet's health changed."""
        self._changed()

    def settled(self) -> None:
        """The broker answered."""
        self._answered.wake()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _drop(self, count: int) -> None:
        """There is no room for so many records."""
        self._dropped += count
        self._of_namespace.skipped += count

    def _lasts(self, trouble: Trouble) -> bool:
        """What time alone may heal is told only after the usual while."""
        if trouble.reason.readiness.status == "Unknown":
            return False
        return (
            trouble.reason is not Reason.BROKER_UNREACHABLE
            or self._context.now() - trouble.since >= self._context.damping.unreachable_seconds
        )

    def _sentence(self, why: str) -> str:
        return f'Records of the ground truth cannot be delivered to queue "{self._queue}". {why}'

    def _retire(self) -> None:
        """Leave this truth queue; what is on its way there has a moment."""
        egress, self._egress = self._egress, None
        if egress is None:
            return
        if egress.idle:
            egress.leave()
        else:
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, egress.leave)
