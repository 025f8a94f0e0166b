"""Λ of a shape, from an origin on: pieces summed up as far as somebody asks, and forgotten behind them.

A stream that has run for months walks no further back than its last tick; Λ is exact and never falls.
"""

from bisect import bisect_right
from fractions import Fraction
from typing import Final

from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.pacing.shape import Piece, Shape

_MOST_PIECES: Final = 4_096
_FARTHEST_NS: Final = 8 * 86_400 * NS_PER_SECOND
"""Nobody looks further ahead, so that no stream holds up the others or fills the memory: not one whose rate is 0 either."""


class Shaped:
    """The intensity of a shape; its origin is a moment of the shape's clock. `cap`: most events per second.

    `since_ns`: where Λ is 0, if not at the origin.
    """

    def __init__(
        self, shape: Shape, origin_ns: int = 0, cap: Fraction | None = None, since_ns: int | None = None
    ) -> None:
        self._shape, self._origin_ns, self._cap = shape, origin_ns, cap
        finer = 1 if cap is None else cap.denominator * NS_PER_SECOND
        self.parts = shape.parts * finer
        """How many parts make one event."""
        self._finer = finer
        self._most = None if cap is None else cap.numerator * shape.parts
        self._pieces: list[Piece] = []
        self._starts: list[int] = []
        self._sums = [0]  # Λ where a piece begins, and at the end of the last one
        self._end_ns = origin_ns if since_ns is None else since_ns

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shaped) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return self._shape, self._origin_ns, self._cap

    def starting(self, origin_ns: int) -> "Shaped":
        """The same λ from another moment on."""
        return Shaped(self._shape, origin_ns, self._cap)

    def capped(self, cap: Fraction) -> "Shaped":
        """The same λ, at most `cap` events per second; its Λ is 0 at the first moment that this one remembers."""
        since_ns = self._starts[0] if self._starts else self._end_ns
        return self if self.peak <= cap else Shaped(self._shape, self._origin_ns, cap, since_ns)

    @property
    def peak(self) -> Fraction:
        """No λ is higher, in events per second."""
        return self._shape.peak if self._cap is None else min(self._cap, self._shape.peak)

    @property
    def varies(self) -> bool:
        """Whether λ changes as time goes by."""
        return self._shape.varies

    def rate(self, elapsed_ns: int) -> Fraction:
        """λ(t) in events per second."""
        rate = self._shape.rate(self._origin_ns + elapsed_ns)
        return rate if self._cap is None else min(self._cap, rate)

    def amount(self, elapsed_ns: int) -> int:
        """Λ(t) in parts."""
        moment = self._origin_ns + elapsed_ns
        while self._end_ns <= moment:
            self._extend()
        index = bisect_right(self._starts, moment) - 1
        return self._sums[index] + self._pieces[index].amount(moment)

    def reached(self, amount: int) -> int:
        """When Λ has come to `amount` and goes on; where that is far away, an earlier moment at which to ask again."""
        begin_ns = self._starts[0] if self._starts else self._end_ns
        while self._sums[-1] <= amount:
            if len(self._pieces) >= _MOST_PIECES or self._end_ns - begin_ns > _FARTHEST_NS:
                return self._end_ns - self._origin_ns
            self._extend()
        index = bisect_right(self._sums, amount) - 1
        return self._pieces[index].reached(amount - self._sums[index]) - self._origin_ns

    def forget(self, elapsed_ns: int) -> None:
        """Nobody will ask for anything before this moment."""
        past = bisect_right(self._starts, self._origin_ns + elapsed_ns) - 1
        if past > 0:
            del self._pieces[:past], self._starts[:past], self._sums[:past]

    def _extend(self) -> None:
        piece = self._shape.piece(self._end_ns)
        piece = piece._replace(scale=piece.scale * self._finer)
        for part in (piece,) if self._most is None else piece.cut(self._most):
            self._pieces.append(part)
            self._starts.append(part.start)
            self._sums.append(self._sums[-1] + part.amount(part.end))
        self._end_ns = piece.end
