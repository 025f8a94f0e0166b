"""What a posted event must not contain: values that make the platform's consumers requeue it endlessly.

Invalid addresses, top-level texts of more than 255 characters, a resource that is not a text, NUL, NaN. Knows neither how an
event is completed nor how it is written.
"""

import ipaddress
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from audit_event_operator.events.text import UNWRITABLE

TEXTS: Final = ("server_hostname", "event_type", "severity", "user_id", "action_result")
"""Fields that every event has, and that consumers take as short texts."""

_MAX_CHARACTERS: Final = 255
_MAX_DEPTH: Final = 16
_MAX_NAME: Final = 100
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_Path = tuple[str | int, ...]


class PostedEventError(ValueError):
    """A posted event cannot be published; the message is a sentence that names the field."""


def refuse_poison(event: Mapping[str, Any]) -> None:
    """Check a completed event, still as JSON.

    Raises:
        PostedEventError: it would be poison.
    """
    _check_object(event, ())
    for key in TEXTS:
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


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) > _MAX_CHARACTERS:
        raise PostedEventError(f"'{name}' must be a string of at most {_MAX_CHARACTERS} characters.")
    if _CONTROL.search(value) is not None:
        raise PostedEventError(f"'{name}' must not contain control characters.")


def _check_address(name: str, value: Any) -> None:
    try:
        ipaddress.ip_address(value if isinstance(value, str) and "%" not in value else "")  # databases take no zone
    except ValueError:
        raise PostedEventError(f"'{name}' must be an IPv4 or IPv6 address.") from None


def _check(value: Any, path: _Path) -> None:
    """Refuse what no consumer survives, at any depth."""
    match value:
        case None | bool():
            pass
        case str():
            _check_writable(value, path)
            if len(path) == 1 and len(value) > _MAX_CHARACTERS:
                raise PostedEventError(f"'{_name(path)}' must be at most {_MAX_CHARACTERS} characters long.")
        case int():
            if not -(2**63) <= value < 2**63:
                raise PostedEventError(f"'{_name(path)}' must be an integer of at most 64 bits.")
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
            raise PostedEventError(f"'{_name((*path, repr(key)))}' must have a string as its name.")
        _check_writable(key, (*path, key))
        _check(member, (*path, key))


def _check_depth(path: _Path) -> None:
    if len(path) >= _MAX_DEPTH:
        raise PostedEventError(f"'{_name(path)}' is nested more than {_MAX_DEPTH} levels deep.")


def _check_writable(text: str, path: _Path) -> None:
    if UNWRITABLE.search(text) is not None:
        raise PostedEventError(f"'{_name(path)}' must not contain NUL or half a surrogate pair.")


def _name(path: _Path) -> str:
    """A readable place such as details.items[3].name, cut when long."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
    shown = "".join(char if char.isprintable() else "?" for char in place[: _MAX_NAME + 1])
    return shown if len(shown) <= _MAX_NAME else f"{shown[: _MAX_NAME - 3]}..."
