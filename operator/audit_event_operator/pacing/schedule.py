"""What a stream asks for over time: an intensity, and the law by which events arrive along it. Pure."""

from dataclasses import dataclass
from fractions import Fraction

from audit_event_operator.pacing.arrivals import Batches
from audit_event_operator.pacing.intensity import Intensity, Steady


@dataclass(frozen=True, slots=True)
class Schedule:
    """`events` per tick; times are nanoseconds since the origin, when the first tick arrives."""

    intensity: Intensity
    arrivals: Batches

    @classmethod
    def steady(cls, interval_ns: int, events: int) -> "Schedule":
        """`events` (1 to 10,000) at every interval (1 ms to 24 h)."""
        return cls(Steady(events, interval_ns), Batches(events))

    @property
    def events(self) -> int:
        """How many events a tick has."""
        return self.arrivals.size

    @property
    def longest_gap_ns(self) -> int:
        """The longest time between two ticks."""
        return self.moment(1)

    def moment(self, tick: int) -> int:
        """When a tick arrives."""
        return self.arrivals.moment(tick, self.intensity)

    def before(self, elapsed_ns: int) -> int:
        """How many ticks arrive earlier than that."""
        return self.arrivals.before(elapsed_ns, self.intensity)

    def rate_at(self, elapsed_ns: int) -> Fraction:
        """Events per second asked for."""
        return self.intensity.rate(elapsed_ns)
