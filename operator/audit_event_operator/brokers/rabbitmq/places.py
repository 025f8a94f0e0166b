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

    __slots__ = ("granted", "key", "number")

    def __init__(self, key: tuple[str, Hashable], number: int) -> None:
        self.key = key
        self.number = number
        self.granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Places:
    """`total` places; `per_namespace`: most of one namespace, None for no such bound.

    At any time, nobody waits who might have a place.
    """

    def __init__(self, total: int, per_namespace: int | None = None) -> None:
        self.total: Final = total
        self.per_namespace: Final = per_namespace
        self._in_namespace: Counter[str] = Counter()
        self._at_broker: Counter[tuple[str, Hashable]] = Counter()
        self._holders: set[Claim] = set()
        self._waiting: dict[tuple[str, Hashable], dict[Claim, None]] = {}
        """By namespace and broker, in order; there are no empty ones."""
        self._claims = 0

    def claim(self, namespace: str, broker: Hashable) -> Claim:
        """Ask for a place; `broker` has a share of its own within its namespace. `release` it in any case."""
        self._claims += 1
        claim = Claim((namespace, broker), self._claims)
        if self._has_place(claim):
            self._grant(claim)
        else:
            self._waiting.setdefault(claim.key, {})[claim] = None
        return claim

    def release(self, claim: Claim) -> None:
        """Want it no more, whether or not it was granted. Idempotent."""
        if claim in self._holders:
            self._holders.discard(claim)
            self._count(claim, -1)
            while (first := self._first()) is not None:
                self._forget(first)
                self._grant(first)
        elif claim in self._waiting.get(claim.key, ()):
            self._forget(claim)
            claim.granted.cancel()

    def held(self, namespace: str) -> int:
        """How many places a namespace has."""
        return self._in_namespace[namespace]

    def _first(self) -> Claim | None:
        """Who gets the next place: of all that may have one, whose namespace and broker hold least, and then who came first."""
        best = None
        for claims in self._waiting.values():
            claim = next(iter(claims))
            if self._has_place(claim) and (best is None or self._rank(claim) < self._rank(best)):
                best = claim
                if self._in_namespace[claim.key[0]] == 0:
                    break  # nobody holds less; the others in this state came later
        return best

    def _rank(self, claim: Claim) -> tuple[int, int, int]:
        return self._in_namespace[claim.key[0]], self._at_broker[claim.key], claim.number

    def _has_place(self, claim: Claim) -> bool:
        in_namespace, at_broker, _ = self._rank(claim)
        most = math.inf if self.per_namespace is None else self.per_namespace
        return in_namespace < most and self.total - len(self._holders) - in_namespace - at_broker > 0

    def _grant(self, claim: Claim) -> None:
        self._holders.add(claim)
        self._count(claim, 1)
        claim.granted.set_result(None)

    def _forget(self, claim: Claim) -> None:
        del self._waiting[claim.key][claim]
        if not self._waiting[claim.key]:
            del self._waiting[claim.key]

    def _count(self, claim: Claim, change: int) -> None:
        namespace, _ = claim.key
        self._in_namespace[namespace] += change
        self._at_broker[claim.key] += change
        if not self._in_namespace[namespace]:
            del self._in_namespace[namespace]
        if not self._at_broker[claim.key]:
            del self._at_broker[claim.key]
