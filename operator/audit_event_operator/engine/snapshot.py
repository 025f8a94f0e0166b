"""What readers see of one generator at one moment: plain values, taken in one loop turn.

Status reporter, metrics, pages and the final log line all read this, so they can never disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from audit_event_operator.resource.advice import Advice
from audit_event_operator.resource.conditions import CompletionReason, Reason


@dataclass(frozen=True, slots=True)
class Ref:
    """A resource's name. Identity is the UID, which goes along separately."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class GeneratorState(StrEnum):
    """What a generator is doing, for counting: an active one publishes or tries to, a failing one needs somebody."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    COMPLETED = "completed"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The Ready condition in the making: one reason of the table, one sentence for the user.

    `early`: the trouble is younger than its damping, so that Ready is Unknown rather than False (see `readiness`).
    """

    reason: Reason
    message: str
    early: bool = False


@dataclass(frozen=True, slots=True)
class Completion:
    """The Complete condition in the making: which bound ended the run, and a sentence that says so."""

    reason: CompletionReason
    message: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One generator at one moment. Counts are since this process took the resource up; `events_published` is per run.

    `generation` is the one in effect. `state` FAILING means Ready is False with Stalled. `connected` is about its broker.
    `interval_seconds` and `target_rate` (events/s, 0 when nothing is due) are exact; `observed_rate` is confirmed events/s
    over the last 30 s. `complete` is the Complete condition, `rate_limited` the message of RateLimited, None when absent.
    `advice` is the ConfigurationWarning condition, empty when absent.
    """

    ref: Ref
    uid: str
    generation: int
    state: GeneratorState
    verdict: Verdict
    complete: Completion | None
    rate_limited: str | None
    queue: str
    broker: str
    connected: bool
    interval_seconds: float
    target_rate: Fraction
    observed_rate: float
    random_seed: int
    generated: int
    published: int
    dropped: int
    retried: int
    skipped: int
    buffered: int
    in_flight: int
    events_published: int
    run_id: str | None
    bounded: bool
    start_time: datetime | None
    completion_time: datetime | None
    last_publish_time: datetime | None
    restarts: int
    advice: tuple[Advice, ...] = ()
