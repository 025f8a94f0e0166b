"""One audit event, ready to be sent: its body, and the few facts about it that are needed without parsing it."""

from typing import NamedTuple


class AuditEvent(NamedTuple):
    """`unix_seconds` is the event's time, whole seconds since 1970. `content_type` is the media type of `body`."""

    event_id: str
    event_type: str
    server_hostname: str
    action_result: str
    unix_seconds: int
    content_type: str
    body: bytes
