"""The Elastic Common Schema. What it has no field for goes to `labels`, which are texts."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from audit_event_operator.events.canonical import CanonicalEvent, Pattern, Value
from audit_event_operator.events.identity import stamp_of
from audit_event_operator.events.layouts import Piece
from audit_event_operator.events.layouts.derivations import LOWER, OUTCOMES, number_of
from audit_event_operator.events.layouts.ecs_kinds import COMMON, ECS_KINDS
from audit_event_operator.events.layouts.json_text import escaped, json_pieces
from audit_event_operator.events.layouts.mapping import Mapped, derived, flat, put

VERSION: Final = "9.0.0"
"""Of the schema."""

_SEVERITIES: Final = MappingProxyType({"INFO": 21, "WARNING": 47, "ERROR": 73, "CRITICAL": 99})
"""As Elastic's rules have them: low, medium, high, critical."""
_SEVERITY: Final = number_of(_SEVERITIES, 0)
_OUTCOME: Final = MappingProxyType({True: "success", False: "failure", None: "unknown"})


@dataclass(frozen=True, slots=True)
class Ecs:
    """The layout of `format: ECS`."""

    content_type: str = "application/json"
    escape = staticmethod(escaped)
    timestamp = staticmethod(stamp_of)

    def render(self, event: CanonicalEvent) -> list[Piece]:
        """One document, nested as the names of its fields are."""
        kind = ECS_KINDS.get(event.kind)
        mapped = Mapped(event)
        document: dict[str, Any] = {"@timestamp": Pattern((event.timestamp,)), "ecs": {"version": VERSION}}
        fields: dict[str, Value] = {
            "event.id": Pattern((event.event_id,)),
            "event.kind": "event",
            "event.action": event.event_type if kind is None else event.kind,
            "event.outcome": _OUTCOME[OUTCOMES.get(event.action_result)],
            "event.severity": derived(_SEVERITY, event.severity),
            "event.dataset": f"{event.source_service}.audit",
            "event.provider": event.source_service,
            "log.level": Pattern((derived(LOWER, event.severity),)),
        }
        if kind is not None:
            fields["event.category"], fields["event.type"] = kind.category, kind.type
        for path, value in fields.items():
            put(document, path, value)
        for path, template in {**COMMON, **({} if kind is None else kind.fields)}.items():
            filled = mapped.value(template)
            if filled is not None:
                put(document, path, filled)
        document["message"] = f"{event.event_type} {event.action_result}"
        labels = {"event_type": event.event_type, "action_result": event.action_result, **mapped.rest(event.details)}
        document["labels"] = flat({**labels, **event.more})
        return json_pieces(document)
