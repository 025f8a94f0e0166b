"""The aggregate that `/healthz` and the seed's connection gauge tell: are events getting through?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import GeneratorState, Snapshot


@dataclass(frozen=True, slots=True)
class Health:
    """Counts of generators, and the word on the whole. `failing` ones need somebody; they alone make nothing unhealthy."""

    rabbitmq_connected: bool
    total: int
    active: int
    connected: int
    suspended: int
    failing: int

    @property
    def healthy(self) -> bool:
        """The same as `rabbitmq_connected`: that is what the seed's contract makes of it."""
        return self.rabbitmq_connected


def assess(snapshots: Iterable[Snapshot], *, default_connected: bool | None) -> Health:
    """Judge a fleet; pure.

    Args:
        snapshots: the live resources.
        default_connected: whether the default target is up, None when none is configured. Without one, the fleet is
            unhealthy when active generators exist and none is connected; with nothing at all it is healthy.
    """
    total = active = connected = suspended = failing = 0
    for snapshot in snapshots:
        total += 1
        if snapshot.state is GeneratorState.ACTIVE:
            active += 1
            connected += snapshot.facts.connected
        elif snapshot.state is GeneratorState.SUSPENDED:
            suspended += 1
        elif snapshot.state is GeneratorState.FAILING:
            failing += 1
    up = (active == 0 or connected > 0) if default_connected is None else default_connected
    return Health(up, total, active, connected, suspended, failing)


def health_of(fleet: Fleet) -> Health:
    """Judge the fleet as it is now. A fleet that is not running (standby) has nothing that could be down."""
    if not fleet.running:
        return assess([], default_connected=None)
    return assess(
        fleet.snapshots(), default_connected=None if fleet.default_stream is None else fleet.default_stream.connected
    )
