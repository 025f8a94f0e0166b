"""From a spec to what its stream asks for over time, and whether that is anything at all. Pure."""

from datetime import datetime
from typing import Final

from audit_event_operator.pacing.arrivals import Arrivals, Batches, Jittered, Poisson
from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.pacing.schedule import Schedule
from audit_event_operator.pacing.shape import Shape
from audit_event_operator.pacing.shaped import Shaped
from audit_event_operator.resource.advice import Advice, AdviceReason
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.traffic import Arrival, Traffic
from audit_event_operator.timeline.reading import Reading, unix_ns_of

_LOOK_AHEAD_NS: Final = 14 * 86_400 * NS_PER_SECOND
_MOST_PIECES: Final = 4_096


def schedule_of(spec: GeneratorSpec, seed: int, *, begun_ns: int, wall_offset_ns: int) -> Schedule:
    """What a stream asks for; all moments are of a steady clock, and the wall clock is `wall_offset_ns` ahead of it."""
    traffic, events = spec.traffic or Traffic(), spec.events_per_interval
    arrivals: Arrivals = Batches(max(1, events))
    if traffic.arrival is Arrival.POISSON:
        arrivals = Poisson(seed, wall_offset_ns)
    elif traffic.jitter_percent:
        arrivals = Jittered(max(1, events), traffic.jitter_percent, seed, wall_offset_ns)
    elif traffic.plain and events:
        return Schedule.steady(spec.interval_ns, events)
    return Schedule(Shaped(Shape(events, spec.interval_ns, traffic, begun_ns, wall_offset_ns)), arrivals)


def advice_on_traffic(spec: GeneratorSpec, begun: datetime | None, now: Reading) -> tuple[Advice, ...]:
    """Warn of a shape that asks for nothing in the next 14 days; `begun`: when the run began, None for now."""
    if spec.traffic is None or spec.traffic.plain or not spec.events_per_interval:
        return ()
    begun_ns = now.unix_ns if begun is None else unix_ns_of(begun)
    shape, moment = Shape(1, spec.interval_ns, spec.traffic, begun_ns), now.unix_ns
    for _ in range(_MOST_PIECES):
        piece = shape.piece(moment)
        if not piece.silent:
            return ()
        moment = piece.end
        if moment >= now.unix_ns + _LOOK_AHEAD_NS:
            break
    return (
        Advice(
            AdviceReason.ASKS_FOR_NOTHING,
            "spec.traffic",
            "traffic asks for no events in the next 14 days: profile, bursts and stages multiply, and one of them is 0 at all"
            " times. Raise a percentage, set repeatStages, or set suspend if that is meant.",
        ),
    )
