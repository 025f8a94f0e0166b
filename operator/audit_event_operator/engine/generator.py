"""One resource's generator: a task that asks its timeline what is due and puts it into its outbox.

It is woken by its deadline or by a change. A changed spec is taken up in place; only another destination drains first. It
knows no broker, no Kubernetes and not its supervisor, and ends only by being cancelled.
"""

import asyncio
import logging
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.activity_log import EPISODES_LOGGER
from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.egress import Egress
from audit_event_operator.engine.ledger import DropReason, Ledger, SkipReason
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.snapshot import Ref, Snapshot
from audit_event_operator.engine.truth import LAST_WORDS_SECONDS, TruthTeller
from audit_event_operator.engine.view import GeneratorView
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.events.event import Mark
from audit_event_operator.events.layouts.chosen import source_of
from audit_event_operator.pacing.pacer import Due
from audit_event_operator.resource.advice import advice_on
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.change import Change, change_between
from audit_event_operator.timeline.reading import Reading
from audit_event_operator.timeline.shaping import advice_on_traffic
from audit_event_operator.timeline.timeline import Timeline
from audit_event_operator.world.scenarios.ending import Ending

episode_logger = logging.getLogger(EPISODES_LOGGER)

BATCH: Final = 100
"""Most events made in one turn of the loop, so that no generator holds the others up."""

GATE_POLL_SECONDS: Final = 0.25
_NS: Final = 1_000_000_000


class Generator:
    """The running task of one resource, and everything that is known of it.

    `progress` is what the resource's status says was done before us. A resource that is `preexisting` was there before this
    process took over, so its first tick keeps the rhythm and is spread, over `spread_seconds` if given. `changed` is called on
    the loop whenever a reader may see something new.
    """

    __slots__ = (
        "_cap",
        "_context",
        "_desired",
        "_draining",
        "_egress",
        "_hungry",
        "_preexisting",
        "_progress",
        "_spread_seconds",
        "_truth",
        "_view",
        "_wakeup",
        "gate",
        "ledger",
        "name",
        "namespace",
        "ref",
        "uid",
    )

    def __init__(
        self,
        ref: Ref,
        uid: str,
        context: EngineContext,
        progress: Progress,
        *,
        preexisting: bool,
        spread_seconds: float | None = None,
        changed: Callable[[], None],
    ) -> None:
        self.ref = ref
        self.namespace = ref.namespace
        self.name = ref.name
        self.uid = uid
        self.gate = context.assignment.gate(uid)
        self.ledger = Ledger(context.totals, ref.namespace)
        self._context = context
        self._progress = progress
        self._preexisting = preexisting
        self._spread_seconds = context.timing.start_spread_seconds if spread_seconds is None else spread_seconds
        self._wakeup = WakeableSleep(context.slots)
        self._egress = Egress(ref, context, self.ledger, self)
        self._truth = TruthTeller(ref, context, self.gate, changed)
        self._view = GeneratorView(
            ref, uid, context, self.ledger, self._egress, truth=self._truth, progress=progress, changed=changed
        )
        self._desired: tuple[int, GeneratorSpec] | None = None
        self._cap = context.cap
        self._hungry = False
        self._draining = False

    # -- what others ask of it -----------------------------------------------------------------------------------------

    @property
    def outbox(self) -> Outbox | None:
        """Where its events wait, also posted ones; None without a destination."""
        return self._egress.outbox

    @property
    def timeline(self) -> Timeline | None:
        """What it has to say; None until there was a valid spec."""
        return self._view.timeline

    @property
    def spec(self) -> GeneratorSpec | None:
        """The last valid spec that was in effect."""
        return None if self.timeline is None else self.timeline.spec

    @property
    def _valid(self) -> bool:
        return self._view.tracker.invalid is None

    def apply(self, generation: int, spec: GeneratorSpec) -> None:
        """Make this spec the wanted one: in effect at once, or as soon as the old destination has drained. The latest wins."""
        self._desired = (generation, spec)
        if not self._egress.needs_drain(spec):
            self._adopt_desired()
        self._wakeup.wake()

    def reject(self, generation: int, message: str) -> None:
        """The resource's spec is invalid: generate nothing, tell why, and deliver what is already buffered."""
        self._view.generation = generation
        self._desired = None
        self._view.tracker.invalid = message
        self._forget_pending()
        self.end_episodes(Ending.INVALID_SPEC)
        self._view.tell()

    def set_cap(self, cap: Fraction) -> None:
        """Take this resource's share of its namespace's cap, in events per second."""
        cap = min(cap, self._context.cap)
        if cap == self._cap:
            return
        self._cap = cap
        if self.timeline is not None:
            self.timeline.cap_at(cap, self._reading())
        self._resize()
        self._view.tell()
        self._wakeup.wake()

    def outlet_changed(self) -> None:
        """The outlet's health changed."""
        self._wakeup.wake()
        self._view.tell()

    def settled(self) -> None:
        """The broker answered: wake the task only when it can go on."""
        outbox, timeline = self._egress.outbox, self.timeline
        if outbox is None or timeline is None:
            return
        self._view.observe()
        if self._view.tracker.confirmed(self.ledger.published):
            self._view.tell()
        most = timeline.spec.max_events
        over = most is not None and self.ledger.run_published >= most
        # Where memory is short there may never be room for a batch: then for what there is, once the buffer is empty.
        fits = self._hungry and outbox.room >= (min(timeline.pending, BATCH) if outbox.buffered else 1)
        if over or fits or (self._draining and outbox.idle):
            self._wakeup.wake()

    def crashed(self, message: str) -> None:
        """The task ended by an error and will be started again."""
        self._view.restarts += 1
        self._view.tracker.crashed = message
        self._view.tell()

    def marked(self, mark: Mark, published: bool) -> None:
        """What became of an event of a scenario."""
        if self.timeline is not None and self.timeline.episodes.settle(mark, published=published):
            self._tell_episodes()

    def end_episodes(self, ending: Ending) -> None:
        """End what is under way of scenarios; what is on its way may still be published."""
        if self.timeline is not None:
            self.timeline.episodes.end(ending)
            self._tell_episodes()

    def wake(self) -> None:
        """Look at the clock and the gate again."""
        self._wakeup.wake()

    def stop(self, reason: DropReason, grace_seconds: float) -> None:
        """End delivery: what is buffered is dropped for `reason` now, what is in flight at the latest after the grace."""
        self._forget_pending()
        deleted = reason is DropReason.RESOURCE_DELETED
        self.end_episodes(Ending.RESOURCE_DELETED if deleted else Ending.OPERATOR_STOPPED)
        self._egress.stop(reason, grace_seconds)
        if grace_seconds and not (self._truth.idle and self._nothing_played):
            # What is still to be told of episodes may be written within the second that a deletion has for it.
            asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self._stop_truth, reason, grace_seconds)
        else:
            self._stop_truth(reason, grace_seconds)
        self.ledger.labels.leave()

    @property
    def settled_for_good(self) -> bool:
        """Once stopped: whether all that was on its way has an outcome."""
        return self._egress.idle and self._truth.idle and self._nothing_played

    def forget(self) -> None:
        """Once settled for good: let go of everything. It is of no use any more."""
        self._egress.forget()

    def _stop_truth(self, reason: DropReason, grace_seconds: float) -> None:
        self._truth.stop(reason, grace_seconds)
        if self.timeline is not None:
            self.timeline.episodes.playbook.give_up()
            self._tell_episodes()

    async def drained(self, seconds: float) -> None:
        """Wait until nothing is on its way and all is told, at most `seconds`. Nothing may be generated meanwhile."""
        end = self._context.now() + seconds
        await self._events_drained(seconds)
        await self._truth.drained(end - self._context.now())

    async def _events_drained(self, seconds: float) -> None:
        self._draining = True
        try:
            await self._egress.drained(seconds, self._wakeup)
        finally:
            self._draining = False

    # -- the task ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Generate until cancelled."""
        if self._view.tracker.crashed is not None:
            self._view.tracker.crashed = None
            self._view.tell()
        while True:
            if self._desired is not None:
                await self._move()
            await self._wakeup.sleep(self._step())

    def _step(self) -> float | None:
        """Do what is due now; the seconds until there is something to do again, None when only a change can tell."""
        timeline, outbox = self.timeline, self._egress.outbox
        if timeline is None or outbox is None or not self._valid:
            return None
        now = self._reading()
        self._check_run(timeline, now)
        if not timeline.resting:
            if not self.gate.is_open():
                return GATE_POLL_SECONDS
            if not timeline.ticking and self._egress.health.ready_since is not None:
                timeline.begin(now)  # not earlier: nothing is generated before the outlet was ready for the first time
            skipped = timeline.pending
            due = timeline.advance(now)
            if due is not None:
                self._count_due(due, outbox, skipped)
            if timeline.episodes.playbook:
                self._act(timeline, outbox)
            if timeline.pending and self._make_some(timeline, outbox):
                return 0.0
        wait_ns = timeline.wait_ns(now)
        return None if wait_ns is None else wait_ns / _NS

    def _count_due(self, due: Due, outbox: Outbox, skipped: int) -> None:
        """Count what became due, and what will not be made: `skipped` events of the last tick never found room."""
        self._context.totals.schedule_lag_seconds.observe(due.lag_ns / _NS)
        if skipped:
            self.ledger.skip(SkipReason.GLOBAL_BUDGET if outbox.starved else SkipReason.BUFFER_FULL, skipped)
            if self._view.tracker.skipped(self._context.now(), self._egress):
                self._view.tell()
        self.ledger.skip(SkipReason.LATE, due.late)
        self.ledger.skip(SkipReason.RATE_LIMITED, due.limited)

    def _act(self, timeline: Timeline, outbox: Outbox) -> None:
        """Make what is due of scenarios."""
        used = self._used(timeline, outbox)
        events = timeline.act(min(BATCH, outbox.room), used, self._reading(), ready=self._egress.taking)
        if events:
            outbox.put(events)
        self._tell_episodes()

    def _tell_episodes(self) -> None:
        """Pass on what episodes did."""
        playbook = None if self.timeline is None else self.timeline.episodes.playbook
        if playbook is None or not (playbook.news or playbook.records):
            return
        news, playbook.news = playbook.news, []
        records, playbook.records = playbook.records, []
        counts = self.ledger.of_namespace
        counts.episodes["missed"] += playbook.missed
        playbook.missed = 0
        for record in records:
            counts.episodes["complete" if record.complete else "incomplete"] += 1
            for alert in record.expected() if record.known else ():
                counts.expected_alerts[alert.rule] += alert.times
            self._truth.tell(record)
        for sentence in news:
            episode_logger.info("%s: %s", self.ref, sentence)
        self._view.tell()

    @property
    def _nothing_played(self) -> bool:
        return self.timeline is None or self.timeline.episodes.playbook.idle

    @staticmethod
    def _used(timeline: Timeline, outbox: Outbox) -> int:
        """Events of this run that were published or still may be, as far as that matters."""
        return 0 if timeline.spec.max_events is None else outbox.ledger.run_published + outbox.run_pending

    def _make_some(self, timeline: Timeline, outbox: Outbox) -> bool:
        """Make what fits of the pending events, at most one batch; True when more can be made in the next turn."""
        events = timeline.take(min(BATCH, outbox.room), self._used(timeline, outbox), self._reading())
        if events:
            outbox.put(events)
            timeline.put_away()
        self._hungry = timeline.pending > 0
        return self._hungry and outbox.room > 0

    # -- taking a spec up ----------------------------------------------------------------------------------------------

    async def _move(self) -> None:
        """Drain to the old destination where the wanted spec has another one, then take the latest wanted spec up."""
        while self._desired is not None:
            if self._egress.needs_drain(self._desired[1]):
                await self._events_drained(self._context.timing.target_drain_seconds)
            # Meanwhile the wanted spec may have become another one, or have been taken up because it kept the destination.
            self._adopt_desired()

    def _adopt_desired(self) -> None:
        """Put the wanted spec in effect now; what could drain has drained."""
        if self._desired is None:
            return
        (generation, spec), self._desired = self._desired, None
        was_invalid, self._view.tracker.invalid = not self._valid, None
        self._view.generation = generation
        moved, first = self._egress.take(spec, self._full_rate), self.timeline is None
        self._act_on(change_between(self.spec, spec, was_invalid=was_invalid, moved=moved), spec)
        self._resize()
        if not first:
            self._tell_episodes()  # of what the change has ended, where it was told of until now
        self._truth.use(spec)
        self._tell_episodes()
        if self.timeline is not None:
            now = self._reading()
            self._view.advice = (*advice_on_traffic(spec, self.timeline.run.start_time, now), *advice_on(spec))
            self._check_run(self.timeline, now)
        self._view.tell()

    def _act_on(self, change: Change, spec: GeneratorSpec) -> None:
        """Let timeline and ledger follow a change."""
        if self.timeline is None:
            timeline = self._view.timeline = Timeline(
                self.uid,
                spec,
                self._progress,
                cap=self._cap,
                entropy=self._context.entropy,
                source=source_of(self.ref.namespace, self.ref.name),
                preexisting=self._preexisting,
                progress_kept=self._context.progress_kept,
                spread_ns=int(self._spread_seconds * _NS),
                now=self._reading(),
            )
            self.ledger.take_up(timeline.progress)
        else:
            self.timeline.adopt(spec, change, self._reading())
        if change is Change.NEW_RUN:
            (self._egress.outbox or self.ledger).begin_run()
        if change.resets_ready:
            self._view.tracker.reset(self.ledger.published)

    def _check_run(self, timeline: Timeline, now: Reading) -> None:
        """See whether the run is over, or goes on because its bounds were raised."""
        if timeline.check(now, self.ledger.run_published):
            if timeline.complete is None:
                self._view.tracker.reset(self.ledger.published)
            self._tell_episodes()
            self._view.tell()

    def _resize(self) -> None:
        """Fit window and log to the rate."""
        if self.timeline is not None:
            self._egress.resize(self._full_rate, self.timeline.largest_event_bytes)
        if self._egress.outbox is not None:
            self._egress.outbox.on_marked = self.marked
        self._view.log_each_event(self._full_rate)

    def _forget_pending(self) -> None:
        if self.timeline is not None:
            self.timeline.pending = 0

    # -- what others see -----------------------------------------------------------------------------------------------

    def follow(self) -> bool:
        """Once a second while restless: see what a shaped stream asks for now; True when that has changed."""
        if self.timeline is None or not self.timeline.follow(self._reading()):
            return False
        self._wakeup.wake()
        return True

    @property
    def restless(self) -> bool:
        """Whether time alone may change what it asks for or what there is to tell, so that it has to be swept."""
        return self._view.restless or (self.timeline is not None and self.timeline.schedule.intensity.varies)

    def sweep(self) -> bool:
        """Once a second while restless: True when damping made Ready another one."""
        return self._view.sweep()

    def snapshot(self) -> Snapshot:
        """Everything that readers may know, as of now."""
        return self._view.snapshot()

    @property
    def asked_rate(self) -> Fraction:
        """Events per second the spec asks for now; 0 while suspended, completed or invalid."""
        return self.timeline.rates[0] if self.timeline is not None and self._valid else Fraction(0)

    @property
    def shaped(self) -> bool:
        """Whether the rate it asks for changes by itself, or scenarios add to it."""
        timeline = self.timeline
        return timeline is not None and (timeline.schedule.intensity.varies or bool(timeline.episodes.playbook))

    @property
    def _full_rate(self) -> Fraction:
        """Events per second within the cap, whether or not they are due now."""
        return self.timeline.full_rate if self.timeline is not None else Fraction(0)

    def _reading(self) -> Reading:
        # Whole microseconds: a timer that ends a nanosecond early must not find its tick not due yet.
        return Reading(round(self._context.now() * 1e6) * 1_000, self._context.wall_ns())
