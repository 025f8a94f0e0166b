"""Events posted by hand: completed like the seed service completes them, and kept free of poison.

Poison is what makes the platform's consumers put a message back for ever: an id that is no UUID, an address that is
none, a top-level text of more than 255 characters, a resource that is no text, NUL, NaN. Knows nothing of HTTP.
"""

from __future__ import annotations

import ipaddress
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.identity import NANOSECONDS_PER_SECOND, timestamp_of, uuid4_texts
from audit_event_operator.events.text import UNWRITABLE, writable

SOURCE_SERVICE: Final = "audit-event-generator-api"

_MAX_CHARACTERS: Final = 255
_MAX_DEPTH: Final = 16
_MAX_NAME: Final = 100
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_TEXTS: Final = ("server_hostname", "event_type", "severity", "user_id", "action_result")

_KEYS_IN_ORDER: Final = (
    "event_id",
    "timestamp",
    "source_service",
    "server_hostname",
    "event_type",
    "severity",
    "user_id",
    "action_result",
    "details",
)

_Path = tuple[str | int, ...]


class PostedEventError(ValueError):
    """A posted event cannot be published; the message is a sentence that names the field."""


def posted_event(
    body: Mapping[str, Any],
    *,
    hosts: Sequence[str],
    users: Sequence[str],
    rng: random.Random,
    unix_ns: int,
    entropy: Callable[[int], bytes],
) -> AuditEvent:
    """Complete a posted body to an event.

    Args:
        body: what was posted; `event_type` is needed, other fields are kept. What we set ourselves is overwritten.
        hosts: from which the server_hostname is drawn when there is none.
        users: from which the user_id is drawn when there is none.
        rng: the random source for both.
        unix_ns: the event's time.
        entropy: gives as many random bytes as asked for; the id is made of them.

    Raises:
        PostedEventError: a field is missing or would be poison.
    """
    if body.get("event_type") in (None, ""):
        raise PostedEventError("Invalid event data. 'event_type' is required and must not be empty.")
    (event_id,) = uuid4_texts(entropy(16))
    given = {
        "server_hostname": writable(rng.choice(hosts)),
        "severity": "INFO",
        "user_id": writable(rng.choice(users)),
        "action_result": "SUCCESS",
        "details": {},
        **body,
        "event_id": event_id.decode(),
        "timestamp": timestamp_of(unix_ns),
        "source_service": SOURCE_SERVICE,
    }
    event = {key: given[key] for key in _KEYS_IN_ORDER} | given
    _check_object(event, ())
    _check_known(event)
    return AuditEvent(
        event["event_id"],
        event["event_type"],
        event["server_hostname"],
        event["action_result"],
        unix_ns // NANOSECONDS_PER_SECOND,
        orjson.dumps(event),
    )


def _check_known(event: dict[str, Any]) -> None:
    """Judge the fields that consumers read, and repeat those details at top level that they read only there."""
    for key in _TEXTS:
        _check_text(key, event[key])
    if len(event["event_type"].encode()) > _MAX_CHARACTERS:
        # It becomes a property of the message, whose texts AMQP bounds in bytes.
        raise PostedEventError(f"'event_type' must be at most {_MAX_CHARACTERS} bytes long in UTF-8.")
    details = event["details"]
    if not isinstance(details, dict):
        raise PostedEventError("'details' must be an object.")
    for key, detail, check in (("resource", "resource", _check_text), ("client_ip", "ip_address", _check_address)):
        if key in event:
            check(key, event[key])
        elif detail in details:
            check(f"details.{detail}", details[detail])
            event[key] = details[detail]


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) > _MAX_CHARACTERS:
        raise PostedEventError(f"'{name}' must be a text of at most {_MAX_CHARACTERS} characters.")
    if _CONTROL.search(value) is not None:
        raise PostedEventError(f"'{name}' must not hold control characters.")


def _check_address(name: str, value: Any) -> None:
    if not _is_address(value):
        raise PostedEventError(f"'{name}' must be an IPv4 or IPv6 address.")


def _is_address(value: Any) -> bool:
    if not isinstance(value, str) or "%" in value:  # databases take no zone
        return False
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def _check(value: Any, path: _Path) -> None:
    """Refuse what no consumer survives, wherever it stands."""
    match value:
        case None | bool():
            pass
        case str():
            _check_writable(value, path)
            if len(path) == 1 and len(value) > _MAX_CHARACTERS:
                raise PostedEventError(f"'{_name(path)}' must be at most {_MAX_CHARACTERS} characters long.")
        case int():
            if not -(2**63) <= value < 2**63:
                raise PostedEventError(f"'{_name(path)}' must be a whole number of at most 64 bits.")
        case float():
            if not math.isfinite(value):
                raise PostedEventError(f"'{_name(path)}' must be a finite number.")
        case dict():
            _check_object(value, path)
        case list():
            _check_depth(path)
            for index, item in enumerate(value):
                _check(item, (*path, index))
        case _:
            raise PostedEventError(f"'{_name(path)}' must be a JSON value.")


def _check_object(members: Mapping[Any, Any], path: _Path) -> None:
    _check_depth(path)
    for key, member in members.items():
        if not isinstance(key, str):
            raise PostedEventError(f"'{_name((*path, repr(key)))}' must have a text as its name.")
        _check_writable(key, (*path, key))
        _check(member, (*path, key))


def _check_depth(path: _Path) -> None:
    if len(path) >= _MAX_DEPTH:
        raise PostedEventError(f"'{_name(path)}' is nested more than {_MAX_DEPTH} levels deep.")


def _check_writable(text: str, path: _Path) -> None:
    if UNWRITABLE.search(text) is not None:
        raise PostedEventError(f"'{_name(path)}' must not hold NUL or half surrogates.")


def _name(path: _Path) -> str:
    """A readable place such as details.items[3].name, cut when long."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    shown = "".join(char if char.isprintable() else "?" for char in place[: _MAX_NAME + 1])
    return shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 3]}..."
