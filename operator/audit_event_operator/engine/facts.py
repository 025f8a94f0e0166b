"""The facts about a generator, gathered for its snapshot from the parts that know them. Reads, decides nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.egress import Egress
from audit_event_operator.engine.ledger import Ledger
from audit_event_operator.resource.advice import Advice
from audit_event_operator.resource.conditions import Ready
from audit_event_operator.resource.status import Facts, Progress
from audit_event_operator.timeline.timeline import Timeline

_NS: Final = 1_000_000_000


def facts_before_any_spec(generation: int, ready: Ready, progress: Progress, restarts: int) -> Facts:
    """There was no valid spec yet: what the status told before still holds."""
    return Facts(
        generation,
        ready,
        run_id=progress.run_id,
        events_published=progress.events_published,
        events_dropped=progress.events_dropped,
        start_time=progress.start_time,
        completion_time=progress.completion_time,
        last_publish_time=progress.last_publish_time,
        restarts=restarts,
    )


def facts_of(
    generation: int,
    ready: Ready,
    timeline: Timeline,
    egress: Egress,
    ledger: Ledger,
    *,
    valid: bool,
    advice: tuple[Advice, ...],
    observed_rate: float,
    restarts: int,
) -> Facts:
    """What is true now; an invalid spec (`valid` false) asks for nothing and is not commented on."""
    spec, run, health = timeline.spec, timeline.run, egress.health
    asked, allowed = timeline.rates if valid else (Fraction(0), Fraction(0))
    return Facts(
        generation,
        ready,
        complete=run.complete if valid else None,
        rate_limited=None if allowed is asked else _rate_limited(asked, allowed),
        advice=advice if valid else (),
        destination=egress.label,
        broker=egress.broker,
        connected=health.connected,
        interval_seconds=spec.interval_ns / _NS,
        target_rate=allowed,
        observed_rate=observed_rate,
        random_seed=timeline.seed,
        run_id=spec.run_id,
        bounded=spec.max_events is not None or spec.run_duration_ns is not None,
        events_published=ledger.run_published,
        events_dropped=ledger.run_dropped,
        start_time=run.start_time,
        completion_time=run.completion_time,
        last_publish_time=_last_publish_time(ledger, timeline.progress),
        restarts=restarts,
    )


def _rate_limited(asked: Fraction, allowed: Fraction) -> str:
    return f"spec asks for {float(asked):g} events/s; this operator allows {float(allowed):g} events/s here."


def _last_publish_time(ledger: Ledger, progress: Progress) -> datetime | None:
    last_ns = ledger.last_publish_unix_ns
    return progress.last_publish_time if last_ns is None else datetime.fromtimestamp(last_ns / _NS, UTC)
