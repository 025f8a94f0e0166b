"""One moment of the whole operator in plain numbers, taken in a single loop turn so that sums add up within a scrape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from audit_event_operator.engine.default_stream import DEFAULT_STREAM_REF
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.health import assess
from audit_event_operator.engine.ledger import DropReason, Histogram, Outcome, SkipReason
from audit_event_operator.engine.ports import Brokers
from audit_event_operator.engine.snapshot import GeneratorState, Snapshot
from audit_event_operator.web.http_counts import HttpCounts
from audit_event_operator.web.ports import HealthChecks, SourceCounts

CONNECTION_STATES: Final = ("connecting", "connected", "blocked", "failing")


@dataclass(frozen=True, slots=True)
class HistogramSample:
    """A histogram at one moment; `counts` are per bucket, not cumulative, the last one is above all bounds."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum_seconds: float

    @classmethod
    def of(cls, histogram: Histogram) -> HistogramSample:
        """Copy a live histogram."""
        return cls(histogram.bounds, tuple(histogram.counts), histogram.sum_seconds)


@dataclass(frozen=True, slots=True)
class Sample:
    """Everything `/metrics` tells."""

    resources: tuple[Snapshot, ...]
    connected: bool
    leader: bool
    generated_by_label: Mapping[tuple[str, str, str], int]
    label_overflow: int
    published: int
    failed: int
    generators: Mapping[str, int]
    dropped: Mapping[str, int]
    skipped: Mapping[str, int]
    attempts: Mapping[str, int]
    confirm_seconds: HistogramSample
    schedule_lag_seconds: HistogramSample
    loop_lag_seconds: HistogramSample
    broker_connections: Mapping[str, int]
    broker_connects: Mapping[str, int]
    reconciles: Mapping[str, int]
    api_writes: Mapping[tuple[str, str], int]
    apiserver_last_success_unix_seconds: float | None
    http_requests: Mapping[tuple[str, str, int], int]
    http_seconds: Mapping[str, HistogramSample]
    build: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sampler:
    """Knows where the numbers are."""

    fleet: Fleet
    brokers: Brokers
    health_checks: HealthChecks
    source: SourceCounts
    http: HttpCounts
    build: Mapping[str, str]

    def take(self) -> Sample:
        """Take a sample. Call it on the event loop: nothing changes meanwhile."""
        totals, resources = self.fleet.totals, tuple(self.fleet.series())
        live_uids = self.fleet.uids()
        live = [each for each in resources if each.uid in live_uids]
        default_stream = next((each for each in resources if each.ref == DEFAULT_STREAM_REF), None)
        if self.fleet.running:
            health = assess(live, default_connected=None if default_stream is None else default_stream.facts.connected)
        else:
            health = assess((), default_connected=None)
        states = dict.fromkeys((str(state) for state in GeneratorState), 0)
        for each in live:
            states[each.state] += 1
        return Sample(
            resources=resources,
            connected=health.rabbitmq_connected,
            leader=self.health_checks.leader() is not False,
            generated_by_label=dict(totals.generated_by_label),
            label_overflow=totals.label_overflow,
            published=totals.published,
            failed=totals.failed,
            generators=states,
            dropped={str(reason): totals.dropped[reason] for reason in DropReason},
            skipped={str(reason): totals.skipped[reason] for reason in SkipReason},
            attempts={str(outcome): totals.attempts[outcome] for outcome in Outcome},
            confirm_seconds=HistogramSample.of(totals.confirm_seconds),
            schedule_lag_seconds=HistogramSample.of(totals.schedule_lag_seconds),
            loop_lag_seconds=HistogramSample.of(totals.loop_lag_seconds),
            broker_connections=_with_zeros(CONNECTION_STATES, self.brokers.connections),
            broker_connects=dict(self.brokers.connect_results()),
            reconciles=dict(self.source.reconciles()),
            api_writes=dict(self.source.api_writes()),
            apiserver_last_success_unix_seconds=self.source.apiserver_last_success_unix_seconds(),
            http_requests=dict(self.http.requests),
            http_seconds={route: HistogramSample.of(each) for route, each in self.http.seconds.items()},
            build=self.build,
        )


def _with_zeros(words: tuple[str, ...], counts: Callable[[], Mapping[str, int]]) -> dict[str, int]:
    return {**dict.fromkeys(words, 0), **counts()}
