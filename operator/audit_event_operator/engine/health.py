"""The aggregate that `/healthz` and the seed's connection gauge tell: are events getting through?"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Contribution, GeneratorState


@dataclass(frozen=True, slots=True)
class Health:
    """The generators by state, how many active ones are connected, and whether events get through.

    Failing ones need the user; they alone make nothing unhealthy. `rabbitmq_connected` is the seed's contract: the default
    broker is up; without a default broker, no active generator exists or one of them is connected.
    """

    rabbitmq_connected: bool
    states: Mapping[GeneratorState, int]
    connected: int


def health_of(fleet: Fleet, live: Counter[Contribution]) -> Health:
    """Judge the fleet by its live resources. One that is not running (standby) has nothing that could be down."""
    default_stream, contributions = (fleet.default_stream, live) if fleet.running else (None, Counter[Contribution]())
    states: Counter[GeneratorState] = Counter()
    for each, count in contributions.items():
        states[each.state] += count
    connected = contributions[Contribution(GeneratorState.ACTIVE, connected=True)]
    if default_stream is not None:
        return Health(default_stream.connected, states, connected)
    return Health(not states[GeneratorState.ACTIVE] or connected > 0, states, connected)
