"""What a judge sees of an event: the fields that rules look at, read from the seed's JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

MICROSECONDS: Final = 1_000_000

_TIMESTAMP_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")


class Seen(NamedTuple):
    """One published event. `time_seconds` is Unix time; `details` are there for hints that have no field of their own."""

    time_seconds: float
    event_id: str
    event_type: str
    action_result: str
    user: str
    host: str
    address: str | None
    resource: str | None
    session: str | None
    details: Mapping[str, Any]

    @property
    def microseconds(self) -> int:
        """Its time as a whole number, so that the difference of two times is exact."""
        return round(self.time_seconds * MICROSECONDS)

    @property
    def failed_login(self) -> bool:
        return self.action_result == "FAILURE" and self.event_type == "user_login"

    @property
    def login(self) -> bool:
        return self.event_type == "user_login" and self.action_result == "SUCCESS"

    @property
    def unknown_user(self) -> bool:
        """Whether the login failed because nobody has this name."""
        return self.details.get("reason") == "Invalid user"


def read(body: bytes | Mapping[str, Any]) -> Seen:
    """Read the seed's JSON, as bytes or parsed. Address and resource are taken from the details where the top level has none.

    Raises:
        KeyError: a field that every event has is missing.
        ValueError: it is no JSON, or its time is not written as UTC with six digits and a Z.
    """
    event: Mapping[str, Any] = orjson.loads(body) if isinstance(body, bytes) else body
    details = event["details"]
    resource = event.get("resource")
    address = event.get("client_ip")
    return Seen(
        time_seconds=_unix_seconds(event["timestamp"]),
        event_id=event["event_id"],
        event_type=event["event_type"],
        action_result=event["action_result"],
        user=event["user_id"],
        host=event["server_hostname"],
        address=details.get("ip_address") if address is None else address,
        resource=details.get("resource") if resource is None else resource,
        session=details.get("session_id"),
        details=details,
    )


def _unix_seconds(timestamp: str) -> float:
    if len(timestamp) != _TIMESTAMP_LENGTH or timestamp[-1] != "Z":
        raise ValueError(f"The timestamp {timestamp!r} is not UTC with six digits and a Z.")
    return datetime.fromisoformat(timestamp).timestamp()
