"""The JSON of the seed service, which the platform's consumers read. Its keys and their order are part of the contract."""

from dataclasses import dataclass
from typing import Final

from audit_event_operator.events.canonical import CanonicalEvent, Pattern, Value
from audit_event_operator.events.identity import timestamp_of
from audit_event_operator.events.layouts import Piece
from audit_event_operator.events.layouts.json_text import escaped, json_pieces


@dataclass(frozen=True, slots=True)
class SeedJson:
    """The layout of `format: Json`."""

    content_type: str = "application/json"

    def render(self, event: CanonicalEvent) -> list[Piece]:
        """Top-level `resource` and `client_ip` come last unless they were posted, and only if the event has them."""
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
        return json_pieces(fields)

    def escape(self, text: str) -> bytes:
        """As within the quotes of a JSON string."""
        return escaped(text)

    def timestamp(self, unix_ns: int) -> bytes:
        """UTC with six digits and a Z."""
        return timestamp_of(unix_ns).encode()


SEED_JSON: Final = SeedJson()
