"""One resource's generator: asks pacing *when* and events *what*, and puts the events into its outbox.

One task, woken by its deadline or by a change. A changed spec is taken up in place; only another queue or broker drains
first. It knows no broker, no Kubernetes and not who supervises it; it ends only by being cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

from audit_event_operator.engine import run
from audit_event_operator.engine.chatter import EVENT_BY_EVENT_RATE, Chatter
from audit_event_operator.engine.ledger import DropReason, Ledger, SkipReason
from audit_event_operator.engine.nap import Nap
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.engine.plan import first_tick_ns, request_for, same_target, window_for
from audit_event_operator.engine.ports import Outlet, OutletRequest, TargetUnavailable, Trouble
from audit_event_operator.engine.rates import ObservedRate
from audit_event_operator.engine.readiness import Circumstances, judge
from audit_event_operator.engine.snapshot import Completion, GeneratorState, Ref, Snapshot, Verdict
from audit_event_operator.engine.tools import Tools
from audit_event_operator.events.factory import EventFactory, derive_seed
from audit_event_operator.pacing.pacer import Pacer
from audit_event_operator.resource.conditions import readiness
from audit_event_operator.resource.spec import Delivery, GeneratorSpec
from audit_event_operator.resource.status import Progress

BATCH: Final = 100
"""Most events made in one turn of the loop, so that no generator holds the others up."""

GATE_POLL_SECONDS: Final = 0.25
_SKIP_STREAK_SECONDS: Final = 5.0
_SHORTEST_NAP_SECONDS: Final = 10e-6
_NS: Final = 1_000_000_000


class Generator:
    """The running task of one resource, and everything that is known of it.

    Args:
        ref: the resource's name.
        uid: its identity.
        tools: brokers, clocks and limits.
        progress: what the resource's status says was done before us.
        joining: the resource existed before this process took over, so its first tick keeps the rhythm and is spread.
        changed: called on the loop whenever a reader may see something new.
    """

    def __init__(
        self, ref: Ref, uid: str, tools: Tools, progress: Progress, *, joining: bool, changed: Callable[[], None]
    ) -> None:
        self.ref = ref
        self.uid = uid
        self.generation = -1
        self.latest_generation = -1
        self.restarts = 0
        self.ledger = Ledger(tools.totals)
        self.spec: GeneratorSpec | None = None
        self.outbox: Outbox | None = None
        self.outlet: Outlet | None = None
        self._tools = tools
        self._progress = progress
        self._joining = joining
        self._changed = changed
        self._nap = Nap()
        self._desired: tuple[int, GeneratorSpec] | None = None
        self._request: OutletRequest | None = None
        self._factory: EventFactory | None = None
        self._pacer: Pacer | None = None
        self._cap: Fraction | None = tools.cap
        self._seed = 0
        self._sequence = 0
        self._pending = 0
        self._hungry = False
        self._draining = False
        self._resume_ns = 0
        self._confirmed_seen = False
        self._start_time: datetime | None = None
        self._completion_time: datetime | None = None
        self._complete: Completion | None = None
        self._unavailable: Trouble | None = None
        self._invalid: str | None = None
        self._crashed: str | None = None
        self._confirmed_base = 0
        self._skipping_since: float | None = None
        self._last_skip = 0.0
        self._observed = ObservedRate()
        self._chatter = Chatter(ref)
        self._verdict: Verdict | None = None
        self._judged: Verdict | None = None
        self._judged_at: float | None = None
        self._many = False
        self._broker = ""
        self._rates: tuple[Fraction, str | None] | None = None

    # -- what others ask of it -----------------------------------------------------------------------------------------

    def apply(self, generation: int, spec: GeneratorSpec) -> None:
        """Make this spec the wanted one: in effect at once, or as soon as the old target has drained. The latest wins."""
        self.latest_generation = generation
        self._desired = (generation, spec)
        if not self._needs_drain(spec):
            self._adopt_desired()
        self._nap.wake()

    def reject(self, generation: int, message: str) -> None:
        """The resource's spec is invalid: generate nothing, say why, and deliver what is already buffered."""
        self.latest_generation = self.generation = generation
        self._desired = None
        self._invalid = message
        self._pending = 0
        self._tell()

    def set_cap(self, cap: Fraction) -> None:
        """Take this resource's share of its namespace's cap, in events per second."""
        self._cap = min(cap, self._tools.cap)
        self._rates = None
        if self.spec is not None and self._pacer is not None:
            self._pacer.change(self.spec.interval_ns, self.spec.events_per_interval, self._cap, self._now_ns())
        self._resize()
        self._nap.wake()

    def outlet_changed(self) -> None:
        """The outlet's health changed."""
        self._nap.wake()
        self._tell()

    def crashed(self, message: str) -> None:
        """The task ended by an error and will be started again."""
        self.restarts += 1
        self._crashed = message
        self._tell()

    def wake(self) -> None:
        """Look at the clock and the gate again."""
        self._nap.wake()

    def stop(self, reason: DropReason, grace_seconds: float) -> None:
        """End delivery: what is buffered is dropped for `reason` now, what is in flight at the latest after the grace."""
        self._pending = 0
        if self.outbox is not None:
            self.outbox.close(reason)
        if self.outlet is not None:
            self.outlet.close(grace_seconds)
            self.outlet = None

    async def drained(self, seconds: float) -> bool:
        """Wait until nothing is buffered or in flight, at most `seconds`. The task itself must not be running."""
        deadline = self._loop_time() + seconds
        self._draining = True
        try:
            while self.outbox is not None and not self.outbox.idle:
                left = deadline - self._loop_time()
                if left <= 0:
                    return False
                await self._nap.sleep(left)
        finally:
            self._draining = False
        return True

    # -- the task ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Generate until cancelled."""
        self._crashed = None
        while True:
            if self._desired is not None:
                await self._move()
            await self._nap.sleep(self._step())

    def _step(self) -> float | None:
        """Do what is due now; the seconds until there is something to do again, None when only a change can tell."""
        spec = self.spec
        if spec is None or self._invalid is not None or self._unavailable is not None or self.outbox is None:
            return None
        if self._complete_run(spec) or spec.suspend:
            return self._until_run_end(spec)
        if not self._tools.gate.is_open():
            return GATE_POLL_SECONDS
        now_ns = self._now_ns()
        pacer = self._pacer or self._begin(now_ns)
        if pacer is None:
            return None
        due = pacer.due(now_ns)
        if due is not None:
            self._tools.totals.schedule_lag_seconds.observe(due.lag_ns / _NS)
            self._skip_rest()
            self.ledger.skip(SkipReason.LATE, due.late)
            self.ledger.skip(SkipReason.RATE_LIMITED, due.limited)
            self._pending = due.events
            self._note_first_tick()
        if self._pending and self._make_some(spec):
            return 0.0
        wait = max(_SHORTEST_NAP_SECONDS, (pacer.next_ns - now_ns) / _NS)
        end = self._until_run_end(spec)
        return wait if end is None else min(wait, end)

    def _begin(self, now_ns: int) -> Pacer | None:
        """Start the ticks once the outlet has been ready for the first time: nothing is generated before."""
        spec, outlet = self.spec, self.outlet
        if spec is None or outlet is None or outlet.health.ready_since is None:
            return None
        first_ns = max(now_ns, self._resume_ns)
        if self._joining:
            last = self._progress.last_publish_time
            ago_ns = None if last is None else self._tools.wall_ns() - int(last.timestamp() * _NS)
            spread_ns = int(self._tools.spread_seconds * _NS)
            first_ns = first_tick_ns(self.uid, spec.interval_ns, ago_ns, now_ns, spread_ns)
            self._joining = False
        self._pacer = Pacer(spec.interval_ns, spec.events_per_interval, first_ns, self._cap)
        return self._pacer

    def _make_some(self, spec: GeneratorSpec) -> bool:
        """Make what fits of the pending events, at most one batch; True when more can be made in the next turn."""
        outbox, factory = self.outbox, self._factory
        assert outbox is not None and factory is not None  # noqa: S101, PT018 - set together with the spec
        if spec.max_events is not None:
            self._pending = min(self._pending, spec.max_events - self.ledger.run_published - outbox.run_pending)
            if self._pending <= 0:
                self._pending = 0
                return False
        count = min(self._pending, BATCH, outbox.room)
        if count > 0:
            outbox.put(factory.make(self._sequence, count, self._tools.wall_ns()))
            self._sequence += count
            self._pending -= count
        self._hungry = self._pending > 0
        return self._hungry and outbox.room > 0

    def _skip_rest(self) -> None:
        """The next tick is due and some events of the last one never found room."""
        if not self._pending or self.outbox is None:
            return
        reason = SkipReason.GLOBAL_BUDGET if self.outbox.starved else SkipReason.BUFFER_FULL
        self.ledger.skip(reason, self._pending)
        self._pending = 0
        now = self._loop_time()
        if self._skipping_since is None:
            self._skipping_since = now
        self._last_skip = now

    def _settled(self) -> None:
        """The broker answered: wake the task only when it can go on (called once per answer)."""
        outbox, spec = self.outbox, self.spec
        if outbox is None or spec is None:
            return
        if not self._confirmed_seen and self._confirmed:
            self._confirmed_seen = True
            self._tell()
        room_wanted = min(self._pending, BATCH)
        over = spec.max_events is not None and self.ledger.run_published >= spec.max_events
        if over or (self._draining and outbox.idle) or (self._hungry and outbox.room >= room_wanted):
            self._nap.wake()

    # -- taking a spec up ----------------------------------------------------------------------------------------------

    def _needs_drain(self, spec: GeneratorSpec) -> bool:
        if self._request is None or self.outbox is None or self.outbox.idle:
            return False
        try:
            reference = self._tools.targets.reference(self.ref.namespace, spec.rabbitmq)
        except TargetUnavailable:
            return True
        return not same_target(self._request, request_for(spec, reference))

    async def _move(self) -> None:
        """Drain to the old target where the wanted spec has another one, then take the latest wanted spec up."""
        while self._desired is not None:
            if self._needs_drain(self._desired[1]) and not await self.drained(self._tools.target_drain_seconds):
                self._leave_target()
            self._adopt_desired()

    def _leave_target(self) -> None:
        if self.outlet is not None and self.outbox is not None:
            self.outbox.close(DropReason.TARGET_CHANGED)
            self.outlet.close(0.0)
        self.outlet = self.outbox = self._request = None
        self._broker = ""

    def _adopt_desired(self) -> None:
        """Put the wanted spec in effect now; whatever had to drain has drained."""
        if self._desired is None:
            return
        (generation, spec), self._desired = self._desired, None
        before, self.spec = self.spec, spec
        was_invalid, self._invalid = self._invalid is not None, None
        self.generation = generation
        seed = derive_seed(self.uid) if spec.random_seed is None else spec.random_seed
        self._seed = seed
        self._factory = EventFactory(spec, seed=seed, entropy=self._tools.entropy)
        self._connect(spec)
        if before is None:
            start = run.take_up(spec, self._progress)
            self._sequence = self.ledger.run_published = start.events_published
            self._start_time, self._completion_time = start.start_time, start.completion_time
            self._reset_ready()
        elif before.run_id != spec.run_id:
            self._begin_run()
        elif (before.suspend and not spec.suspend) or was_invalid:
            self._restart_ticks()
        elif self._pacer is not None:
            self._pacer.change(spec.interval_ns, spec.events_per_interval, self._cap, self._now_ns())
        if spec.suspend:
            self._pending = 0
        self._resize()
        self._complete_run(spec)
        self._tell()

    def _connect(self, spec: GeneratorSpec) -> None:
        """Have an outlet as the spec asks: keep it, open it anew for the same target, or open one for another target."""
        try:
            reference = self._tools.targets.reference(self.ref.namespace, spec.rabbitmq)
        except TargetUnavailable as answer:
            self._leave_target()
            self._unavailable = Trouble(answer.reason, answer.message, self._loop_time())
            return
        self._unavailable = None
        request = request_for(spec, reference)
        if request == self._request and self.outlet is not None:
            self.outlet.retry_now()
            return
        if self._request is not None and not same_target(self._request, request):
            self._leave_target()
            self._reset_ready()
            if self._pacer is not None:
                self._resume_ns, self._pacer = self._pacer.next_ns, None
        if self.outlet is not None:
            self.outlet.close(0.0)  # the same target with another declaration or guarantee: the outbox stays
        if self.outbox is None:
            self.outbox = Outbox(
                self.ledger, self._tools.budget, window=window_for(self._rate), wall_ns=self._tools.wall_ns
            )
            self.outbox.on_settled = self._settled
        self.outbox.resend = spec.delivery is Delivery.AT_LEAST_ONCE
        self._request = request
        self.outlet = self._tools.brokers.open(request, self.outbox, self)

    def _begin_run(self) -> None:
        """A new runId: count from zero, restart the sequence, tick at once."""
        if self.outbox is not None:
            self.outbox.begin_run()
        else:
            self.ledger.begin_run()
        self._sequence = 0
        self._start_time = self._completion_time = None
        self._complete = None
        self._restart_ticks()

    def _restart_ticks(self) -> None:
        self._pacer, self._resume_ns, self._pending = None, 0, 0
        self._joining = False
        self._reset_ready()

    def _reset_ready(self) -> None:
        """Ready is Unknown until something is confirmed from here on."""
        self._confirmed_base = self.ledger.published
        self._confirmed_seen = False
        self._skipping_since = None

    def _resize(self) -> None:
        if self.outbox is not None:
            self.outbox.window = window_for(self._rate)
            self._many = self._rate > EVENT_BY_EVENT_RATE
            self.outbox.on_published = None if self._many else self._chatter.event
        if self.outlet is not None:
            self.outlet.resize()

    # -- the run -------------------------------------------------------------------------------------------------------

    def _complete_run(self, spec: GeneratorSpec) -> bool:
        """Whether the run is over; notes when it ended, and takes an ended run up again when its bounds were raised."""
        complete = run.completion(spec, self.ledger.run_published, self._start_time, self._wall())
        if complete is None:
            if self._complete is not None:
                self._complete = self._completion_time = None
                self._restart_ticks()
                self._tell()
            return False
        if self._complete is None:
            self._pending = 0
            self._complete = complete
            self._completion_time = self._completion_time or self._wall()
            self._tell()
        return True

    def _note_first_tick(self) -> None:
        if self._start_time is None:
            self._start_time = self._wall()

    def _until_run_end(self, spec: GeneratorSpec) -> float | None:
        end = run.end_time(spec, self._start_time)
        if end is None or self._complete is not None:
            return None
        return max(0.001, (end - self._wall()) / timedelta(seconds=1))

    # -- what others see -----------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Something that readers may see has changed: judge anew, log a turn, tell whoever listens."""
        self._judged_at = self._rates = None
        self._verdict = self.judge()
        self._chatter.turn(self._verdict)
        self._changed()

    def judge(self) -> Verdict:
        """The verdict of this moment; judged anew after each change, else once a second (damping is no finer)."""
        now = self._loop_time()
        if self._judged is None or self._judged_at is None or now - self._judged_at >= 1.0:
            self._judged, self._judged_at = self._judge(), now
        return self._judged

    def _judge(self) -> Verdict:
        now, spec, outbox = self._loop_time(), self.spec, self.outbox
        streak = max(_SKIP_STREAK_SECONDS, 2 * spec.interval_ns / _NS) if spec is not None else _SKIP_STREAK_SECONDS
        if self._skipping_since is not None and now - self._last_skip > streak:
            self._skipping_since = None
        seen = Circumstances(
            now=now,
            queue=spec.queue if spec is not None else "",
            interval_seconds=spec.interval_ns / _NS if spec is not None else 0.0,
            suspended=spec.suspend if spec is not None else False,
            invalid=self._invalid,
            crashed=self._crashed,
            complete=self._complete,
            unavailable=self._unavailable,
            health=self.outlet.health if self.outlet is not None else None,
            confirmed=self._confirmed,
            idle=outbox is None or outbox.idle,
            skipping_since=self._skipping_since,
        )
        return judge(seen, self._tools.damping)

    def sweep(self) -> bool:
        """Once a second: sample the rate; True when damping made the verdict another one."""
        now, published = self._loop_time(), self.ledger.published
        self._observed.sample(now, published)
        if self.spec is not None:
            self._chatter.summary(now, published, self.spec.queue, wanted=self._many)
        self._judged_at = None
        verdict = self.judge()
        self._chatter.turn(verdict)
        if verdict == self._verdict:
            return False
        self._verdict = verdict
        return True

    @property
    def asked_rate(self) -> Fraction:
        """Events per second the spec asks for now; 0 while suspended, completed or invalid."""
        spec = self.spec
        if spec is None or spec.suspend or self._complete is not None or self._invalid is not None:
            return Fraction(0)
        return spec.target_rate

    def snapshot(self) -> Snapshot:
        """Everything that readers may know, as of now."""
        spec, outbox, ledger = self.spec, self.outbox, self.ledger
        verdict = self.judge()
        health = self.outlet.health if self.outlet is not None else None
        if health is not None and health.broker:
            self._broker = health.broker  # kept for the last status, when the outlet has been closed
        rate, limited = self._rates or self._set_rates()
        last_ns = ledger.last_publish_unix_ns
        last = datetime.fromtimestamp(last_ns / _NS, UTC) if last_ns is not None else self._progress.last_publish_time
        return Snapshot(
            ref=self.ref,
            uid=self.uid,
            generation=self.generation,
            state=self._state(verdict),
            verdict=verdict,
            complete=self._complete if self._invalid is None else None,
            rate_limited=limited,
            queue=spec.queue if spec is not None else "",
            broker=self._broker,
            connected=health.connected if health is not None else False,
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
            start_time=self._start_time,
            completion_time=self._completion_time,
            last_publish_time=last,
            restarts=self.restarts,
        )

    def _set_rates(self) -> tuple[Fraction, str | None]:
        """The rate aimed at now, and what to say when a cap cuts it. Kept, because comparing fractions is slow."""
        asked = self.asked_rate
        rate = asked if self._cap is None else min(asked, self._cap)
        limited = None
        if rate < asked:
            limited = f"spec asks for {float(asked):g} events/s; this operator allows {float(rate):g} events/s here."
        self._rates = rate, limited
        return self._rates

    def _state(self, verdict: Verdict) -> GeneratorState:
        if readiness(verdict.reason).stalled:
            return GeneratorState.FAILING
        if self._complete is not None:
            return GeneratorState.COMPLETED
        if self.spec is not None and self.spec.suspend:
            return GeneratorState.SUSPENDED
        return GeneratorState.ACTIVE

    @property
    def _confirmed(self) -> bool:
        return self.ledger.published > self._confirmed_base

    @property
    def _rate(self) -> Fraction:
        rate = self.spec.target_rate if self.spec is not None else Fraction(0)
        return min(rate, self._cap) if self._cap is not None else rate

    def _loop_time(self) -> float:
        return asyncio.get_running_loop().time()

    def _now_ns(self) -> int:
        # Whole microseconds: a timer that ends a nanosecond early must not find its tick not due yet.
        return round(asyncio.get_running_loop().time() * 1e6) * 1_000

    def _wall(self) -> datetime:
        return datetime.fromtimestamp(self._tools.wall_ns() / _NS, UTC)
