"""Events and slots for tests that do not care what they hold."""

from typing import Any

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import Slot


def make_event(event_id: str = "id-1", body: bytes = b"{}", **changes: Any) -> AuditEvent:
    event = AuditEvent(event_id, "user_login", "prod-web-01", "SUCCESS", 1_700_000_000, "application/json", body)
    return event._replace(**changes)


def slots(first: int, count: int, unix_ns: int = 0) -> list[Slot]:
    """Numbers in a row, all at one time."""
    return [Slot(sequence, unix_ns) for sequence in range(first, first + count)]
