"""What the log says of one generator: each event while they are few, a summary while they are many, and every turn of state.

Never an event's body. Slow generators are logged event by event, as the seed service did; above one event per second there
is one line every ten seconds. All generators together share a budget of lines, so that thousands of them do not spend their
time on writing a log that nobody can read; what it leaves out is summed up.
"""

import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.pacing.token_bucket import TokenBucket
from audit_event_operator.resource.conditions import Ready, Reason

logger = logging.getLogger(__name__)
EPISODES_LOGGER: Final = "audit_event_operator.episodes"
"""Where the episodes of scenarios are told of; the demo shows it."""

EVENT_BY_EVENT_RATE: Final = Fraction(1)
SUMMARY_SECONDS: Final = 10.0
LINES_PER_SECOND: Final = 50.0


class LineBudget:
    """How many lines of ordinary life all generators together may log; ten seconds' worth may be saved up."""

    __slots__ = ("_bucket", "left_out")

    def __init__(self, per_second: float = LINES_PER_SECOND) -> None:
        self.left_out = 0
        self._bucket = TokenBucket(per_second, per_second * SUMMARY_SECONDS)

    def take(self, now: float) -> bool:
        """Whether one more line may be written at `now` (seconds of any steady clock)."""
        allowed = self._bucket.take(now)
        self.left_out += not allowed
        return allowed

    def tell(self) -> None:
        """Called every ten seconds: say how many lines were left out, if any."""
        if self.left_out:
            logger.info("Suppressed %d lines about single events and generators: too many per second", self.left_out)
            self.left_out = 0


class ActivityLog:
    """Writes the log lines of one generator; `budget` is shared by all, `clock` gives seconds of a steady clock."""

    __slots__ = ("_budget", "_clock", "_last_count", "_last_time", "_reason", "_ref")

    def __init__(self, ref: Ref, budget: LineBudget, clock: Callable[[], float]) -> None:
        self._ref = ref
        self._budget = budget
        self._clock = clock
        self._reason: Reason | None = None
        self._last_time: float | None = None
        self._last_count = 0

    def event(self, event: AuditEvent) -> None:
        """One event was published."""
        if not self._budget.take(self._clock()):
            return
        logger.info(
            "Published event %s: %s %s from %s (%s)",
            event.event_id, event.event_type, event.action_result, event.server_hostname, self._ref,
        )  # fmt: skip

    def summary(self, now: float, published: int, destination: str, *, wanted: bool) -> None:
        """Called about once a second: every ten seconds one line, if anything was published and it was not told yet."""
        if self._last_time is None or not wanted:
            self._last_time, self._last_count = now, published
        elif now - self._last_time >= SUMMARY_SECONDS:
            count, seconds = published - self._last_count, now - self._last_time
            self._last_time, self._last_count = now, published
            if count and self._budget.take(now):
                logger.info("Published %d events in %.0f s to %s (%s)", count, seconds, destination, self._ref)

    def turn(self, ready: Ready) -> None:
        """Ready now; a line when its reason is another one than before."""
        if ready.reason is self._reason:
            return
        self._reason = ready.reason
        fine = Ready(ready.reason, "").readiness.status == "True" or ready.reason is Reason.STARTING
        if not fine or self._budget.take(self._clock()):
            level = logging.INFO if fine else logging.WARNING
            logger.log(level, "%s is %s: %s", self._ref, ready.reason, ready.message)
