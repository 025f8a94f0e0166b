"""Arrival laws: where along Λ events arrive. Another law spreads the same number of events differently. Pure."""

from dataclasses import dataclass

from audit_event_operator.pacing.intensity import Intensity


@dataclass(frozen=True, slots=True)
class Batches:
    """`size` events at once, whenever Λ has grown by `size`: tick k arrives where Λ is k · size."""

    size: int

    def moment(self, tick: int, intensity: Intensity) -> int:
        """When a tick arrives, in nanoseconds since the origin."""
        return intensity.reached(tick * self.size * intensity.parts)

    def before(self, elapsed_ns: int, intensity: Intensity) -> int:
        """How many ticks arrive earlier than `elapsed_ns`."""
        if elapsed_ns <= 0:
            return 0
        return -(-intensity.amount(elapsed_ns) // (self.size * intensity.parts))
