"""Reads the Ready condition out of a status, which may be anybody's work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class ReadyCondition(NamedTuple):
    """What the Ready condition says."""

    status: str
    reason: str
    message: str


def ready_condition(status: Mapping[str, Any]) -> ReadyCondition | None:
    """The Ready condition, None when there is none."""
    conditions = status.get("conditions")
    for condition in conditions if isinstance(conditions, list) else []:
        if isinstance(condition, Mapping) and condition.get("type") == "Ready":
            return ReadyCondition(*(str(condition.get(part, "")) for part in ReadyCondition._fields))
    return None
