"""One stream on a synthetic clock: as many events as asked for, in the order of their times, as fast as they can be made.

Nobody is late here and nothing is lost, so the steps may be far apart. Pure; who writes the events says what became of them.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import Slot, derive_seed
from audit_event_operator.events.identity import BYTES_PER_ID
from audit_event_operator.events.layouts.chosen import source_of
from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.resource.spec import Activity, GeneratorSpec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.entropy import KeyedEntropy
from audit_event_operator.timeline.reading import Reading
from audit_event_operator.timeline.timeline import Timeline
from audit_event_operator.world.scenarios.ending import Ending
from audit_event_operator.world.scenarios.truth import Record

BATCH: Final = 256
"""About so many events are made in one go: more are no faster, since the processor's cache then no longer holds them."""
_UNCAPPED: Final = Fraction(10**12)
_ALL: Final = 10**9
_STRETCH_NS: Final = 3_600 * NS_PER_SECOND
"""Of scenarios, so much is looked at in one go: they have no rate."""


class Batch(NamedTuple):
    """Events in the order of their times, with number and time of each."""

    slots: Sequence[Slot]
    events: list[AuditEvent]


class Replay:
    """One resource on a synthetic clock. `name`: `namespace/name`. `start_ns`: when its run begins, since 1970."""

    def __init__(self, name: str, uid: str, spec: GeneratorSpec, *, start_ns: int) -> None:
        self.name = name
        seed = derive_seed(uid) if spec.random_seed is None else spec.random_seed
        self._entropy = KeyedEntropy(f"{seed} {name} {start_ns}".encode())
        self._skips = spec.activity is Activity.INDEPENDENT and not spec.scenarios
        self._made = 0
        self._retracted: set[str] = set()
        self._now_ns = start_ns
        # It is taken up a second before, so that scenarios may say as much as they like from the first moment on.
        self.timeline = Timeline(
            uid,
            spec,
            Progress(),
            cap=_UNCAPPED,
            entropy=self._entropy,
            source=source_of(*name.split("/", 1)),
            punctual=True,
            now=_at(start_ns - NS_PER_SECOND),
        )
        self.next_ns: int | None = start_ns
        """When something happens next; None: never."""

    @property
    def independent(self) -> bool:
        """Any part of it can be made without what lies before."""
        return self._skips

    def skip(self, until_ns: int, stopped: Callable[[], bool] = lambda: False) -> None:
        """Go on to a moment without a word. What is not independent happens all the same, unless it is stopped."""
        if self._skips:
            self.leave_out(until_ns)
            return
        for moment in self._moments(until_ns, BATCH):
            if stopped():
                break
            if self._look(moment):
                now = _at(moment)
                self._act(now, published=False)
                while count := self.timeline.pass_over(BATCH, self._made, now):
                    self._made += count
                    self._entropy.skip(count * BYTES_PER_ID)

    def leave_out(self, until_ns: int) -> int:
        """Go on to a moment as if all had been said, where it is independent; returns how many events that were."""
        made = self._made
        for moment in self._moments(until_ns, None):
            if self._look(moment):
                count = self.timeline.leave_out(self._made)
                self._made += count
                self._entropy.skip(count * BYTES_PER_ID)
        return self._made - made

    def until(self, end_ns: int) -> Iterator[Batch]:
        """All that is due before a moment; it counts as published."""
        for moment in self._moments(end_ns, BATCH):
            if not self._look(moment):
                continue
            now = _at(moment)
            if acted := self._act(now, published=True):
                yield Batch(self.timeline.taken, acted)
            while events := self.timeline.take(BATCH, self._made, now):
                self._made += len(events)
                yield Batch(self.timeline.taken, events)

    def _act(self, now: Reading, *, published: bool) -> list[AuditEvent]:
        """What scenarios say at a moment."""
        timeline = self.timeline
        acts_ns = timeline.episodes.playbook.next_ns
        if acts_ns is None or acts_ns > now.ns:
            return []
        events = timeline.act(_ALL, self._made, now, ready=True)
        self._made += len(events)
        for event in events:
            if event.mark is not None:
                timeline.episodes.settle(event.mark, published=published)
        return events

    def stretch_ns(self, events: int, end_ns: int) -> int:
        """A moment, at most `end_ns`, before which about so many paced events are due."""
        if not self.timeline.ticking or self.next_ns is None:
            return min(end_ns, self._now_ns + 1)
        if self.timeline.episodes.playbook:
            end_ns = min(end_ns, self.next_ns + _STRETCH_NS)
        far_ns = self.timeline.reaching(events, end_ns)
        return end_ns if far_ns is None else min(end_ns, max(far_ns, self.next_ns) + 1)

    def retract(self, event_ids: set[str]) -> None:
        """These are not published after all, and nothing later is: `end` follows."""
        self._retracted |= event_ids

    def end(self, ending: Ending) -> None:
        """Nothing more is to come."""
        self.timeline.episodes.end(ending)
        self.next_ns = None

    def records(self) -> list[Record]:
        """The ground truth of episodes that have ended since, where anything of them was published."""
        playbook = self.timeline.episodes.playbook
        records, playbook.records = playbook.records, []
        playbook.news.clear()
        return [record for record in map(self._without_retracted, records) if record.said]

    # -- inside --------------------------------------------------------------------------------------------------------

    def _without_retracted(self, record: Record) -> Record:
        if self._retracted.isdisjoint(said.event_id for said in record.said):
            return record
        kept = tuple(said for said in record.said if said.event_id not in self._retracted)
        return record._replace(said=kept, complete=False, end_reason=Ending.RUN_COMPLETE)

    def _look(self, moment: int) -> bool:
        """See what is due; False where the run is over."""
        timeline, now = self.timeline, _at(moment)
        timeline.check(now, self._made)
        if timeline.resting:
            return False
        if not timeline.ticking:
            timeline.begin(now)
        timeline.advance(now)
        return True

    def _moments(self, end_ns: int, most: int | None) -> Iterator[int]:
        """When to look, before a moment: exactly where scenarios act and the run ends, and about every `most` events if set."""
        while self.next_ns is not None and self.next_ns < end_ns:
            moment = self._now_ns if not self.timeline.ticking else self._next_look(end_ns, most)
            self._now_ns = moment
            yield moment
            self.next_ns = self._next_ns()

    def _next_look(self, end_ns: int, most: int | None) -> int:
        stop_ns = min(self._exact() or end_ns, end_ns)
        far_ns = None if most is None else self.timeline.reaching(most, stop_ns)
        if far_ns is not None and far_ns < stop_ns:
            return max(far_ns, self._now_ns + 1)
        return stop_ns - 1 if self._now_ns < stop_ns - 1 or stop_ns == end_ns else stop_ns

    def _exact(self) -> int | None:
        """The next moment that must not be passed over."""
        timeline, now = self.timeline, _at(self._now_ns)
        left_ns = timeline.run.left_ns(timeline.spec, now)
        moments = [] if left_ns is None else [self._now_ns + left_ns]
        if (acts_ns := timeline.episodes.playbook.next_ns) is not None:
            moments.append(acts_ns)
        return max(min(moments), self._now_ns + 1) if moments else None

    def _next_ns(self) -> int | None:
        """When to look again at the earliest."""
        timeline = self.timeline
        timeline.check(_at(self._now_ns), self._made)
        if timeline.resting:
            return None
        moments = [each for each in (timeline.next_tick_ns, self._exact()) if each is not None]
        return max(min(moments), self._now_ns + 1) if moments else None


def _at(moment: int) -> Reading:
    """The synthetic clocks: both show the same."""
    return Reading(moment, moment)
