"""Asks where a broker is, and remembers the answer for those who need not have the very latest."""

from __future__ import annotations

import asyncio

from audit_event_operator.brokers.ports import TargetLookup
from audit_event_operator.resource.conditions import DestinationUnavailable
from audit_event_operator.targets.reference import TargetReference
from audit_event_operator.targets.target import Target


class Resolver:
    """Looks targets up; many links of one reference that only watch for a change share one look."""

    def __init__(self, targets: TargetLookup) -> None:
        self._targets = targets
        self._known: dict[TargetReference, tuple[float, Target | DestinationUnavailable]] = {}

    async def resolve(self, reference: TargetReference) -> Target:
        """Look now.

        Raises:
            DestinationUnavailable: see `TargetLookup.resolve`.
        """
        answer: Target | DestinationUnavailable
        try:
            answer = await self._targets.resolve(reference)
        except DestinationUnavailable as unavailable:
            answer = unavailable
        self._known[reference] = (asyncio.get_running_loop().time(), answer)
        if isinstance(answer, DestinationUnavailable):
            raise answer
        return answer

    async def recent(self, reference: TargetReference, seconds: float) -> Target:
        """Look, unless somebody did within the last `seconds`."""
        known = self._known.get(reference)
        if known is None or asyncio.get_running_loop().time() - known[0] > seconds:
            return await self.resolve(reference)
        if isinstance(known[1], DestinationUnavailable):
            raise DestinationUnavailable(known[1].reason, known[1].message)
        return known[1]

    def forget(self, reference: TargetReference) -> None:
        """Nobody asks about it any more."""
        self._known.pop(reference, None)
