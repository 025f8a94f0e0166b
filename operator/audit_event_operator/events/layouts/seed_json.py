"""The JSON of the seed service, which the platform's consumers read. Its keys and their order are part of the contract."""

from dataclasses import dataclass
from typing import Final

from audit_event_operator.events.canonical import CanonicalEvent, Pattern, Value
from audit_event_operator.events.identity import stamp_of
from audit_event_operator.events.layouts import Piece
from audit_event_operator.events.layouts.json_text import escaped, json_pieces


def seed_fields(event: CanonicalEvent) -> dict[str, Value]:
    """The event as the seed tells it: top-level `resource` and `client_ip` come last unless they were posted, if at all."""
    fields: dict[str, Value] = {
        "event_id": Pattern((event.event_id,)),
        "timestamp": Pattern((event.timestamp,)),
        "source_service": event.source_service,
        "server_hostname": event.server_hostname,
        "event_type": event.event_type,
        "severity": event.severity,
        "user_id": event.user_id,
        "action_result": event.action_result,
        "details": event.details,
        **event.more,
    }
    if event.resource is not None:
        fields["resource"] = event.resource
    if event.client_ip is not None:
        fields["client_ip"] = event.client_ip
    return fields


@dataclass(frozen=True, slots=True)
class SeedJson:
    """The layout of `format: Json`."""

    content_type: str = "application/json"
    escape = staticmethod(escaped)
    timestamp = staticmethod(stamp_of)

    def render(self, event: CanonicalEvent) -> list[Piece]:
        """One object."""
        return json_pieces(seed_fields(event))


SEED_JSON: Final = SeedJson()
