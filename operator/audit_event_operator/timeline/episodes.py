"""What scenarios add to one stream: which of their events are due, made like all others, and what became of them. Pure."""

from collections.abc import Callable, Mapping, Sequence

from audit_event_operator.events.catalogue import in_session
from audit_event_operator.events.event import AuditEvent, Mark
from audit_event_operator.events.factory import Slot
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.layouts.seed_json import SEED_JSON
from audit_event_operator.events.occurrences import OccurrenceWriter
from audit_event_operator.resource.event_type import EventType
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import ScenarioStatus
from audit_event_operator.timeline.makers import LONGEST_VALUE, named
from audit_event_operator.timeline.reading import Reading
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.scenarios.ending import Ending
from audit_event_operator.world.scenarios.playbook import Cue, Playbook
from audit_event_operator.world.scenarios.scripts import KINDS
from audit_event_operator.world.scenarios.truth import Said


class Episodes:
    """The scenarios of one stream, and the writer of their events.

    `told`: what the status says of them. `entropy` gives as many random bytes as asked for.
    """

    __slots__ = (
        "_entropy",
        "_own",
        "_writer",
        "begun",
        "largest_body_bytes",
        "playbook",
        "taken",
    )

    def __init__(self, told: tuple[ScenarioStatus, ...], entropy: Callable[[int], bytes]) -> None:
        self.playbook = Playbook(told, entropy)
        self.largest_body_bytes = 0
        self.taken: Sequence[Slot] = ()
        """Numbers and times of the events that were made last."""
        self.begun = False
        """Whether schedules count."""
        self._entropy = entropy
        self._own: Mapping[str, EventType] = {}
        self._writer: OccurrenceWriter | None = None

    def use(self, spec: GeneratorSpec, cast: WorldCast | None, now: Reading, layout: Layout = SEED_JSON) -> None:
        """Play the scenarios of this spec from now on; `cast`: the people and hosts, where there are scenarios."""
        header = spec.ground_truth is not None and spec.ground_truth.header
        self._own = {each.name: each for each in spec.event_types}
        self._writer, self.largest_body_bytes = None, 0
        if spec.scenarios:
            self._writer = OccurrenceWriter(spec.event_types, layout=layout, entropy=self._entropy)
            kinds = {*KINDS, *(step.event for scenario in spec.scenarios for step in scenario.steps)}
            names = {*named(spec.entities), *_named(spec)}
            longest = max((len(layout.escape(name)) for name in names), default=0)
            self.largest_body_bytes = self._writer.largest_body_bytes(kinds, max(LONGEST_VALUE, longest))
        self.playbook.adopt(spec.scenarios, cast=cast, header=header, now_ns=now.ns)

    def begin(self, begun_ns: int, now: Reading) -> None:
        """The run began then."""
        self.begun = True
        self.playbook.begin(begun_ns, now.ns, ahead_ns=now.unix_ns - now.ns)

    def begin_run(self) -> None:
        """There is a new run, which has not begun yet."""
        self.begun = False
        self.playbook.begin_run()

    def end(self, ending: Ending) -> None:
        """End all that is under way."""
        self.playbook.end(ending)

    def look(self, now: Reading, *, ready: bool, limited: bool) -> None:
        """Begin, miss and end what is to begin, cannot begin and cannot go on; see `Playbook.look`."""
        self.playbook.look(now.ns, ahead_ns=now.unix_ns - now.ns, ready=ready, limited=limited)

    def make(self, first: int, most: int, now: Reading) -> list[AuditEvent]:
        """Make what is due, at most so many; the first one gets the number `first`."""
        cues = self.playbook.due(now.ns, most)
        if not cues or self._writer is None:
            return []
        ahead_ns = now.unix_ns - now.ns
        slots = self.taken = [Slot(first + index, cue.due_ns + ahead_ns) for index, cue in enumerate(cues)]
        events = self._writer.write(slots, [cue.move.occurrence for cue in cues])
        for slot, cue, event in zip(slots, cues, events, strict=True):
            self.playbook.made(cue.mark, self._said(slot, cue, event))
        return [event._replace(mark=cue.mark) for cue, event in zip(cues, events, strict=True)]

    def settle(self, mark: Mark, *, published: bool) -> bool:
        """What became of an event; True when its episode is over."""
        return self.playbook.settle(mark, published=published)

    def _said(self, slot: Slot, cue: Cue, event: AuditEvent) -> Said:
        happened = cue.move.occurrence
        own = self._own.get(happened.kind)
        if own is None:
            resource = str(happened.values.get("file", ""))
            address = "" if in_session(happened.kind).client_ip is None else cue.move.address
        else:
            resource = own.resource or own.details.get("resource", "")
            address = own.details.get("ip_address", "").replace("${client_ip}", cue.move.address)
        return Said(
            event.event_id,
            event.event_type,
            event.action_result,
            resource,
            happened.user,
            happened.host,
            address,
            cue.mark.step,
            slot.unix_ns,
        )


def _named(spec: GeneratorSpec) -> set[str]:
    """Users and hosts that scenarios name."""
    return {
        name
        for scenario in spec.scenarios
        for name in (
            *scenario.users,
            *scenario.hosts,
            *(each for step in scenario.steps for each in (step.user, step.host)),
        )
    }
