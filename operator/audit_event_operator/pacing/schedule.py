"""What a stream asks for over time: an intensity, and the law by which events arrive along it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from audit_event_operator.pacing.arrivals import Arrivals, Batches
from audit_event_operator.pacing.intensity import NS_PER_SECOND, Intensity, Steady


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is asked for; times are nanoseconds since the origin."""

    intensity: Intensity
    arrivals: Arrivals

    @classmethod
    def steady(cls, interval_ns: int, events: int) -> "Schedule":
        """`events` (1 to 10,000) at every interval (1 ms to 24 h), the first at the origin."""
        return cls(Steady(events, interval_ns), Batches(events))

    @property
    def regular(self) -> bool:
        """All ticks have the same distance."""
        return isinstance(self.intensity, Steady) and isinstance(self.arrivals, Batches)

    def starting(self, origin_ns: int) -> "Schedule":
        """The same with its origin at that moment of the caller's clock."""
        if self.regular:
            return self
        return Schedule(self.intensity.starting(origin_ns), self.arrivals.starting(origin_ns))

    @property
    def events(self) -> int:
        """How many events a tick has."""
        return self.arrivals.size

    def moment(self, tick: int) -> int:
        """When a tick arrives."""
        return self.arrivals.moment(tick, self.intensity)

    def moments(self, ticks: range) -> Sequence[int]:
        """When each of some consecutive ticks arrives."""
        intensity = self.intensity
        if isinstance(intensity, Steady) and self.arrivals == Batches(intensity.events):
            return range(ticks.start * intensity.interval_ns, ticks.stop * intensity.interval_ns, intensity.interval_ns)
        return [self.moment(tick) for tick in ticks]

    def before(self, elapsed_ns: int) -> int:
        """How many ticks arrive earlier than that."""
        return self.arrivals.before(elapsed_ns, self.intensity)

    def gap_ns(self, elapsed_ns: int) -> int | None:
        """The longest time to expect between two ticks at the rate of that moment; None while nothing is asked for."""
        rate = self.rate_at(elapsed_ns)
        return int(self.events * self.arrivals.longest_gap * NS_PER_SECOND / rate) if rate else None

    def rate_at(self, elapsed_ns: int) -> Fraction:
        """Events per second asked for."""
        return self.intensity.rate(elapsed_ns)
