"""What readers see of one generator at one moment: who it is, its counts, and the facts, taken in one loop turn.

Status reporter, metrics, health, pages and the last log line read this one value, so they can never disagree.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from audit_event_operator.engine.ledger import Ledger
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.status import Facts
from audit_event_operator.world.scenarios.score import ScenarioCounts


@dataclass(frozen=True, slots=True)
class Ref:
    """A resource's name. Identity is the UID, which goes along separately."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class GeneratorState(StrEnum):
    """What a generator is doing, for counting: an active one publishes or tries to, a failing one needs the user."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    FAILING = "failing"


class Contribution(NamedTuple):
    """What the operator's health is made of, of one generator."""

    state: GeneratorState
    connected: bool


class Counts(NamedTuple):
    """What became of the events since this process took the resource up.

    `generated = published + dropped + buffered + in_flight` holds in every snapshot. `held_bytes`: memory of what is
    buffered or in flight.
    """

    generated: int = 0
    published: int = 0
    dropped: int = 0
    retried: int = 0
    skipped: int = 0
    buffered: int = 0
    in_flight: int = 0
    held_bytes: int = 0


class TruthCounts(NamedTuple):
    """What became of the records of the ground truth since this process took the resource up.

    `undelivered`: given up, because the resource, its truth queue or the operator went. `dropped`: no room to keep them.
    """

    delivered: int = 0
    undelivered: int = 0
    dropped: int = 0


NOTHING_TOLD: Final = TruthCounts()


def count(ledger: Ledger, outbox: Outbox | None) -> Counts:
    """Read the counts of one ledger and what its outbox holds."""
    return Counts(
        ledger.generated,
        ledger.published,
        ledger.dropped_total,
        ledger.retried,
        ledger.skipped_total,
        0 if outbox is None else outbox.buffered,
        0 if outbox is None else outbox.in_flight,
        0 if outbox is None else outbox.held_bytes,
    )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generator at one moment."""

    ref: Ref
    uid: str
    counts: Counts
    facts: Facts
    scenarios: tuple[ScenarioCounts, ...] = ()
    truth: TruthCounts = NOTHING_TOLD

    @property
    def state(self) -> GeneratorState:
        """What it is doing; follows from the reason."""
        ready = self.facts.ready
        if ready.readiness.stalled:
            return GeneratorState.FAILING
        if ready.reason is Reason.COMPLETED:
            return GeneratorState.COMPLETED
        return GeneratorState.SUSPENDED if ready.reason is Reason.SUSPENDED else GeneratorState.ACTIVE

    @property
    def contribution(self) -> Contribution:
        """Its part in the operator's health."""
        return Contribution(self.state, self.facts.connected)


class Readable(Protocol):
    """What can be read at a moment of the reader's choice: a generator, also one that has just gone, or posted events."""

    @property
    def ref(self) -> Ref:
        """Its name."""

    @property
    def uid(self) -> str:
        """Its identity; empty for posted events."""

    def snapshot(self) -> Snapshot:
        """Everything about it, as of now."""
