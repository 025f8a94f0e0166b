"""How long to wait for what. Only values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from audit_event_operator.resource.durations import Seconds


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a connection to a broker. Each is a setting; the text below it is its line in docs/settings.md."""

    connect_seconds: Seconds = 20
    """Deadline of one connection attempt, name look-up included."""
    rpc_seconds: Seconds = 20
    """Deadline of one answer by a broker."""
    confirm_seconds: Seconds = 60
    """Age of the oldest unconfirmed event at which the connection is given up."""
    heartbeat_seconds: Annotated[int, Field(ge=1, le=600)] = 15
    """AMQP heartbeat."""
    backoff_min_seconds: Seconds = 1
    """First wait before connecting again."""
    backoff_max_seconds: Seconds = 30
    """Longest wait before connecting again."""
    slow_retry_min_seconds: Seconds = 30
    """First wait before retrying what only the user can fix."""
    slow_retry_max_seconds: Seconds = 300
    """Longest wait before retrying what only the user can fix."""
    secret_failing_seconds: Seconds = 30
    """Longest time between two readings of a Secret while its broker fails."""
    secret_connected_seconds: Seconds = 300
    """Time between two readings of a Secret while its broker is connected."""
