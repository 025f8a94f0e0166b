"""What others see of one generator: its Ready condition, its snapshot, its lines in the log. Reads; changes no stream."""

from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.activity_log import EVENT_BY_EVENT_RATE, ActivityLog
from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.egress import Egress
from audit_event_operator.engine.ledger import Ledger
from audit_event_operator.engine.rates import ObservedRate
from audit_event_operator.engine.readiness_tracker import ReadinessTracker
from audit_event_operator.engine.snapshot import Ref, Snapshot, count
from audit_event_operator.engine.truth import TruthTeller
from audit_event_operator.resource.advice import Advice
from audit_event_operator.resource.conditions import Ready
from audit_event_operator.resource.status import Facts, Progress
from audit_event_operator.timeline.timeline import Timeline

_NS: Final = 1_000_000_000


class GeneratorView:
    """The parts of a generator, as readers see them; `progress` and `changed` are the generator's own.

    What the status told before us (`progress`) holds until there is a valid spec.
    """

    __slots__ = (
        "_changed",
        "_egress",
        "_ledger",
        "_log",
        "_now",
        "_observed",
        "_progress",
        "_ref",
        "_told",
        "_truth",
        "_uid",
        "advice",
        "generation",
        "restarts",
        "timeline",
        "tracker",
    )

    def __init__(
        self,
        ref: Ref,
        uid: str,
        context: EngineContext,
        ledger: Ledger,
        egress: Egress,
        *,
        truth: TruthTeller,
        progress: Progress,
        changed: Callable[[], None],
    ) -> None:
        self.timeline: Timeline | None = None
        """None until there was a valid spec."""
        self.generation = -1
        """The generation in effect."""
        self.advice: tuple[Advice, ...] = ()
        self.restarts = 0
        self.tracker = ReadinessTracker(context.damping)
        self._ref = ref
        self._uid = uid
        self._now = context.now
        self._ledger = ledger
        self._egress = egress
        self._truth = truth
        self._progress = progress
        self._changed = changed
        self._observed = ObservedRate(context.now())
        self._log = ActivityLog(ref, context.lines, context.now)
        self._told: Ready | None = None

    def tell(self) -> None:
        """Something has changed: decide Ready anew, log a turn, tell the listeners."""
        self._look()
        self._changed()

    def observe(self) -> None:
        """More was published."""
        self._observed.sample(self._now(), self._ledger.published)

    @property
    def restless(self) -> bool:
        """Whether time alone may change what there is to tell: a trouble that lasts, skipped ticks, a summary for the log."""
        health = self._egress.health
        return (
            self.tracker.skipping
            or health.trouble is not None
            or health.blocked_since is not None
            or self._many
            or self._truth.restless
        )

    def sweep(self) -> bool:
        """Once a second while restless: sum up in the log; True when damping made Ready another one."""
        before = self._told
        self._log.summary(self._now(), self._ledger.published, self._egress.phrase, wanted=self._many)
        self._look()
        return self._truth.sweep() or self._told != before

    @property
    def _many(self) -> bool:
        """Published events are too many to be told of one by one."""
        outbox = self._egress.outbox
        return outbox is not None and outbox.on_published is None

    def log_each_event(self, rate: Fraction) -> None:
        """Log single events where the rate is low enough for that."""
        if self._egress.outbox is not None:
            self._egress.outbox.on_published = self._log.event if rate <= EVENT_BY_EVENT_RATE else None

    def snapshot(self) -> Snapshot:
        """Everything that readers may know, as of now."""
        ready = self.tracker.ready(self._now(), self.timeline, self._egress)
        if self.timeline is not None:
            facts = self._facts(ready, self.timeline)
        else:  # what the status told before still holds
            facts = Facts(self.generation, ready, progress=self._progress, restarts=self.restarts)
        played = () if self.timeline is None else self.timeline.episodes.playbook.totals()
        return Snapshot(
            self._ref, self._uid, count(self._ledger, self._egress.outbox), facts, played, self._truth.counts
        )

    def _look(self) -> None:
        self._told = self.tracker.decide(self._now(), self.timeline, self._egress)
        self._log.turn(self._told)

    def _facts(self, ready: Ready, timeline: Timeline) -> Facts:
        """What is true now; an invalid spec asks for nothing and is not commented on."""
        valid, spec, run, ledger = self.tracker.invalid is None, timeline.spec, timeline.run, self._ledger
        asked, allowed = timeline.rates if valid else (Fraction(0), Fraction(0))
        connected = self._egress.health.connected
        return Facts(
            self.generation,
            ready,
            complete=run.complete if valid else None,
            rate_limited=None if allowed is asked or not valid else _rate_limited(timeline),
            truth_undelivered=self._truth.trouble if valid else None,
            advice=self.advice if valid else (),
            destination=self._egress.label,
            queue=self._egress.queue,
            broker=self._egress.broker,
            connected=connected,
            interval_seconds=timeline.interval_ns / _NS,
            events_per_interval=spec.events_per_interval,
            target_rate=allowed,
            observed_rate=self._observed.rate(self._now(), ledger.published),
            random_seed=timeline.seed,
            bounded=spec.bounded,
            progress=Progress(
                ledger.run_published,
                ledger.run_dropped,
                spec.run_id,
                run.start_time,
                run.completion_time,
                _last_publish_time(ledger, timeline.progress),
                timeline.episodes.playbook.status(),
            ),
            restarts=self.restarts,
        )


def _rate_limited(timeline: Timeline) -> str:
    """A sentence; of a shape, whose rate changes all the time, it gives no figure, since each new sentence is a write."""
    asked, allowed = timeline.rates
    wanted = f"{float(asked):g} events/s" if not timeline.schedule.intensity.varies else "more at this time"
    return f"The spec asks for {wanted}; this operator allows {float(allowed):g} events/s here."


def _last_publish_time(ledger: Ledger, progress: Progress) -> datetime | None:
    last_ns = ledger.last_publish_unix_ns
    return progress.last_publish_time if last_ns is None else datetime.fromtimestamp(last_ns / _NS, UTC)
