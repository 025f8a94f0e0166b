"""Counts of HTTP requests in plain integers. Labels come from fixed sets only, never from what a caller sends."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from audit_event_operator.engine.ledger import Histogram

DURATION_BOUNDS_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OTHER: Final = "other"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpCounts:
    """Requests by (route, method, code), and how long answers took by route.

    `served`: (route template, method, code of success) of every route; they are there from the start with 0.
    """

    def __init__(self, served: Iterable[tuple[str, str, int]]) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, Histogram] = {OTHER: Histogram(DURATION_BOUNDS_SECONDS)}
        for route, method, code in served:
            self.requests[route, method, code] = 0
            self.seconds[route] = Histogram(DURATION_BOUNDS_SECONDS)

    def count(self, route: str | None, method: str, code: int, seconds: float) -> None:
        """Count one answered request; `route` is its template, None when there is no such route."""
        known = route if route in self.seconds else OTHER
        self.requests[known or OTHER, method if method in METHODS else OTHER, code] += 1
        self.seconds[known or OTHER].observe(seconds)
