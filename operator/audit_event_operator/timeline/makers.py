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


_SEED_CLIENTS: Final = (
    "192.168.1.100/30", "192.168.1.104/29", "192.168.1.112/28", "192.168.1.128/26", "192.168.1.192/29", "192.168.1.200/32",
)  # fmt: skip
"""192.168.1.100 to 192.168.1.200, where the seed's users come from."""


class Maker(Protocol):
    """Makes the events of one stream."""

    def make(self, slots: Sequence[Slot], others: int = 0) -> list[AuditEvent]:
        """One event for each slot; `others`: so many of the numbers before were not its own."""

    def pass_over(self, slots: Sequence[Slot], others: int = 0) -> None:
        """What `make` would tell of these happens, and is not written."""

    @property
    def largest_body_bytes(self) -> int:
        """How long the body of an event may become."""


class SessionsMaker:
    """Events of users who behave. Their world outlives changes of the spec that leave its people the same."""

    __slots__ = (
        "_writer",
        "largest_body_bytes",
        "world",
    )

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

    def pass_over(self, slots: Sequence[Slot], others: int = 0) -> None:
        """See `Maker`."""
        happen = self.world.happen
        for sequence, unix_ns in slots:
            happen(sequence - others, unix_ns)


class Makers:
    """The world of one stream: kept as long as it is about the same people in the same zone."""

    __slots__ = (
        "_about",
        "_cast",
        "_world",
    )

    def __init__(self) -> None:
        self._cast: tuple[tuple[Entities, int], WorldCast] | None = None
        self._about: tuple[WorldCast, tzinfo] | None = None
        self._world: World | None = None

    def cast(self, spec: GeneratorSpec, seed: int) -> WorldCast | None:
        """The users and hosts of this spec, where they behave or scenarios are about them; the same as long as they are."""
        if spec.activity is Activity.INDEPENDENT and not spec.scenarios:
            self._cast = None
            return None
        about = _entities(spec), seed
        if self._cast is None or self._cast[0] != about:
            self._cast = about, WorldCast(*about)
        return self._cast[1]

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
        cast = self.cast(spec, seed)
        if spec.activity is Activity.INDEPENDENT or cast is None:
            self._about = self._world = None
            drawn = IndependentCast(spec.entities, seed)
            return EventFactory(spec, seed=seed, layout=layout, entropy=entropy, cast=drawn)
        profile = None if spec.traffic is None else spec.traffic.profile
        about = cast, UTC if profile is None else profile.zone
        weights = weights_of(spec.event_mix, spec.activity)
        if self._world is None or about != self._about:
            self._world = World(cast, weights, LocalTime(about[1]), fresh=fresh)
        else:
            self._world.mix_in(weights)
        self._about = about
        steps = (step.user for scenario in spec.scenarios for step in scenario.steps)
        self._world.spare({*steps, *(user for scenario in spec.scenarios for user in scenario.users)})
        return SessionsMaker(spec, self._world, layout, entropy)


def named(entities: Entities) -> tuple[str, ...]:
    """The users and hosts that are named."""
    return (*(entities.users.names or ()), *(entities.hosts.names or ()))


def _entities(spec: GeneratorSpec) -> Entities:
    """The people and hosts of a spec; those of the seed service where events are independent draws and it names none."""
    entities = spec.entities
    if spec.activity is Activity.SESSIONS:
        return entities
    users, hosts = (
        group.model_copy(update={"names": group.listed, "count": group.count and max(group.count, len(group.listed))})
        for group in (entities.users, entities.hosts)
    )
    clients = entities.clients.model_copy(update={"cidrs": entities.clients.cidrs or _SEED_CLIENTS})
    return entities.model_copy(update={"users": users, "hosts": hosts, "clients": clients})
