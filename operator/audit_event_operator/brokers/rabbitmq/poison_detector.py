"""Finds the event on which a broker closes again and again, so that one bad event does not hold up all the others.

Pure: it is told of closes and what was in flight, and says whether to go on one by one and whom to drop.
"""

from collections.abc import Iterable
from typing import Final

from audit_event_operator.engine.outbox import Parcel

CLOSES_BEFORE_ONE_BY_ONE: Final = 2
SOLE_CLOSES_BEFORE_DROP: Final = 2


class PoisonDetector:
    """What is known about the closes of one link, across its connections."""

    def __init__(self) -> None:
        self._closes = 0
        self._suspects: list[Parcel] = []
        self._sole: Parcel | None = None
        self._sole_closes = 0

    @property
    def one_by_one(self) -> bool:
        """Whether only one event may be in flight; over as soon as all suspects have an outcome."""
        if not self._closes:
            return False
        self._suspects = [parcel for parcel in self._suspects if not parcel.settled]
        if not self._suspects:
            self._closes = self._sole_closes = 0
            self._sole = None
        return self._closes >= CLOSES_BEFORE_ONE_BY_ONE

    def closed(self, in_flight: Iterable[Parcel]) -> Parcel | None:
        """The broker closed on what it was sent; the parcel that must not be sent again, if that is certain now."""
        parcels = list(in_flight)
        alone = self.one_by_one
        self._closes += 1
        if not alone or len(parcels) != 1:
            self._suspects = list({id(parcel): parcel for parcel in (*self._suspects, *parcels)}.values())
            return None
        (sole,) = parcels
        self._sole_closes = self._sole_closes + 1 if sole is self._sole else 1
        self._sole = sole
        if sole not in self._suspects:
            self._suspects.append(sole)
        return sole if self._sole_closes >= SOLE_CLOSES_BEFORE_DROP else None
