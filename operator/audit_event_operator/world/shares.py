"""How often each kind of event happens: exact weights, and what could not happen when it was drawn is owed."""

from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from audit_event_operator.world.dice import Seed

_BLOCK: Final = 64
_FRACTION: Final = 2**32
_GOLDEN: Final = 2_654_435_769
"""2^32 divided by the golden ratio: its multiples cover the circle evenly, so that no share drifts however long it goes on."""


class Deck:
    """Draws kinds in blocks of 64: within a block the places on the scale of weights are evenly spaced and shuffled."""

    def __init__(self, weights: Mapping[str, int], seed: Seed) -> None:
        self._kinds = tuple(weights)
        self._sums = list(accumulate(weights.values()))
        self._seed = seed
        self._block = -1
        self._places: list[int] = []

    def draw(self, sequence: int) -> str:
        """The kind that the weights ask for at this number."""
        block, number = divmod(sequence, _BLOCK)
        if block != self._block:
            self._block, self._places = block, self._shuffled(block)
        return self._kinds[bisect_right(self._sums, self._places[number])]

    def _shuffled(self, block: int) -> list[int]:
        offset, total, dice = block * _GOLDEN % _FRACTION, self._sums[-1], self._seed.dice(block)
        places = [(number * _FRACTION + offset) * total // (_BLOCK * _FRACTION) for number in range(_BLOCK)]
        for last in range(_BLOCK - 1, 0, -1):
            other = dice.roll(last + 1)
            places[last], places[other] = places[other], places[last]
        return places


class Shares:
    """What was drawn and has not happened yet, and what has happened before it was drawn. Both have the same sum."""

    def __init__(self, limit: int) -> None:
        self.owed: dict[str, int] = {}
        """In the order in which the debts arose."""
        self._ahead: dict[str, int] = {}
        self._limit = limit

    def drawn(self, kind: str) -> None:
        """Now one more event is owed than has happened."""
        if not self._paid(kind):
            owed = self.owed.get(kind, 0)
            if owed < self._limit:
                self.owed[kind] = owed + 1
            elif self._ahead:  # what cannot happen for so long is forgiven
                self._paid(max(self._ahead, key=self._ahead.__getitem__))

    def _paid(self, kind: str) -> bool:
        ahead = self._ahead.get(kind, 0)
        if ahead == 1:
            del self._ahead[kind]
        elif ahead:
            self._ahead[kind] = ahead - 1
        return ahead > 0

    def happened(self, kind: str) -> None:
        """One debt less, or one event ahead."""
        owed = self.owed.get(kind, 0)
        if owed == 1:
            del self.owed[kind]
        elif owed:
            self.owed[kind] = owed - 1
        else:
            self._ahead[kind] = self._ahead.get(kind, 0) + 1

    def overdue(self, kind: str) -> bool:
        """Whether this kind has waited as long as any may."""
        return self.owed.get(kind, 0) >= self._limit
