"""What we wrote to the API server and when it last answered: plain numbers for the metrics, read by whoever likes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from audit_event_operator.cluster.api.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    NotFound,
    Throttled,
    Unprocessable,
    Unreachable,
)


class Kind(StrEnum):
    """What is written."""

    STATUS = "status"
    EVENT = "event"
    LEASE = "lease"


class Result(StrEnum):
    """What became of a write."""

    OK = "ok"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"
    UNPROCESSABLE = "unprocessable"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


_RESULTS: tuple[tuple[type[ClusterError], Result], ...] = (
    (NotFound, Result.NOT_FOUND),
    (Conflict, Result.CONFLICT),
    (Forbidden, Result.FORBIDDEN),
    (Unprocessable, Result.UNPROCESSABLE),
    (Throttled, Result.THROTTLED),
    (Unreachable, Result.UNREACHABLE),
)


class ApiCounts:
    """What was written so far.

    Args:
        wall: the wall clock in seconds since 1970.
    """

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self.writes: Counter[tuple[Kind, Result]] = Counter()
        self.last_success_unix_seconds: float | None = None
        self._wall = wall

    def succeeded(self) -> None:
        """The API server answered with a success, to whatever request."""
        self.last_success_unix_seconds = self._wall()

    def wrote(self, kind: Kind) -> None:
        """A write succeeded."""
        self.writes[kind, Result.OK] += 1

    def failed(self, kind: Kind, error: ClusterError) -> None:
        """A write failed."""
        result = next((result for type_, result in _RESULTS if isinstance(error, type_)), Result.REFUSED)
        self.writes[kind, result] += 1
