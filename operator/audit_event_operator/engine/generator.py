"""One resource's generator: asks pacing *when* and events *what*, and puts the events into its outbox.

One task, woken by its deadline or by a change. A changed spec is taken up in place; only another queue or broker drains
first. It knows no broker, no Kubernetes and not who supervises it; it ends only by being cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.activity_log import EVENT_BY_EVENT_RATE, ActivityLog
from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.egress import Egress
from audit_event_operator.engine.ledger import DropReason, Ledger, SkipReason
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.plan import first_tick_ns, window_for
from audit_event_operator.engine.rates import ObservedRate
from audit_event_operator.engine.readiness_tracker import ReadinessTracker
from audit_event_operator.engine.run import Run
from audit_event_operator.engine.snapshot import GeneratorState, Ref, Snapshot, Verdict
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.events.factory import EventFactory, derive_seed
from audit_event_operator.pacing.pacer import Pacer
from audit_event_operator.resource.advice import Advice, advice_on
from audit_event_operator.resource.conditions import readiness
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import Progress

BATCH: Final = 100
"""Most events made in one turn of the loop, so that no generator holds the others up."""

GATE_POLL_SECONDS: Final = 0.25
_SHORTEST_SLEEP_SECONDS: Final = 10e-6
_NS: Final = 1_000_000_000


class Generator:
    """The running task of one resource, and everything that is known of it.

    Args:
        ref: the resource's name.
        uid: its identity.
        tools: brokers, clocks and limits.
        progress: what the resource's status says was done before us.
        preexisting: the resource existed before this process took over, so its first tick keeps the rhythm and is spread.
        changed: called on the loop whenever a reader may see something new.
    """

    def __init__(
        self,
        ref: Ref,
        uid: str,
        context: EngineContext,
        progress: Progress,
        *,
        preexisting: bool,
        changed: Callable[[], None],
    ) -> None:
        self.ref = ref
        self.uid = uid
        self.generation = -1
        self.latest_generation = -1
        self.restarts = 0
        self.gate = context.assignment.gate(ref)
        self.ledger = Ledger(context.totals)
        self.spec: GeneratorSpec | None = None
        self._context = context
        self._progress = progress
        self._preexisting = preexisting
        self._changed = changed
        self._wakeup = WakeableSleep()
        self._egress = Egress(ref, context, self.ledger, self, self._loop_time)
        self._run = Run()
        self._tracker = ReadinessTracker(context.damping)
        self._observed = ObservedRate()
        self._activity_log = ActivityLog(ref, context.lines, self._loop_time)
        self._told: Verdict | None = None
        self._desired: tuple[int, GeneratorSpec] | None = None
        self._factory: EventFactory | None = None
        self._advice: tuple[Advice, ...] = ()
        self._seed = 0
        self._sequence = 0
        self._pacer: Pacer | None = None
        self._cap = context.cap
        self._rates: tuple[Fraction, str | None] | None = None
        self._resume_ns = 0
        self._pending = 0
        self._hungry = False
        self._draining = False

    # -- what others ask of it -----------------------------------------------------------------------------------------

    @property
    def outbox(self) -> Outbox | None:
        """Where its events wait, also posted ones; None without a target."""
        return self._egress.outbox

    def apply(self, generation: int, spec: GeneratorSpec) -> None:
        """Make this spec the wanted one: in effect at once, or as soon as the old target has drained. The latest wins."""
        self.latest_generation = generation
        self._desired = (generation, spec)
        if not self._egress.needs_drain(spec):
            self._adopt_desired()
        self._wakeup.wake()

    def reject(self, generation: int, message: str) -> None:
        """The resource's spec is invalid: generate nothing, say why, and deliver what is already buffered."""
        self.latest_generation = self.generation = generation
        self._desired = None
        self._tracker.invalid = message
        self._pending = 0
        self._tell()

    def set_cap(self, cap: Fraction) -> None:
        """Take this resource's share of its namespace's cap, in events per second."""
        cap = min(cap, self._context.cap)
        if cap == self._cap:
            return
        self._cap = cap
        if self.spec is not None and self._pacer is not None:
            self._pacer.change(self.spec.interval_ns, self.spec.events_per_interval, self._cap, self._now_ns())
        self._resize()
        self._tell()
        self._wakeup.wake()

    def outlet_changed(self) -> None:
        """The outlet's health changed."""
        self._wakeup.wake()
        self._tell()

    def settled(self) -> None:
        """The broker answered: wake the task only when it can go on."""
        outbox, spec = self._egress.outbox, self.spec
        if outbox is None or spec is None:
            return
        if self._tracker.confirmed(self.ledger.published):
            self._tell()
        over = spec.max_events is not None and self.ledger.run_published >= spec.max_events
        fits = self._hungry and outbox.room >= min(self._pending, BATCH)
        if over or fits or (self._draining and outbox.idle):
            self._wakeup.wake()

    def crashed(self, message: str) -> None:
        """The task ended by an error and will be started again."""
        self.restarts += 1
        self._tracker.crashed = message
        self._tell()

    def wake(self) -> None:
        """Look at the clock and the gate again."""
        self._wakeup.wake()

    def stop(self, reason: DropReason, grace_seconds: float) -> None:
        """End delivery: what is buffered is dropped for `reason` now, what is in flight at the latest after the grace."""
        self._pending = 0
        self._egress.stop(reason, grace_seconds)

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing is buffered or in flight, at most `seconds`. Nothing may be generated meanwhile."""
        deadline = self._loop_time() + seconds
        self._draining = True
        try:
            while not self._egress.idle:
                left = deadline - self._loop_time()
                if left <= 0:
                    return False
                await self._wakeup.sleep(left)
        finally:
            self._draining = False
        return True

    # -- the task ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Generate until cancelled."""
        self._tracker.crashed = None
        while True:
            if self._desired is not None:
                await self._move()
            await self._wakeup.sleep(self._step())

    def _step(self) -> float | None:
        """Do what is due now; the seconds until there is something to do again, None when only a change can tell."""
        spec = self.spec
        if spec is None or self._tracker.invalid is not None or self._egress.outbox is None:
            return None
        self._check_run(spec)
        until_end = self._run.seconds_left(spec, self._wall())
        if self._run.complete is not None or spec.suspend:
            return until_end
        if not self.gate.is_open():
            return GATE_POLL_SECONDS
        now_ns = self._now_ns()
        pacer = self._pacer or self._begin(spec, now_ns)
        if pacer is None:
            return until_end
        due = pacer.due(now_ns)
        if due is not None:
            self._context.totals.schedule_lag_seconds.observe(due.lag_ns / _NS)
            self._skip_rest(self._egress.outbox)
            self.ledger.skip(SkipReason.LATE, due.late)
            self.ledger.skip(SkipReason.RATE_LIMITED, due.limited)
            self._pending = due.events
            self._run.ticked(self._wall())
        if self._pending and self._make_some(spec, self._egress.outbox):
            return 0.0
        wait = max(_SHORTEST_SLEEP_SECONDS, (pacer.next_ns - now_ns) / _NS)
        return wait if until_end is None else min(wait, until_end)

    def _begin(self, spec: GeneratorSpec, now_ns: int) -> Pacer | None:
        """Start the ticks once the outlet has been ready for the first time: nothing is generated before."""
        if self._egress.health.ready_since is None:
            return None
        first_ns = max(now_ns, self._resume_ns)
        if self._preexisting:
            last = self._progress.last_publish_time
            ago_ns = None if last is None else self._context.wall_ns() - int(last.timestamp() * _NS)
            spread_ns = int(self._context.spread_seconds * _NS)
            first_ns = first_tick_ns(self.uid, spec.interval_ns, ago_ns, now_ns, spread_ns)
            self._preexisting = False
        self._pacer = Pacer(spec.interval_ns, spec.events_per_interval, first_ns, self._cap)
        return self._pacer

    def _make_some(self, spec: GeneratorSpec, outbox: Outbox) -> bool:
        """Make what fits of the pending events, at most one batch; True when more can be made in the next turn."""
        if spec.max_events is not None:
            left = spec.max_events - self.ledger.run_published - outbox.run_pending
            self._pending = max(0, min(self._pending, left))
        count = min(self._pending, BATCH, outbox.room)
        if count > 0 and self._factory is not None:
            outbox.put(self._factory.make(self._sequence, count, self._context.wall_ns()))
            self._sequence += count
            self._pending -= count
        self._hungry = self._pending > 0
        return self._hungry and outbox.room > 0

    def _skip_rest(self, outbox: Outbox) -> None:
        """The next tick is due and some events of the last one never found room."""
        if self._pending:
            self.ledger.skip(SkipReason.GLOBAL_BUDGET if outbox.starved else SkipReason.BUFFER_FULL, self._pending)
            self._pending = 0
            self._tracker.skipped(self._loop_time(), taking=self._egress.taking)

    # -- taking a spec up ----------------------------------------------------------------------------------------------

    async def _move(self) -> None:
        """Drain to the old target where the wanted spec has another one, then take the latest wanted spec up."""
        while self._desired is not None:
            if self._egress.needs_drain(self._desired[1]):
                await self.drained(self._context.target_drain_seconds)
            # Meanwhile the wanted spec may have become another one, or have been taken up because it kept the target.
            self._adopt_desired()

    def _adopt_desired(self) -> None:
        """Put the wanted spec in effect now; what could drain has drained."""
        if self._desired is None:
            return
        (generation, spec), self._desired = self._desired, None
        before, self.spec = self.spec, spec
        was_invalid, self._tracker.invalid = self._tracker.invalid is not None, None
        self.generation = generation
        self._advice = advice_on(spec)
        self._seed = derive_seed(self.uid) if spec.random_seed is None else spec.random_seed
        self._factory = EventFactory(spec, seed=self._seed, entropy=self._context.entropy)
        moved = self._egress.take(spec, window_for(self._rate))
        if before is None:
            self._sequence = self.ledger.run_published = self._run.take_up(spec, self._progress)
        elif before.run_id != spec.run_id:
            self._begin_run()
        elif (before.suspend and not spec.suspend) or was_invalid:
            self._restart_ticks()
        elif moved:
            self._resume_ns = self._pacer.next_ns if self._pacer is not None else self._resume_ns
            self._pacer = None
            self._tracker.reset(self.ledger.published)
        elif self._pacer is not None:
            self._pacer.change(spec.interval_ns, spec.events_per_interval, self._cap, self._now_ns())
        if spec.suspend or moved:
            self._pending = 0
        self._resize()
        self._check_run(spec)
        self._tell()

    def _begin_run(self) -> None:
        """A new runId: count from zero, restart the sequence, tick at once."""
        if self._egress.outbox is not None:
            self._egress.outbox.begin_run()
        else:
            self.ledger.begin_run()
        self._sequence = 0
        self._run.begin()
        self._restart_ticks()

    def _restart_ticks(self) -> None:
        """Tick at once, and be ready only after the next confirm."""
        self._pacer, self._resume_ns, self._pending = None, 0, 0
        self._preexisting = False
        self._tracker.reset(self.ledger.published)

    def _check_run(self, spec: GeneratorSpec) -> None:
        """See whether the run is over, or goes on because its bounds were raised."""
        if not self._run.check(spec, self.ledger.run_published, self._wall()):
            return
        if self._run.complete is None:
            self._restart_ticks()
        self._pending = 0
        self._tell()

    def _resize(self) -> None:
        """Fit window and log to the rate."""
        self._egress.resize(window_for(self._rate))
        if self._egress.outbox is not None:
            self._egress.outbox.on_published = self._activity_log.event if self._rate <= EVENT_BY_EVENT_RATE else None

    # -- what others see -----------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Something that readers may see has changed: judge anew, log a turn, tell whoever listens."""
        self._rates = None
        self._tracker.forget_verdict()
        self._told = self.judge()
        self._activity_log.turn(self._told)
        self._changed()

    def judge(self) -> Verdict:
        """The verdict of this moment, at most a second old."""
        return self._tracker.verdict(self._loop_time(), self.spec, self._egress, self._run.complete)

    def sweep(self) -> bool:
        """Once a second: sample the rate; True when damping made the verdict another one."""
        now, published = self._loop_time(), self.ledger.published
        self._observed.sample(now, published)
        if self.spec is not None:
            many = self._egress.outbox is not None and self._egress.outbox.on_published is None
            self._activity_log.summary(now, published, self.spec.queue, wanted=many)
        self._tracker.forget_verdict()
        verdict = self.judge()
        self._activity_log.turn(verdict)
        if verdict == self._told:
            return False
        self._told = verdict
        return True

    @property
    def asked_rate(self) -> Fraction:
        """Events per second the spec asks for now; 0 while suspended, completed or invalid."""
        spec = self.spec
        if spec is None or spec.suspend or self._run.complete is not None or self._tracker.invalid is not None:
            return Fraction(0)
        return spec.target_rate

    def snapshot(self) -> Snapshot:
        """Everything that readers may know, as of now."""
        spec, outbox, ledger, run, verdict = self.spec, self._egress.outbox, self.ledger, self._run, self.judge()
        health = self._egress.health
        rate, limited = self._rates or self._set_rates()
        last_ns = ledger.last_publish_unix_ns
        last = datetime.fromtimestamp(last_ns / _NS, UTC) if last_ns is not None else self._progress.last_publish_time
        return Snapshot(
            ref=self.ref,
            uid=self.uid,
            generation=self.generation,
            state=self._state(verdict),
            verdict=verdict,
            complete=run.complete if self._tracker.invalid is None else None,
            rate_limited=limited,
            queue=spec.queue if spec is not None else "",
            broker=self._egress.broker,
            connected=health.connected,
            interval_seconds=spec.interval_ns / _NS if spec is not None else 0.0,
            target_rate=rate,
            observed_rate=self._observed.rate(self._loop_time(), ledger.published),
            random_seed=self._seed,
            generated=ledger.generated,
            published=ledger.published,
            dropped=ledger.dropped_total,
            retried=ledger.retried,
            skipped=ledger.skipped_total,
            buffered=outbox.buffered if outbox is not None else 0,
            in_flight=outbox.in_flight if outbox is not None else 0,
            events_published=ledger.run_published if spec is not None else self._progress.events_published,
            run_id=spec.run_id if spec is not None else self._progress.run_id,
            bounded=spec is not None and (spec.max_events is not None or spec.run_duration_ns is not None),
            start_time=run.start_time,
            completion_time=run.completion_time,
            last_publish_time=last,
            restarts=self.restarts,
            advice=self._advice if self._tracker.invalid is None else (),
        )

    def _set_rates(self) -> tuple[Fraction, str | None]:
        """The rate aimed at now, and what to say when a cap cuts it. Kept, because comparing fractions is slow."""
        asked = self.asked_rate
        rate = min(asked, self._cap)
        limited = None
        if rate < asked:
            limited = f"spec asks for {float(asked):g} events/s; this operator allows {float(rate):g} events/s here."
        self._rates = rate, limited
        return self._rates

    def _state(self, verdict: Verdict) -> GeneratorState:
        if readiness(verdict.reason).stalled:
            return GeneratorState.FAILING
        if self._run.complete is not None:
            return GeneratorState.COMPLETED
        if self.spec is not None and self.spec.suspend:
            return GeneratorState.SUSPENDED
        return GeneratorState.ACTIVE

    @property
    def _rate(self) -> Fraction:
        """What the spec asks for within the cap, whether or not it is suspended."""
        return min(self.spec.target_rate, self._cap) if self.spec is not None else Fraction(0)

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    @staticmethod
    def _now_ns() -> int:
        # Whole microseconds: a timer that ends a nanosecond early must not find its tick not due yet.
        return round(asyncio.get_running_loop().time() * 1e6) * 1_000

    def _wall(self) -> datetime:
        return datetime.fromtimestamp(self._context.wall_ns() / _NS, UTC)
