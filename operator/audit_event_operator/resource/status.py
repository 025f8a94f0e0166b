"""What we answer: facts about a generator in, the `status` of its resource out, and progress read back from one.

Pure: the caller passes the previous status and the time. When and how it is written is none of its business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Final

from audit_event_operator.resource.advice import Advice
from audit_event_operator.resource.conditions import CompletionReason, ConditionStatus, Reason, readiness
from audit_event_operator.resource.fields import MAX_EXACT_INTEGER

MAX_MESSAGE_LENGTH: Final = 1024
MAX_OWNER_LENGTH: Final = 253


@dataclass(frozen=True, slots=True)
class Progress:
    """What was done in the current run before we came; all zero for a new resource."""

    events_published: int = 0
    run_id: str | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    last_publish_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a status shows.

    Attributes:
        observed_generation: the generation whose spec is in effect (for InvalidSpec: the one that was refused).
        reason: why the generator is ready or not.
        message: a sentence for the user that goes with the reason.
        early: the trouble is younger than its damping, so Ready is Unknown instead of False.
        rate_limited: a sentence when a cap cuts the rate, else None.
        completed: which bound ended the run, else None.
        advice: what is allowed in the spec but unwise, the gravest first.
        events_published: confirmed by the broker in the current run.
        events_dropped: given up in the current run.
        target_rate: events per second that are aimed at now; 0 while suspended. None is not shown.
        observed_rate: events per second confirmed lately. None is not shown.
        queue: the name of the queue.
        broker: `host:port/vhost` without the user.
        random_seed: the seed in effect.
        owner: identity of the operator process.
        start_time: first tick of the run, aware, as the others.
        completion_time: end of the run.
        last_publish_time: last confirm.
        run_id: the run that the counters belong to.
    """

    observed_generation: int
    reason: Reason
    message: str
    early: bool = False
    rate_limited: str | None = None
    completed: CompletionReason | None = None
    advice: tuple[Advice, ...] = ()
    events_published: int = 0
    events_dropped: int = 0
    target_rate: Fraction | None = None
    observed_rate: Fraction | None = None
    queue: str | None = None
    broker: str | None = None
    random_seed: int | None = None
    owner: str | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    last_publish_time: datetime | None = None
    run_id: str | None = None


def parse_progress(status: Mapping[str, Any] | None) -> Progress:
    """Read back what a status says was done. Never raises: what cannot be read counts as not done."""
    if not isinstance(status, Mapping):
        return Progress()
    published, run_id = status.get("eventsPublished"), status.get("runId")
    if isinstance(published, float) and published.is_integer():
        published = int(published)
    return Progress(
        events_published=published if type(published) is int and 0 <= published <= MAX_EXACT_INTEGER else 0,
        run_id=run_id if isinstance(run_id, str) and run_id else None,
        start_time=_parse_time(status.get("startTime")),
        completion_time=_parse_time(status.get("completionTime")),
        last_publish_time=_parse_time(status.get("lastPublishTime")),
    )


def build_status(facts: Facts, previous: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    """Build the whole status.

    Args:
        facts: what is true now.
        previous: the status before, for the transition times of conditions that did not change; may be anything.
        now: aware; the transition time of those that did.
    """
    status = {
        "observedGeneration": facts.observed_generation,
        "conditions": _conditions(facts, _transition_times(previous), _format_seconds(now)),
        "eventsPublished": facts.events_published,
        "eventsDropped": facts.events_dropped,
        "targetRate": None if facts.target_rate is None else format_rate(facts.target_rate),
        "observedRate": None if facts.observed_rate is None else format_rate(facts.observed_rate),
        "queue": facts.queue,
        "broker": facts.broker,
        "randomSeed": facts.random_seed,
        "owner": None if facts.owner is None else facts.owner[:MAX_OWNER_LENGTH],
        "startTime": _format_milliseconds(facts.start_time),
        "completionTime": _format_milliseconds(facts.completion_time),
        "lastPublishTime": _format_milliseconds(facts.last_publish_time),
        "runId": facts.run_id,
    }
    return {field: value for field, value in status.items() if value is not None}


def transition_key(status: Mapping[str, Any] | None) -> tuple[object, ...]:
    """Return what has to be written at once when it changes; two statuses with the same key differ in counters only.

    The key is the generation and, of every condition, all but its transition time. Never raises.
    """
    if not isinstance(status, Mapping):
        return ()
    conditions = sorted(
        tuple(str(condition.get(part)) for part in ("type", "status", "reason", "message", "observedGeneration"))
        for condition in _conditions_of(status)
    )
    return (status.get("observedGeneration"), *conditions)


def format_rate(events_per_second: Fraction) -> str:
    """Write a rate for people, without an exponent: "0.2/s", "1500/s", "0.3333/s".

    Four significant digits, but never less than the whole number.
    """
    if events_per_second <= 0:
        return "0/s"
    digits = max(4, len(str(int(events_per_second))))
    rounded = Context(prec=digits).divide(Decimal(events_per_second.numerator), Decimal(events_per_second.denominator))
    return f"{rounded.normalize():f}/s"


def _conditions(facts: Facts, since: Mapping[tuple[str, str], str], now: str) -> list[dict[str, Any]]:
    ready = readiness(facts.reason, early=facts.early)
    wanted: list[tuple[str, ConditionStatus, str, str]] = [("Ready", ready.status, facts.reason, facts.message)]
    if ready.reconciling:
        wanted.append(("Reconciling", "True", facts.reason, facts.message))
    if ready.stalled:
        wanted.append(("Stalled", "True", facts.reason, facts.message))
    if facts.rate_limited is not None:
        wanted.append(("RateLimited", "True", "RateLimited", facts.rate_limited))
    if facts.completed is not None:
        wanted.append(("Complete", "True", facts.completed, facts.message))
    if facts.advice:
        told = " ".join(advice.message for advice in facts.advice)
        wanted.append(("ConfigurationWarning", "True", facts.advice[0].reason, told))
    return [
        {
            "type": kind,
            "status": status,
            "observedGeneration": facts.observed_generation,
            "lastTransitionTime": since.get((kind, status), now),
            "reason": str(reason),
            "message": _shorten(message),
        }
        for kind, status, reason, message in wanted
    ]


def _conditions_of(status: Mapping[str, Any] | None) -> Iterable[Mapping[str, Any]]:
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    return [one for one in conditions if isinstance(one, Mapping)] if isinstance(conditions, list | tuple) else []


def _transition_times(previous: Mapping[str, Any] | None) -> dict[tuple[str, str], str]:
    """Collect when each condition took its status, as far as the previous status can be trusted."""
    return {
        (str(condition.get("type")), str(condition.get("status"))): condition["lastTransitionTime"]
        for condition in _conditions_of(previous)
        if _parse_time(condition.get("lastTransitionTime")) is not None
    }


def _shorten(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE_LENGTH else message[: MAX_MESSAGE_LENGTH - 1] + "…"


def _parse_time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    if time.tzinfo is None:
        return None
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return None


def _format_seconds(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _format_milliseconds(time: datetime | None) -> str | None:
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
