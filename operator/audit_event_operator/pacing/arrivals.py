"""Arrival laws: where along Λ events arrive. Another law spreads the same number of events differently. Pure."""

import struct
from bisect import bisect_left
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from hashlib import shake_256
from typing import Final, Protocol

from audit_event_operator.pacing.intensity import Intensity

BLOCK: Final = 256
"""So many random numbers are drawn at once. Each block depends on seed and number only: no other is needed for it."""
_BITS: Final = 64
_DRAWS: Final = struct.Struct(f">{BLOCK}Q")
_HUNDRED: Final = 100


class Arrivals(Protocol):
    """Ticks, numbered from 0, and their places along Λ."""

    @property
    def size(self) -> int:
        """How many events a tick has."""

    def moment(self, tick: int, intensity: Intensity) -> int:
        """When a tick arrives, in nanoseconds since the origin."""

    def before(self, elapsed_ns: int, intensity: Intensity) -> int:
        """How many ticks arrive earlier than `elapsed_ns`."""

    @property
    def longest_gap(self) -> Fraction:
        """How far apart two ticks may well be, in average distances."""

    def starting(self, origin_ns: int) -> "Arrivals":
        """The same law for an origin at that moment of the caller's clock: with other random numbers, if it has any."""


@dataclass(frozen=True, slots=True)
class Batches:
    """`size` events at once, whenever Λ has grown by `size`: tick k arrives where Λ is k · size."""

    size: int

    @property
    def longest_gap(self) -> Fraction:
        """All distances are equal."""
        return Fraction(1)

    def moment(self, tick: int, intensity: Intensity) -> int:
        """When a tick arrives."""
        return intensity.reached(tick * self.size * intensity.parts)

    def before(self, elapsed_ns: int, intensity: Intensity) -> int:
        """How many ticks arrive earlier."""
        if elapsed_ns <= 0:
            return 0
        return -(-intensity.amount(elapsed_ns) // (self.size * intensity.parts))

    def starting(self, origin_ns: int) -> "Batches":
        """All origins are alike."""
        return self


@dataclass(frozen=True, slots=True)
class Jittered:
    """Batches, each moved back by up to `percent` (1 to 100) of its distance, so that none overtakes another.

    `ahead_ns`: so far is the wall clock ahead of the one that moments are of. Both laws draw from the time of day at which
    they start: a steady clock counts from nowhere in particular, and the same run on a synthetic one is to be the same.
    """

    size: int
    percent: int
    seed: int
    ahead_ns: int = 0
    origin_ns: int = 0

    @property
    def longest_gap(self) -> Fraction:
        """One tick not moved, the next one as far as possible."""
        return 1 + Fraction(self.percent, _HUNDRED)

    def moment(self, tick: int, intensity: Intensity) -> int:
        """When a tick arrives."""
        return intensity.reached(self._place(tick, self.size * intensity.parts))

    def before(self, elapsed_ns: int, intensity: Intensity) -> int:
        """How many ticks arrive earlier."""
        if elapsed_ns <= 0:
            return 0
        amount, distance = intensity.amount(elapsed_ns), self.size * intensity.parts
        tick = amount // distance
        return tick + (self._place(tick, distance) < amount)

    def starting(self, origin_ns: int) -> "Jittered":
        """The same law with other random numbers."""
        return replace(self, origin_ns=origin_ns)

    def _place(self, tick: int, distance: int) -> int:
        moved = _draws(self.seed, self.origin_ns + self.ahead_ns, tick // BLOCK)[tick % BLOCK] * self.percent * distance
        return tick * distance + (moved // _HUNDRED >> _BITS)


@dataclass(frozen=True, slots=True)
class Poisson:
    """Single events at random places: each stretch of Λ that is worth 256 events gets 256, wherever they fall in it.

    Within a block they are uniform and independent, so the gaps are those of a Poisson process; the long-run rate is exact.
    """

    seed: int
    ahead_ns: int = 0
    origin_ns: int = 0

    @property
    def size(self) -> int:
        """Every event is a tick of its own."""
        return 1

    @property
    def longest_gap(self) -> Fraction:
        """49 of 50 gaps are shorter."""
        return Fraction(4)

    def moment(self, tick: int, intensity: Intensity) -> int:
        """When a tick arrives."""
        block, number = divmod(tick, BLOCK)
        place = (
            _sorted_draws(self.seed, self.origin_ns + self.ahead_ns, block)[number] * BLOCK * intensity.parts >> _BITS
        )
        return intensity.reached(block * BLOCK * intensity.parts + place)

    def before(self, elapsed_ns: int, intensity: Intensity) -> int:
        """How many ticks arrive earlier."""
        if elapsed_ns <= 0:
            return 0
        stretch = BLOCK * intensity.parts
        block, place = divmod(intensity.amount(elapsed_ns), stretch)
        # A draw comes earlier if draw · stretch / 2^64, rounded down, is below the place.
        return block * BLOCK + bisect_left(
            _sorted_draws(self.seed, self.origin_ns + self.ahead_ns, block), -(-(place << _BITS) // stretch)
        )

    def starting(self, origin_ns: int) -> "Poisson":
        """The same law with other random numbers."""
        return replace(self, origin_ns=origin_ns)


def _block(seed: int, start_ns: int, block: int) -> tuple[int, ...]:
    """The random numbers of a block, 64 bits each."""
    return _DRAWS.unpack(shake_256(b"%d %d %d" % (seed, start_ns, block)).digest(_DRAWS.size))


@lru_cache(maxsize=512)
def _draws(seed: int, start_ns: int, block: int) -> tuple[int, ...]:
    return _block(seed, start_ns, block)


@lru_cache(maxsize=512)
def _sorted_draws(seed: int, start_ns: int, block: int) -> tuple[int, ...]:
    return tuple(sorted(_block(seed, start_ns, block)))
