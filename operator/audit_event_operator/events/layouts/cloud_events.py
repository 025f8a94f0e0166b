"""CloudEvents 1.0 in its structured JSON format: an envelope around the seed's JSON. Knows whose stream it writes."""

from dataclasses import dataclass
from typing import Final

from audit_event_operator.events.canonical import CanonicalEvent, Pattern
from audit_event_operator.events.identity import stamp_of
from audit_event_operator.events.layouts import Piece
from audit_event_operator.events.layouts.json_text import escaped, json_pieces
from audit_event_operator.events.layouts.seed_json import seed_fields

TYPE_PREFIX: Final = "net.jojees.auditflow."


@dataclass(frozen=True, slots=True)
class CloudEvents:
    """The layout of `format: CloudEvents`; `source` says where the events come from, as a URI reference."""

    source: str
    content_type: str = "application/cloudevents+json"
    escape = staticmethod(escaped)
    timestamp = staticmethod(stamp_of)

    def render(self, event: CanonicalEvent) -> list[Piece]:
        """The event's id, type and time stand in the envelope, and in `data` as they always do."""
        return json_pieces(
            {
                "specversion": "1.0",
                "id": Pattern((event.event_id,)),
                "source": self.source,
                "type": f"{TYPE_PREFIX}{event.event_type}",
                "time": Pattern((event.timestamp,)),
                "datacontenttype": "application/json",
                "data": seed_fields(event),
            }
        )
