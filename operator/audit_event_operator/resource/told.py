"""What a status tells: the facts that another process has written, as far as they can be read. Never raises."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from audit_event_operator.resource.conditions import Completion, CompletionReason, Ready, Reason
from audit_event_operator.resource.status import Facts, conditions_of, parse_progress

_NOT_TOLD: Final = "Nothing has been reported about this resource yet."
_REASONS: Final = {str(reason): reason for reason in Reason}
_ENDS: Final = {str(reason): reason for reason in CompletionReason}
_RATE: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?/s")


def facts_told(status: Mapping[str, Any], generation: int, interval_seconds: float = 0.0) -> Facts:
    """The facts behind a status; what it does not tell is as if nothing was known.

    Args:
        status: anybody's work.
        generation: the resource's, for a status that has none.
        interval_seconds: the spec's.
    """
    conditions = {str(each.get("type")): each for each in conditions_of(status)}
    ready = _ready(conditions.get("Ready"))
    told = status.get("observedGeneration")
    rate_limited, undelivered = conditions.get("RateLimited"), conditions.get("GroundTruthUndelivered")
    return Facts(
        told if isinstance(told, int) else generation,
        ready,
        complete=_completion(conditions.get("Complete")),
        rate_limited=None if rate_limited is None else str(rate_limited.get("message", "")),
        truth_undelivered=None if undelivered is None else str(undelivered.get("message", "")),
        destination=_text(status.get("destination")),
        queue=_text(status.get("queue")),
        broker=_text(status.get("broker")),
        connected=ready.reason is Reason.PUBLISHING,
        interval_seconds=interval_seconds,
        target_rate=_rate(status.get("targetRate")),
        observed_rate=float(_rate(status.get("observedRate"))),
        progress=parse_progress(status),
    )


def _ready(condition: Mapping[str, Any] | None) -> Ready:
    reason = None if condition is None else _REASONS.get(str(condition.get("reason")))
    if condition is None or reason is None:
        return Ready(Reason.STARTING, _NOT_TOLD)
    return Ready(reason, str(condition.get("message", "")))


def _completion(condition: Mapping[str, Any] | None) -> Completion | None:
    reason = None if condition is None else _ENDS.get(str(condition.get("reason")))
    return None if condition is None or reason is None else Completion(reason, str(condition.get("message", "")))


def _rate(text: object) -> Fraction:
    """Events per second of a text such as "0.2/s"."""
    if not isinstance(text, str) or _RATE.fullmatch(text) is None:
        return Fraction(0)
    return Fraction(text.removesuffix("/s"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
