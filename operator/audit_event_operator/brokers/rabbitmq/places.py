"""Who may have one of a limited number of places, so that no namespace and no broker can take them all.

A place is given while its namespace and, within it, its broker hold less than what is left (dynamic thresholds, as for
memory); who holds least is served first. Knows not what a place is good for.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Hashable
from typing import Final


class Claim:
    """A wish for a place; `granted` is done once it has one, and cancelled once it is not wanted any more."""

    __slots__ = ("broker", "granted", "namespace", "number")

    def __init__(self, namespace: str, broker: Hashable, number: int) -> None:
        self.namespace = namespace
        self.broker = broker
        self.number = number
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Places:
    """`total` places; `per_namespace`: most of one namespace, None for no such bound."""

    def __init__(self, total: int, per_namespace: int | None = None) -> None:
        self.total: Final = total
        self.per_namespace: Final = per_namespace
        self._in_namespace: Counter[str] = Counter()
        self._at_broker: Counter[tuple[str, Hashable]] = Counter()
        self._holders: set[Claim] = set()
        self._waiting: dict[Claim, None] = {}
        self._claims = 0

    def claim(self, namespace: str, broker: Hashable) -> Claim:
        """Ask for a place; `broker` has a share of its own within its namespace. `release` it in any case."""
        self._claims += 1
        claim = Claim(namespace, broker, self._claims)
        self._waiting[claim] = None
        self._grant()
        return claim

    def release(self, claim: Claim) -> None:
        """Want it no more, whether or not it was granted. Idempotent."""
        if claim in self._holders:
            self._holders.discard(claim)
            self._count(claim, -1)
            self._grant()
        elif claim in self._waiting:
            del self._waiting[claim]
            claim.granted.cancel()

    def held(self, namespace: str) -> int:
        """How many places a namespace has."""
        return self._in_namespace[namespace]

    def _grant(self) -> None:
        while (claim := min(filter(self._has_place, self._waiting), key=self._rank, default=None)) is not None:
            del self._waiting[claim]
            self._holders.add(claim)
            self._count(claim, 1)
            claim.granted.set_result(None)

    def _rank(self, claim: Claim) -> tuple[int, int, int]:
        return self._in_namespace[claim.namespace], self._at_broker[claim.namespace, claim.broker], claim.number

    def _has_place(self, claim: Claim) -> bool:
        in_namespace, at_broker, _ = self._rank(claim)
        most = math.inf if self.per_namespace is None else self.per_namespace
        return in_namespace < most and self.total - len(self._holders) - in_namespace - at_broker > 0

    def _count(self, claim: Claim, change: int) -> None:
        self._in_namespace[claim.namespace] += change
        self._at_broker[claim.namespace, claim.broker] += change
        if not self._in_namespace[claim.namespace]:
            del self._in_namespace[claim.namespace]
        if not self._at_broker[claim.namespace, claim.broker]:
            del self._at_broker[claim.namespace, claim.broker]
