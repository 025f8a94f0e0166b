"""Streams with scenarios on a synthetic clock: a broker that takes everything at once, and what it was told of episodes."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.change import change_between
from audit_event_operator.timeline.reading import Reading
from audit_event_operator.timeline.timeline import Timeline
from audit_event_operator.world.scenarios.truth import Record
from support.worlds import MONDAY, counted

ROOM = 100_000
_NS = 1_000_000_000


class Told(NamedTuple):
    """What a stream said: its events in the order in which they were made, and the records of its episodes."""

    events: list[AuditEvent]
    records: list[Record]

    @property
    def background(self) -> Iterator[AuditEvent]:
        return (event for event in self.events if event.mark is None)

    @property
    def staged(self) -> Iterator[AuditEvent]:
        return (event for event in self.events if event.mark is not None)


class Stage:
    """One stream on a clock that its driver sets. `publishes` says of each event whether the broker takes it."""

    def __init__(
        self,
        *,
        progress: Progress | None = None,
        publishes: Callable[[AuditEvent], bool] = lambda _: True,
        start_seconds: float = MONDAY + 36_000,
        seed: int = 1,
        cap: int = 5_000,
        source: str = "",
        **spec: Any,
    ) -> None:
        self.ready = True
        self.room = ROOM
        self.told = Told([], [])
        self._publishes = publishes
        self._start_ns = round(start_seconds * _NS)
        self._now_ns = 0
        self._raw = {"activity": "Sessions", "randomSeed": seed, **spec}
        self.timeline = Timeline(
            "uid",
            parse_spec(self._raw),
            progress or Progress(),
            cap=Fraction(cap),
            entropy=counted(),
            source=source,
            now=self.now,
        )

    @property
    def now(self) -> Reading:
        return Reading(self._now_ns, self._start_ns + self._now_ns)

    @property
    def playbook(self):
        return self.timeline.episodes.playbook

    def until(self, seconds: float) -> "Stage":
        """Let time go on until so many seconds after the beginning."""
        end_ns = round(seconds * _NS)
        while True:
            self._step()
            wait_ns = self.timeline.wait_ns(self.now)
            if wait_ns is None or self._now_ns + wait_ns > end_ns:
                self._now_ns = end_ns
                return self
            self._now_ns += wait_ns

    def _step(self) -> None:
        timeline, now = self.timeline, self.now
        published = len(self.told.events)
        timeline.check(now, published)
        if not timeline.resting:
            if not timeline.ticking:
                timeline.begin(now)
            timeline.advance(now)
            self._take(timeline.act(self.room, published, now, ready=self.ready))
            self._take(timeline.take(self.room, len(self.told.events), now))
        self._collect()

    def _take(self, events: list[AuditEvent]) -> None:
        for event in events:
            published = self._publishes(event)
            if published:
                self.told.events.append(event)
            if event.mark is not None:
                self.timeline.episodes.settle(event.mark, published=published)

    def _collect(self) -> None:
        self.told.records.extend(self.playbook.records)
        self.playbook.records.clear()
        self.playbook.news.clear()

    def patch(self, **spec: Any) -> "Stage":
        """Change the spec."""
        self._raw |= spec
        after = parse_spec({key: value for key, value in self._raw.items() if value is not None})
        moved = after.queue != self.timeline.spec.queue
        change = change_between(self.timeline.spec, after, was_invalid=False, moved=moved)
        self.timeline.adopt(after, change, self.now)
        self._collect()
        return self
