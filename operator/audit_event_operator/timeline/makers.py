"""From a spec to what makes its events: independent draws, or a world whose users behave. Pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, tzinfo
from typing import Final, Protocol

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import EventFactory, Slot
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.layouts.seed_json import SEED_JSON
from audit_event_operator.events.mix import weights_of
from audit_event_operator.events.occurrences import OccurrenceWriter
from audit_event_operator.resource.entities import Entities
from audit_event_operator.resource.spec import Activity, GeneratorSpec
from audit_event_operator.world.cast import IndependentCast, WorldCast
from audit_event_operator.world.hours import LocalTime
from audit_event_operator.world.world import World

LONGEST_VALUE: Final = 96
"""No value of a detail is longer, in bytes; users and hosts are asked for theirs."""


class Maker(Protocol):
    """Makes the events of one stream."""

    def make(self, slots: Sequence[Slot], others: int = 0) -> list[AuditEvent]:
        """One event for each slot; `others`: so many of the numbers before were not its own."""

    @property
    def largest_body_bytes(self) -> int:
        """How long the body of an event may become."""


class SessionsMaker:
    """Events of users who behave. Their world outlives changes of the spec that leave its people the same."""

    def __init__(self, spec: GeneratorSpec, world: World, layout: Layout, entropy: Callable[[int], bytes]) -> None:
        self.world = world
        self._writer = OccurrenceWriter(spec.event_types, layout=layout, entropy=entropy)
        longest = max((len(layout.escape(name)) for name in named(spec.entities)), default=0)
        self.largest_body_bytes = self._writer.largest_body_bytes(
            weights_of(spec.event_mix, spec.activity), max(LONGEST_VALUE, longest)
        )

    def make(self, slots: Sequence[Slot], others: int = 0) -> list[AuditEvent]:
        """What happens at each slot; weights are exact over all of them, whatever is told in between."""
        happen = self.world.happen
        return self._writer.write(slots, [happen(sequence - others, unix_ns) for sequence, unix_ns in slots])


class Makers:
    """The world of one stream: kept as long as it is about the same people in the same zone."""

    def __init__(self) -> None:
        self._about: tuple[Entities, int, tzinfo] | None = None
        self._world: World | None = None

    def maker(
        self,
        spec: GeneratorSpec,
        seed: int,
        *,
        fresh: bool,
        entropy: Callable[[int], bytes],
        layout: Layout = SEED_JSON,
    ) -> Maker:
        """What makes the events of this spec. `fresh`: nothing was told of its people before."""
        if spec.activity is Activity.INDEPENDENT:
            self._about = self._world = None
            cast = IndependentCast(spec.entities, seed)
            return EventFactory(spec, seed=seed, layout=layout, entropy=entropy, cast=cast)
        profile = None if spec.traffic is None else spec.traffic.profile
        about = spec.entities, seed, UTC if profile is None else profile.zone
        weights = weights_of(spec.event_mix, spec.activity)
        if self._world is None or about != self._about:
            self._world = World(WorldCast(spec.entities, seed), weights, LocalTime(about[2]), fresh=fresh)
        else:
            self._world.mix_in(weights)
        self._about = about
        steps = (step.user for scenario in spec.scenarios for step in scenario.steps)
        self._world.spare({*steps, *(user for scenario in spec.scenarios for user in scenario.users)})
        return SessionsMaker(spec, self._world, layout, entropy)


def named(entities: Entities) -> tuple[str, ...]:
    """The users and hosts that are named."""
    return (*(entities.users.names or ()), *(entities.hosts.names or ()))
