"""One audit event, ready to be sent: its body, and the few facts about it that are needed without parsing it."""

from typing import NamedTuple


class AuditEvent(NamedTuple):
    """`body` is UTF-8 JSON. `unix_seconds` is the event's time, whole seconds since 1970."""

    event_id: str
    event_type: str
    server_hostname: str
    action_result: str
    unix_seconds: int
    body: bytes
