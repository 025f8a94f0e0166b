"""Events posted by hand: completed like the seed service completes them, and kept free of poison.

Poison is what makes the platform's consumers put a message back for ever: ids that are no UUID, addresses that are none,
texts longer than 255 characters at top level, NUL, NaN. Knows nothing of HTTP.
"""

from __future__ import annotations

import ipaddress
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import timestamp_of, uuid4_texts

SOURCE_SERVICE: Final = "audit-event-generator-api"
_MAX_CHARACTERS: Final = 255
_MAX_DEPTH: Final = 16
_NS: Final = 1_000_000_000
_SET_BY_US: Final = ("event_id", "timestamp", "source_service")
_TEXTS: Final = ("server_hostname", "event_type", "severity", "user_id", "action_result")


class PostedEventError(ValueError):
    """A posted event cannot be published; a sentence that names the field."""


def posted_event(
    body: Mapping[str, Any],
    *,
    hosts: Sequence[str],
    users: Sequence[str],
    pick: random.Random,
    unix_ns: int,
    entropy: Callable[[int], bytes],
) -> AuditEvent:
    """Complete a posted body to an event.

    Args:
        body: what was posted; `event_type` is needed, other fields are kept. What we set ourselves is overwritten.
        hosts: from which the server_hostname is drawn when there is none.
        users: from which the user_id is drawn when there is none.
        pick: the random source for both.
        unix_ns: the event's time.
        entropy: random bytes for the id.

    Raises:
        PostedEventError: a field is missing or would be poison.
    """
    if body.get("event_type") in (None, ""):
        raise PostedEventError("Invalid event data. 'event_type' is required and must be a text.")
    ident = uuid4_texts(entropy(16))[0]
    event: dict[str, Any] = {
        "event_id": ident,
        "timestamp": timestamp_of(unix_ns),
        "source_service": SOURCE_SERVICE,
        "server_hostname": body["server_hostname"] if "server_hostname" in body else pick.choice(hosts),
        "event_type": body["event_type"],
        "severity": body.get("severity", "INFO"),
        "user_id": body["user_id"] if "user_id" in body else pick.choice(users),
        "action_result": body.get("action_result", "SUCCESS"),
        "details": body.get("details", {}),
    }
    event |= {key: value for key, value in body.items() if key not in event and key not in _SET_BY_US}
    for key in _TEXTS:
        _check_text(key, event[key])
    if not isinstance(event["details"], dict):
        raise PostedEventError("'details' must be an object.")
    for key, value in event.items():
        _check(key, value, depth=1, top=True)
    _promote(event)
    try:
        encoded = orjson.dumps(event)
    except (TypeError, ValueError):
        raise PostedEventError("The event holds a value that JSON cannot carry.") from None
    seconds = unix_ns // _NS
    return AuditEvent(ident, event["event_type"], event["server_hostname"], event["action_result"], seconds, encoded)


def _promote(event: dict[str, Any]) -> None:
    """Repeat details.resource and details.ip_address at top level, where the platform's consumers read them."""
    details = event["details"]
    if "resource" not in event and "resource" in details:
        event["resource"] = details["resource"]
        _check_text("details.resource", details["resource"])
    elif "resource" in event:
        _check_text("resource", event["resource"])
    if "client_ip" not in event and "ip_address" in details:
        event["client_ip"] = details["ip_address"]
    if "client_ip" in event:
        _check_address(
            "client_ip" if "ip_address" not in details else "client_ip (or details.ip_address)", event["client_ip"]
        )


def _check_text(key: str, value: Any) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_CHARACTERS:
        raise PostedEventError(f"'{key}' must be a text of 1 to {_MAX_CHARACTERS} characters.")
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise PostedEventError(f"'{key}' must not hold control characters.")


def _check_address(key: str, value: Any) -> None:
    try:
        address = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        address = None
    if address is None or "%" in str(value):
        raise PostedEventError(f"'{key}' must be an IPv4 or IPv6 address.")


def _check(place: str, value: Any, *, depth: int, top: bool = False) -> None:
    """Refuse what no consumer survives, wherever it stands."""
    name = _printable(place)
    if depth > _MAX_DEPTH:
        raise PostedEventError(f"'{name}' is nested more than {_MAX_DEPTH} levels deep.")
    if isinstance(value, str):
        if top and len(value) > _MAX_CHARACTERS:
            raise PostedEventError(f"'{name}' must be at most {_MAX_CHARACTERS} characters.")
        if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise PostedEventError(f"'{name}' must not hold NUL or half surrogates.")
    elif isinstance(value, bool) or (value is None):
        return
    elif isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            raise PostedEventError(f"'{name}' must be a number of at most 64 bits.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise PostedEventError(f"'{name}' must be a finite number.")
    elif isinstance(value, Mapping):
        for key, member in value.items():
            _check(f"{place}.{key}", key, depth=depth)
            _check(f"{place}.{key}", member, depth=depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(f"{place}[{index}]", item, depth=depth + 1)
    else:
        raise PostedEventError(f"'{name}' must be a JSON value.")


def _printable(place: str) -> str:
    text = place.encode("utf-8", "replace").decode()
    return text if len(text) <= 100 else f"{text[:97]}..."
