"""The stream of posted events that name no generator: from the API to the default destination.

It has a ledger row like a generator (empty namespace, name `api`) but no ticks. Knows nothing of HTTP.
"""

from fractions import Fraction
from typing import Final

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.egress import Egress
from audit_event_operator.engine.ledger import DropReason, Ledger
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.ports import Destination
from audit_event_operator.engine.readiness import Circumstances, decide_ready
from audit_event_operator.engine.snapshot import Ref, Snapshot, count
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.resource.status import Facts, Progress

DEFAULT_STREAM_REF: Final = Ref("", "api")


class DefaultStream:
    """A ledger and a way to one destination."""

    def __init__(self, context: EngineContext, destination: Destination) -> None:
        self.destination = destination
        self.ref = DEFAULT_STREAM_REF
        self.uid = ""
        self.namespace = DEFAULT_STREAM_REF.namespace
        self.name = DEFAULT_STREAM_REF.name
        self.gate = context.assignment.gate("")
        self.ledger = Ledger(context.totals)
        self._context = context
        self._egress = Egress(DEFAULT_STREAM_REF, context, self.ledger, self)
        self._is_open = False
        self._answered = WakeableSleep(context.slots)

    @property
    def outbox(self) -> Outbox | None:
        """Where posted events wait; None before the first `open`."""
        return self._egress.outbox

    @property
    def connected(self) -> bool:
        """Whether the default destination's broker is up."""
        return self._egress.health.connected

    def open(self) -> None:
        """Connect; idempotent."""
        if not self._is_open:
            self._is_open = True
            self._egress.leave()
            self._egress.open(self.destination, Fraction(0))

    def stop(self, reason: DropReason, grace_seconds: float) -> None:
        """Drop what was not written and disconnect."""
        self._is_open = False
        self._egress.stop(reason, grace_seconds)

    def outlet_changed(self) -> None:
        """Nothing depends on it: readers look at the health."""

    def settled(self) -> None:
        """The broker answered."""
        self._answered.wake()

    async def drained(self, seconds: float) -> None:
        """Wait until nothing is on its way, at most `seconds`."""
        await self._egress.drained(seconds, self._answered)

    def snapshot(self) -> Snapshot:
        """The row of posted events."""
        health, published = self._egress.health, self.ledger.published
        seen = Circumstances(
            now=self._context.now(),
            destination=f'queue "{self.destination.label}"',
            longest_gap_seconds=float("inf"),
            health=health,
            confirmed=published > 0,
            idle=self._egress.idle,
        )
        facts = Facts(
            0,
            decide_ready(seen, self._context.damping),
            destination=self.destination.label,
            queue=self.destination.label,
            broker=self._egress.broker,
            connected=health.connected,
            progress=Progress(published),
        )
        return Snapshot(DEFAULT_STREAM_REF, "", count(self.ledger, self.outbox), facts)
