"""What the platform's consumers survive, as one check that every event has to pass."""

import ipaddress
import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from audit_event_operator.events.event import AuditEvent

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for key, member in value.items():
                yield key
                yield from _texts(member)
        case list():
            for item in value:
                yield from _texts(item)


def read(event: AuditEvent) -> dict[str, Any]:
    """Parse the body of an event as strictly as the pickiest consumer, and fail when one of them would choke on it."""
    body: Any = json.loads(event.body.decode("utf-8"), parse_constant=_refuse_constant)
    assert isinstance(body, dict)
    assert not any("\x00" in text for text in _texts(body))
    assert all(len(value) <= 255 for value in body.values() if isinstance(value, str))

    identity = uuid.UUID(body["event_id"])
    assert (identity.version, identity.variant) == (4, uuid.RFC_4122)
    assert str(identity) == body["event_id"] == event.event_id

    assert _TIMESTAMP.fullmatch(body["timestamp"])
    moment = datetime.fromisoformat(body["timestamp"])
    assert int(moment.timestamp()) == event.unix_seconds

    for key in ("event_type", "server_hostname", "action_result"):
        assert body[key] == getattr(event, key)
    assert all(isinstance(body[key], str) for key in ("severity", "user_id", "source_service"))
    assert isinstance(body["details"], dict)
    if "resource" in body:
        assert isinstance(body["resource"], str)
    if "client_ip" in body:
        ipaddress.ip_address(body["client_ip"])
        assert "%" not in body["client_ip"]
    return body
