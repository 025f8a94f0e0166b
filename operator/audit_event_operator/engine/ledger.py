"""The counts of what became of every event: one Ledger per resource, one Totals for the whole operator.

Plain integers, changed only on the event loop, read (never pushed) by reporters, metrics and pages. `generated =
published + dropped + buffered + in_flight` holds between any two loop turns; the last two are the outbox's to tell.
Knows nothing of brokers, Prometheus or Kubernetes.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate

from audit_event_operator.engine.label_sets import LabelSets, StreamLabels
from audit_event_operator.resource.status import Progress


class DropReason(StrEnum):
    """Why an event ended without being published."""

    RESOURCE_DELETED = "resource_deleted"
    TARGET_CHANGED = "target_changed"
    SHUTDOWN_DEADLINE = "shutdown_deadline"
    OVERSIZE = "oversize"
    ENCODE_ERROR = "encode_error"
    REJECTED_BY_BROKER = "rejected_by_broker"
    NOT_CONFIRMED = "not_confirmed"


class SkipReason(StrEnum):
    """Why an event that was due was never generated."""

    BUFFER_FULL = "buffer_full"
    LATE = "late"
    GLOBAL_BUDGET = "global_budget"
    RATE_LIMITED = "rate_limited"


class Outcome(StrEnum):
    """What became of one attempt to publish one event."""

    ACK = "ack"
    NACK = "nack"
    RETURNED = "returned"
    UNKNOWN = "unknown"


class Histogram:
    """Counts of observations in seconds, by upper bound; cumulative only when read."""

    __slots__ = ("bounds", "counts", "sum_seconds")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_seconds = 0.0

    def observe(self, seconds: float, times: int = 1) -> None:
        """Count `times` observations of the same duration."""
        self.counts[bisect_left(self.bounds, seconds)] += times
        self.sum_seconds += seconds * times

    def cumulative(self) -> Iterator[tuple[str, int]]:
        """How many observations were at most each bound, the last one `+Inf`."""
        return zip((*map(str, self.bounds), "+Inf"), accumulate(self.counts), strict=True)


CONFIRM_BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LAG_BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class NamespaceCounts:
    """What became of the events of one namespace since the process began. It stays when the namespace's resources go.

    `generated = published + dropped + buffered + in_flight`, as in each ledger. `episodes`: of scenarios, by outcome;
    `expected_alerts`: by rule.
    """

    generated: int = 0
    published: int = 0
    dropped: int = 0
    retried: int = 0
    skipped: int = 0
    episodes: Counter[str] = field(default_factory=Counter)
    expected_alerts: Counter[str] = field(default_factory=Counter)


class Totals:
    """Operator-wide counts since the process began; they never fall when resources go."""

    def __init__(self) -> None:
        self.label_sets = LabelSets()
        self.namespaces: defaultdict[str, NamespaceCounts] = defaultdict(NamespaceCounts)
        self.published = 0
        self.refused_posts = 0
        self.dropped: Counter[DropReason] = Counter()
        self.skipped: Counter[SkipReason] = Counter()
        self.attempts: Counter[Outcome] = Counter()
        self.generator_crashes = 0
        self.confirm_seconds = Histogram(CONFIRM_BOUNDS_SECONDS)
        self.schedule_lag_seconds = Histogram(LAG_BOUNDS_SECONDS)
        self.loop_lag_seconds = Histogram(LAG_BOUNDS_SECONDS)

    @property
    def failed(self) -> int:
        """Attempts that ended badly, and posts that were answered 503."""
        attempts = self.attempts
        return attempts[Outcome.NACK] + attempts[Outcome.RETURNED] + attempts[Outcome.UNKNOWN] + self.refused_posts


@dataclass(slots=True, eq=False)
class Ledger:
    """What became of the events of one resource since this process took it up.

    `namespace`: the resource's; empty for posts that name none. `run_published` and `run_dropped` count only events of the
    current run; the other counts never go back.
    """

    totals: Totals
    namespace: str = ""
    generated: int = 0
    published: int = 0
    retried: int = 0
    dropped: Counter[DropReason] = field(default_factory=Counter)
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    run: int = 0
    run_published: int = 0
    run_dropped: int = 0
    last_publish_unix_ns: int | None = None
    labels: StreamLabels = field(init=False)
    of_namespace: NamespaceCounts = field(init=False)

    def __post_init__(self) -> None:
        self.of_namespace = self.totals.namespaces[self.namespace]
        self.labels = self.totals.label_sets.stream(self.namespace)

    @property
    def dropped_total(self) -> int:
        """All drops, whatever the reason."""
        return sum(self.dropped.values())

    @property
    def skipped_total(self) -> int:
        """All skipped events, whatever the reason."""
        return sum(self.skipped.values())

    def begin_run(self) -> None:
        """Start counting a new run from zero; events still on their way belong to the old one."""
        self.run += 1
        self.run_published = self.run_dropped = 0

    def take_up(self, progress: Progress) -> None:
        """Go on counting the run where the resource's status left off."""
        self.run_published, self.run_dropped = progress.events_published, progress.events_dropped

    def drop(self, reason: DropReason, run: int) -> None:
        """Count one event, generated in `run`, that ended without being published."""
        self.dropped[reason] += 1
        self.of_namespace.dropped += 1
        self.totals.dropped[reason] += 1
        if run == self.run:
            self.run_dropped += 1

    def skip(self, reason: SkipReason, count: int) -> None:
        """Count due events that were never generated."""
        if count:
            self.skipped[reason] += count
            self.of_namespace.skipped += count
            self.totals.skipped[reason] += count
