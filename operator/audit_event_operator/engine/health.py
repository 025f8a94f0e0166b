"""The aggregate that `/healthz` and the seed's connection gauge tell: are events getting through?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import GeneratorState, Snapshot


@dataclass(frozen=True, slots=True)
class Health:
    """The generators by state, how many active ones are connected, and whether events get through.

    Failing ones need the user; they alone make nothing unhealthy. `rabbitmq_connected` is the seed's contract: the default
    broker is up; without a default broker, no active generator exists or one of them is connected.
    """

    rabbitmq_connected: bool
    states: Mapping[GeneratorState, int]
    connected: int

    @property
    def total(self) -> int:
        """All generators."""
        return sum(self.states.values())


def assess(snapshots: Sequence[Snapshot], *, default_connected: bool | None) -> Health:
    """Judge a fleet; pure.

    Args:
        snapshots: the live resources.
        default_connected: whether the default broker is up, None when none is configured.
    """
    states = Counter(each.state for each in snapshots)
    connected = sum(each.facts.connected and each.state is GeneratorState.ACTIVE for each in snapshots)
    up = not states[GeneratorState.ACTIVE] or connected > 0 if default_connected is None else default_connected
    return Health(up, states, connected)


def health_of(fleet: Fleet, live: Sequence[Snapshot]) -> Health:
    """Judge the fleet as it is now. A fleet that is not running (standby) has nothing that could be down."""
    if not fleet.running:
        return assess([], default_connected=None)
    return assess(live, default_connected=None if fleet.default_stream is None else fleet.default_stream.connected)
