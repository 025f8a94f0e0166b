"""How many events are asked for over time: the intensity λ(t) and its integral Λ(t), exact.

Times are nanoseconds since the intensity's own origin. Λ is counted in whole parts of an event (`parts` make one event), so
that no rounding adds up however long a stream runs. Knows no clock and not how events are spread along Λ.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Protocol

NS_PER_SECOND: Final = 1_000_000_000


class Intensity(Protocol):
    """λ(t) in events per second; every shape of traffic is one of these."""

    @property
    def parts(self) -> int:
        """How many parts make one event."""

    @property
    def peak(self) -> Fraction:
        """λ is never higher, in events per second."""

    @property
    def varies(self) -> bool:
        """Whether λ changes as time goes by."""

    def amount(self, elapsed_ns: int) -> int:
        """Λ(t) in parts: what is asked for from the origin until `elapsed_ns`. Never falls."""

    def reached(self, amount: int) -> int:
        """Λ⁻¹, to the nanosecond: when Λ is `amount` parts and grows further.

        Where that is far away, an earlier moment at which to ask again.
        """

    def rate(self, elapsed_ns: int) -> Fraction:
        """λ(t) in events per second."""

    def capped(self, cap: Fraction) -> "Intensity":
        """The same intensity, cut at `cap` events per second."""

    def starting(self, origin_ns: int) -> "Intensity":
        """The same λ with its origin at that moment of the caller's clock."""

    def forget(self, elapsed_ns: int) -> None:
        """Nobody will ask about moments before this one any more."""


@dataclass(frozen=True, slots=True)
class Steady:
    """`events` per `interval_ns`, constantly."""

    events: int
    interval_ns: int

    @property
    def parts(self) -> int:
        """One event has as many parts as the interval has nanoseconds."""
        return self.interval_ns

    @property
    def peak(self) -> Fraction:
        """λ is always the same."""
        return self.rate(0)

    @property
    def varies(self) -> bool:
        """λ is always the same."""
        return False

    def amount(self, elapsed_ns: int) -> int:
        """Λ(t) in parts."""
        return self.events * elapsed_ns

    def reached(self, amount: int) -> int:
        """Λ⁻¹."""
        return -(-amount // self.events)

    def rate(self, elapsed_ns: int) -> Fraction:
        """λ(t)."""
        return Fraction(self.events * NS_PER_SECOND, self.interval_ns)

    def capped(self, cap: Fraction) -> "Steady":
        """The slower of the two."""
        if self.rate(0) <= cap:
            return self
        return Steady(cap.numerator, cap.denominator * NS_PER_SECOND)

    def starting(self, origin_ns: int) -> "Steady":
        """All moments are alike."""
        return self

    def forget(self, elapsed_ns: int) -> None:
        """It remembers nothing."""
