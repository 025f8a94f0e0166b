"""What the log says of one generator: each event while they are few, a summary while they are many, and every turn of state.

Never an event's body. Slow generators are logged event by event, as the seed service did; above one event per second there
is one line every ten seconds.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.snapshot import Ref, Verdict
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.conditions import Reason, readiness

logger = logging.getLogger(__name__)

EVENT_BY_EVENT_RATE: Final = Fraction(1)
SUMMARY_SECONDS: Final = 10.0


class Chatter:
    """Writes the log lines of one generator."""

    __slots__ = ("_last_count", "_last_time", "_reason", "_ref")

    def __init__(self, ref: Ref) -> None:
        self._ref = ref
        self._reason: Reason | None = None
        self._last_time: float | None = None
        self._last_count = 0

    def event(self, event: AuditEvent) -> None:
        """One event was published."""
        logger.info(
            "Published event %s: %s %s from %s (%s)",
            event.event_id, event.event_type, event.action_result, event.server_hostname, self._ref,
        )  # fmt: skip

    def summary(self, now: float, published: int, queue: str, *, wanted: bool) -> None:
        """Called about once a second: every ten seconds one line, if anything was published and it was not told yet."""
        if self._last_time is None or not wanted:
            self._last_time, self._last_count = now, published
        elif now - self._last_time >= SUMMARY_SECONDS:
            count, seconds = published - self._last_count, now - self._last_time
            self._last_time, self._last_count = now, published
            if count:
                logger.info('Published %d events in %.0f s to queue "%s" (%s)', count, seconds, queue, self._ref)

    def turn(self, verdict: Verdict) -> None:
        """The verdict now; a line when its reason is another one than before."""
        if verdict.reason is self._reason:
            return
        self._reason = verdict.reason
        fine = readiness(verdict.reason).status == "True" or verdict.reason is Reason.STARTING
        logger.log(
            logging.INFO if fine else logging.WARNING, "%s is %s: %s", self._ref, verdict.reason, verdict.message
        )
