"""What is due in one stream by a given moment, as a pure value: spec, seed, progress and clock readings in, due events out.

The live generator adds room, gate and readiness, and reads the real clocks; a loop over a synthetic clock uses the same
value. It knows no asyncio, no clock and no broker.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import Slot, derive_seed
from audit_event_operator.events.layouts.chosen import layout_of
from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.pacing.pacer import Due, Pacer
from audit_event_operator.resource.conditions import Completion
from audit_event_operator.resource.fields import MAX_EXACT_INTEGER
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.change import Change
from audit_event_operator.timeline.episodes import Episodes
from audit_event_operator.timeline.makers import Makers
from audit_event_operator.timeline.reading import Reading, unix_ns_of
from audit_event_operator.timeline.run import Run
from audit_event_operator.timeline.shaping import schedule_of
from audit_event_operator.timeline.start import first_tick_ns
from audit_event_operator.world.scenarios.ending import Ending

_SHORTEST_WAIT_NS: Final = 1_000_000
"""Shortest wait for the end of a run: the wall clock decides it, and the two clocks may differ slightly."""
_NO_ROOM_WAIT_NS: Final = 100_000_000
"""How long until events of a scenario look for room again."""
_CLOCKS_DIFFER_NS: Final = 250_000_000
"""When the wall clock has moved that far against the steady one, it was set, or has drifted for long."""
_LITTLE: Final = Fraction(1, 100)
_NOTHING_DUE: Final = Due(0, 0, 0, 0)
"""A rate that has changed by less is not worth telling."""


class Timeline:
    """The ticks, the run and the sequence of one stream.

    Call, at each moment: `check` (is the run over?), `advance` (what has become due?), `take` (make what there is room for),
    `act` (the same for scenarios, whose events come in addition).

    The seed follows from `uid` where the spec names none. `source`: what formats say of where events come from. `progress`:
    what was done of the run before. `cap`: most events per second. `entropy` gives as many random bytes as asked for, for
    the events' ids. `preexisting`: the resource was there before this process, so its first tick keeps the rhythm and is
    spread over `spread_ns`. `progress_kept`: an empty progress means that nothing was done; otherwise nobody knows.
    `punctual`: it is on a synthetic clock, on which nothing is late, however far apart the moments are at which it is
    called. `now`: when it is taken up.
    """

    __slots__ = (
        "_allowance",
        "_allowed_ns",
        "_cap",
        "_done",
        "_due",
        "_entropy",
        "_fresh",
        "_maker",
        "_makers",
        "_others",
        "_pacer",
        "_preexisting",
        "_punctual",
        "_rates",
        "_resume_ns",
        "_seen_ns",
        "_source",
        "_spread_ns",
        "_tick",
        "_told_rate",
        "_wall_offset_ns",
        "episodes",
        "pending",
        "progress",
        "run",
        "schedule",
        "seed",
        "sequence",
        "spec",
        "taken",
        "uid",
    )

    def __init__(
        self,
        uid: str,
        spec: GeneratorSpec,
        progress: Progress,
        *,
        cap: Fraction,
        entropy: Callable[[int], bytes],
        source: str = "",
        preexisting: bool = False,
        progress_kept: bool = True,
        spread_ns: int = 0,
        punctual: bool = False,
        now: Reading,
    ) -> None:
        self.uid = uid
        self.pending = 0
        """Events that are due and not made yet."""
        self.run = Run()
        self.progress = self.run.take_up(spec, progress)
        """What was done of the run before."""
        self.sequence = self.progress.events_published
        """The number of the next event."""
        self.taken: Sequence[Slot] = ()
        """Numbers and times of the events that were made last."""
        self.episodes = Episodes(self.progress.scenarios, entropy)
        """What scenarios add."""
        self._others = 0
        self._allowance = Fraction(1)
        self._allowed_ns = now.ns
        self._entropy = entropy
        self._source = source
        self._makers = Makers()
        self._fresh = progress_kept and not self.progress.events_published and self.progress.start_time is None
        self._preexisting = preexisting
        self._spread_ns = spread_ns
        self._punctual = punctual
        self._pacer: Pacer | None = None
        self._resume_ns = 0
        self._due = _NOTHING_DUE
        self._done = 0  # events of it that were made
        self._tick = -1, 0
        self._cap = cap
        self._rates: tuple[Fraction, Fraction] | None = None
        self._told_rate = Fraction(0)
        self._wall_offset_ns = now.unix_ns - now.ns
        self._use(spec, now)

    def _use(self, spec: GeneratorSpec, now: Reading) -> None:
        self.spec = spec
        self.seed = derive_seed(self.uid) if spec.random_seed is None else spec.random_seed
        layout = layout_of(spec.format, self._source)
        self._maker = self._makers.maker(spec, self.seed, fresh=self._fresh, entropy=self._entropy, layout=layout)
        self._fresh = False
        self.episodes.use(spec, self._makers.cast(spec, self.seed) if spec.scenarios else None, now, layout)
        self._plan(now)

    def _plan(self, now: Reading) -> None:
        """Make the schedule anew: bursts and stages count from the beginning of the run, before it from now."""
        start = self.run.start_time
        begun_ns = now.ns if start is None else unix_ns_of(start) - self._wall_offset_ns
        self.schedule = schedule_of(self.spec, self.seed, begun_ns=begun_ns, wall_offset_ns=self._wall_offset_ns)
        self._seen_ns, self._rates = now.ns, None
        if start is not None:
            self.episodes.begin(begun_ns, now)

    # -- what changes --------------------------------------------------------------------------------------------------

    def adopt(self, spec: GeneratorSpec, change: Change, now: Reading) -> None:
        """Put a changed spec in effect."""
        if change is Change.NEW_RUN:
            self.episodes.begin_run()
        elif change is Change.MOVED:
            self.episodes.end(Ending.DESTINATION_CHANGED)
        elif spec.suspend:
            self.episodes.end(Ending.SUSPENDED)
        self._use(spec, now)
        match change:
            case Change.NEW_RUN:
                self.sequence = self._others = 0
                self.run.begin()
                self._restart()
                self._plan(now)
            case Change.RESUMED:
                self._restart()
            case Change.MOVED:
                if self._pacer is not None:
                    self._resume_ns = min(self._pacer.next_ns, now.ns + (self.schedule.gap_ns(now.ns) or 0))
                self._pacer, self.pending = None, 0
            case Change.RETIMED:
                self._retime(now)
        if spec.suspend:
            self.pending = 0

    def cap_at(self, cap: Fraction, now: Reading) -> None:
        """Change the cap, in events per second."""
        self._cap, self._rates = cap, None
        self._retime(now)

    def follow(self, now: Reading) -> bool:
        """See what the shape asks for now, and whether the wall clock was set; True when that matters to others."""
        if not self.schedule.intensity.varies:
            return False
        offset_ns = now.unix_ns - now.ns
        clock_set = abs(offset_ns - self._wall_offset_ns) > _CLOCKS_DIFFER_NS
        if clock_set:
            self._wall_offset_ns = offset_ns
            self._plan(now)
            self._retime(now)
        self._seen_ns, self._rates = now.ns, None
        asked, told = self.rates[0], self._told_rate
        if (asked and abs(asked - told) < told * _LITTLE) or asked == told:
            return clock_set
        self._told_rate = asked
        return True

    def _retime(self, now: Reading) -> None:
        self._due, self._done = Due(self.pending, 0, 0, 0), 0
        if self._pacer is not None:
            self._pacer.change(self.schedule, self._cap, now.ns)

    def _restart(self) -> None:
        """Tick at once."""
        self._pacer, self._resume_ns, self.pending = None, 0, 0
        self._preexisting = False

    # -- what it knows ----------------------------------------------------------------------------------------------------

    @property
    def complete(self) -> Completion | None:
        """Which bound ended the run; None while it goes on."""
        return self.run.complete

    @property
    def resting(self) -> bool:
        """Nothing becomes due: the run is over or suspended."""
        return self.spec.suspend or self.run.complete is not None

    @property
    def ticking(self) -> bool:
        """Whether the ticks have begun."""
        return self._pacer is not None

    @property
    def rates(self) -> tuple[Fraction, Fraction]:
        """Events per second that the spec asked for at the last look, and what the cap leaves of it (the same object: all).

        Both are 0 while resting. Kept, because comparing fractions is slow.
        """
        if self._rates is None:
            asked = Fraction(0) if self.resting else self.schedule.rate_at(self._seen_ns)
            self._rates = asked, min(asked, self._cap)
        return self._rates

    @property
    def largest_event_bytes(self) -> int:
        """How long the body of an event may become."""
        return max(self._maker.largest_body_bytes, self.episodes.largest_body_bytes)

    @property
    def full_rate(self) -> Fraction:
        """The most events per second within the cap, resting or not."""
        return min(self.schedule.intensity.peak, self._cap)

    @property
    def interval_ns(self) -> int:
        """The longest time to expect between two ticks at this rate; the spec's interval while nothing is asked for."""
        if self.schedule.regular:
            return self.spec.interval_ns
        return self.schedule.gap_ns(self._seen_ns) or self.spec.interval_ns

    @property
    def longest_gap_ns(self) -> int:
        """The same, or how long nothing is asked for."""
        if self._pacer is None or self.schedule.regular:
            return self.interval_ns
        return max(self.interval_ns, self._pacer.gap_ns)

    @property
    def silent(self) -> str:
        """Why nothing is asked for at this time, for people; empty when something is."""
        if self.schedule.regular or self.rates[0]:
            return ""
        return (
            "spec.traffic asks for none at this time"
            if self.spec.events_per_interval
            else "spec.eventsPerInterval is 0"
        )

    # -- from moment to moment -----------------------------------------------------------------------------------------

    def check(self, now: Reading, published: int) -> bool:
        """See whether the run is over, or goes on because its bounds were raised; True when that has changed.

        `published`: events of this run that the broker confirmed.
        """
        if not self.run.check(self.spec, published, now):
            return False
        if self.run.complete is None:
            self._restart()
        else:
            self.episodes.end(Ending.RUN_COMPLETE)
        self.pending, self._rates = 0, None
        return True

    def begin(self, now: Reading) -> None:
        """Begin to tick: due events can be delivered now."""
        first_ns = max(now.ns, self._resume_ns)
        if self._preexisting:
            last = self.progress.last_publish_time
            ago_ns = None if last is None else now.unix_ns - int(last.timestamp() * NS_PER_SECOND)
            gap_ns = self.schedule.gap_ns(now.ns) or 0
            first_ns = first_tick_ns(self.uid, gap_ns, ago_ns, now.ns, self._spread_ns)
            self._preexisting = False
        if not self.schedule.regular:
            self.run.ticked(Reading(first_ns, now.unix_ns + first_ns - now.ns))  # what it asks for counts from here
            self._plan(now)
        self._pacer = Pacer(self.schedule, first_ns, self._cap, punctual=self._punctual)

    def advance(self, now: Reading) -> Due | None:
        """Move to `now`: what has become due since is pending, in place of what was; None when nothing has.

        What was still pending found no room in time; the caller counts it as skipped first.
        """
        due = None if self._pacer is None else self._pacer.due(now.ns)
        if due is not None:
            self.pending, self._due, self._done, self._tick = due.events, due, 0, (-1, 0)
            self.run.ticked(now)
        if not self.episodes.begun and self.run.start_time is not None:
            self.episodes.begin(unix_ns_of(self.run.start_time) - self._wall_offset_ns, now)
        return due

    def take(self, room: int, used: int, now: Reading) -> list[AuditEvent]:
        """Make pending events, at most `room`. Each carries the time at which it was due, by the wall clock of `now`.

        `used`: events of this run that were confirmed or still may be; maxEvents minus these is what is left.
        """
        return self._maker.make(self.taken, self._others) if self._number(room, used, now) else []

    def pass_over(self, room: int, used: int, now: Reading) -> int:
        """The same without writing anything: it happens, and `taken` says when. Returns how many events that were."""
        count = self._number(room, used, now)
        if count:
            self._maker.pass_over(self.taken, self._others)
        return count

    def _number(self, room: int, used: int, now: Reading) -> int:
        """Give numbers and times to the next pending events; how many there are."""
        self.pending = min(self.pending, self._left(used))
        count = min(self.pending, room)
        if count <= 0:
            return 0
        first, self.sequence = self.sequence, self.sequence + count
        numbered = zip(range(first, first + count), self._due_unix_ns(count, now), strict=True)
        self.taken = list(map(Slot._make, numbered))
        self.pending -= count
        self._done += count
        return count

    def put_away(self) -> None:
        """Keep nothing of what was made: what each tick replaces, the garbage collector looks through again and again."""
        self.taken = ()
        if not self.pending:
            self._due = _NOTHING_DUE

    def leave_out(self, used: int) -> int:
        """Pass over what is pending as if it had been made, and tell how many events that were; `used` as for `take`.

        Only where events are independent of each other: else what follows would be about things that never happened.
        """
        count, self.pending = min(self.pending, self._left(used)), 0
        self.sequence += count
        return count

    def act(self, room: int, used: int, now: Reading, *, ready: bool) -> list[AuditEvent]:
        """Make what is due of scenarios, at most `room`; `used` as for `take`. `ready`: events can be delivered now.

        The cap is for all events together: what it leaves beside the paced ones may be made, a second's worth at once.
        """
        if self.resting:
            return []
        spare = max(Fraction(0), self._cap - self.rates[1])
        earned = spare * (now.ns - self._allowed_ns) / NS_PER_SECOND
        self._allowance, self._allowed_ns = min(max(Fraction(1), spare), self._allowance + earned), now.ns
        self.episodes.look(now, ready=ready, limited=self._allowance < 1)
        events = self.episodes.make(self.sequence, min(room, self._left(used), int(self._allowance)), now)
        self.sequence += len(events)
        self._others += len(events)
        self.taken = self.episodes.taken
        self._allowance -= len(events)
        return events

    def _left(self, used: int) -> int:
        """How many events this run may still have."""
        return MAX_EXACT_INTEGER if self.spec.max_events is None else max(0, self.spec.max_events - used)

    def _due_unix_ns(self, count: int, now: Reading) -> Sequence[int]:
        """The times of the next pending events."""
        ahead_ns, ticks, pacer = now.unix_ns - now.ns, self._due.ticks, self._pacer
        if pacer is not None and self._due.events == len(ticks) and not ahead_ns:
            return pacer.moments(ticks[self._done : self._done + count])
        return [self._due_ns(index, now) + ahead_ns for index in range(count)]

    def _due_ns(self, index: int, now: Reading) -> int:
        """When the pending event at an index was due: those that are due together are spread evenly over their ticks.

        The present, where the ticks have been counted anew since.
        """
        events, ticks, pacer = self._due.events, self._due.ticks, self._pacer
        if pacer is None or not ticks:
            return now.ns
        tick = ticks[min(len(ticks) - 1, (self._done + index) * len(ticks) // events)]
        if tick != self._tick[0]:
            self._tick = tick, pacer.moment(tick)
        return self._tick[1]

    def reaching(self, events: int, before_ns: int) -> int | None:
        """By when about so many more of the paced events will be due; None where none is before `before_ns`."""
        pacer = self._pacer
        return None if pacer is None or pacer.next_ns >= before_ns else pacer.reaching(events)

    @property
    def next_tick_ns(self) -> int | None:
        """When the next paced event is due, or when to ask again; None where nothing ticks."""
        return None if self._pacer is None else self._pacer.next_ns

    def wait_ns(self, now: Reading) -> int | None:
        """How long until something becomes due or the run is over; None when neither will happen by itself."""
        waits = []
        if self._pacer is not None and not self.resting:
            waits.append(self._pacer.next_ns - now.ns)
            if (next_ns := self.episodes.playbook.next_ns) is not None:
                # What is due and finds no room is looked at again soon; an answer of the broker comes first.
                waits.append(max(_SHORTEST_WAIT_NS if next_ns > now.ns else _NO_ROOM_WAIT_NS, next_ns - now.ns))
        left_ns = self.run.left_ns(self.spec, now)
        if left_ns is not None:
            waits.append(max(_SHORTEST_WAIT_NS, left_ns))
        return max(0, min(waits)) if waits else None
