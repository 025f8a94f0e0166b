"""Asks where a broker is, and remembers the answer for those who need not have the very latest."""

import asyncio
from typing import Protocol

from audit_event_operator.resource.conditions import DestinationUnavailable
from audit_event_operator.targets.reference import TargetReference
from audit_event_operator.targets.target import Target


class TargetLookup(Protocol):
    """Knows brokers by reference; cluster and files implement it."""

    async def resolve(self, reference: TargetReference) -> Target:
        """Look the broker up now (Secrets are read again each time; concurrent look-ups of one Secret are one GET).

        Raises:
            DestinationUnavailable: SecretNotFound, SecretNotAllowed, SecretInvalid, ClusterNotFound, NoBroker; or Starting
                while the API server does not answer and never did.
        """


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
        time = asyncio.get_running_loop().time
        try:
            target = await self._targets.resolve(reference)
        except DestinationUnavailable as unavailable:
            self._known[reference] = (time(), unavailable)
            raise
        self._known[reference] = (time(), target)
        return target

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
