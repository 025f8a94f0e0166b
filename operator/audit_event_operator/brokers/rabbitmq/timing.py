"""How long to wait for what. Only values."""

import random
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import Field

from audit_event_operator.pacing.backoff import Backoff
from audit_event_operator.resource.durations import Seconds

LONGEST_PROBE_SECONDS: Final = 5.0
"""Between two looks whether an exchange routes by now: one event each, and nobody else tells that a queue was bound."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a connection to a broker. Each is a setting; the text below it is its line in docs/settings.md."""

    connect_seconds: Seconds = 20
    """Deadline of one connection attempt, including the DNS lookup."""
    rpc_seconds: Seconds = 20
    """Deadline of one reply from the broker."""
    confirm_seconds: Seconds = 60
    """Age at which an unconfirmed event makes the operator reconnect."""
    heartbeat_seconds: Annotated[int, Field(ge=1, le=600)] = 15
    """AMQP heartbeat."""
    backoff_min_seconds: Seconds = 1
    """First wait before reconnecting."""
    backoff_max_seconds: Seconds = 30
    """Longest wait before reconnecting."""
    slow_retry_min_seconds: Seconds = 30
    """First wait before retrying after an error that only the user can fix."""
    slow_retry_max_seconds: Seconds = 300
    """Longest wait before retrying after an error that only the user can fix."""
    secret_failing_seconds: Seconds = 30
    """Longest time between two reads of a Secret while its broker fails."""
    secret_connected_seconds: Seconds = 300
    """Time between two reads of a Secret while its broker is connected."""

    def backoff(self, rng: random.Random) -> Backoff:
        """The pauses between attempts."""
        return Backoff(self.backoff_min_seconds, self.backoff_max_seconds, rng)

    def probe_backoff(self, rng: random.Random) -> Backoff:
        """The pauses while an exchange does not route."""
        return Backoff(self.backoff_min_seconds, min(self.backoff_max_seconds, LONGEST_PROBE_SECONDS), rng)

    def slow_backoff(self, rng: random.Random) -> Backoff:
        """The pauses after an error that only the user can fix."""
        return Backoff(self.slow_retry_min_seconds, self.slow_retry_max_seconds, rng)
