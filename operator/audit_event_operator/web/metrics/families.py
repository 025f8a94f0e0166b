"""Metric families made of a sample: names, labels and help texts are the product's contract. Pure; runs in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from audit_event_operator.engine.snapshot import Snapshot
from audit_event_operator.web.metrics.sample import HistogramSample, Sample

_SEED: Final = "audit_event_generator_"
_OURS: Final = "audit_event_operator_"
_EACH: Final = "audit_event_operator_generator_"
_RESOURCE_LABELS: Final = ("generator_namespace", "generator")


def families(sample: Sample) -> Iterator[Metric]:
    """All families of one scrape."""
    yield from _seed_families(sample)
    yield from _resource_families(sample.resources)
    yield from _event_families(sample)
    yield from _outside_families(sample)
    yield from _process_families(sample)


# -- the four of the service this one replaces -------------------------------------------------------------------------


def _seed_families(sample: Sample) -> Iterator[Metric]:
    events = CounterMetricFamily(
        f"{_SEED}events_total",
        "Audit events generated or posted. At most 2000 label sets; above that all three labels say 'other'.",
        labels=("event_type", "server_hostname", "action_result"),
    )
    for labels, count in _readable(sample.generated_by_label).items():
        events.add_metric(labels, count)
    yield events
    yield CounterMetricFamily(
        f"{_SEED}published_success_total",
        "Audit events that the broker confirmed.",
        sample.published,
    )
    yield CounterMetricFamily(
        f"{_SEED}published_failure_total",
        "Attempts to publish that ended with a nack, a return or an unknown outcome, and posts answered with 503. "
        "A failed attempt is usually repeated: this does not count lost events.",
        sample.failed,
    )
    yield GaugeMetricFamily(
        f"{_SEED}rabbitmq_connection_status",
        "1 when events get through, 0 when not; the same word as /healthz: the default broker's connection, or without a "
        "default broker whether any active generator is connected.",
        int(sample.connected),
    )


def _readable(counts: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, ...], int]:
    """Replace what a text format cannot carry (control characters, lone surrogates); what falls together adds up."""
    readable: dict[tuple[str, ...], int] = {}
    for labels, count in counts.items():
        key = tuple(label if label.isprintable() else _printable(label) for label in labels)
        readable[key] = readable.get(key, 0) + count
    return readable


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


# -- exactly twelve per resource ---------------------------------------------------------------------------------------


_COUNTERS: Final[tuple[tuple[str, str, Callable[[Snapshot], float]], ...]] = (
    (
        "events_generated_total",
        "Audit events of this generator, posted ones included; always published + dropped + buffered + in flight.",
        lambda each: each.counts.generated,
    ),
    ("events_published_total", "Audit events that the broker confirmed.", lambda each: each.counts.published),
    (
        "events_dropped_total",
        "Audit events that ended unpublished; audit_event_operator_events_dropped_total has the reasons.",
        lambda each: each.counts.dropped,
    ),
    ("events_retried_total", "Second and later attempts to publish an event.", lambda each: each.counts.retried),
    (
        "events_skipped_total",
        "Events that were due but never generated; audit_event_operator_events_skipped_total has the reasons.",
        lambda each: each.counts.skipped,
    ),
)

_GAUGES: Final[tuple[tuple[str, str, Callable[[Snapshot], float]], ...]] = (
    (
        "events_buffered",
        "Audit events generated and waiting to be written to the broker.",
        lambda each: each.counts.buffered,
    ),
    (
        "events_in_flight",
        "Audit events written to the broker and not confirmed yet.",
        lambda each: each.counts.in_flight,
    ),
    (
        "target_events_per_second",
        "Events per second asked for, within the operator's caps; 0 while nothing is due (suspended, completed).",
        lambda each: float(each.facts.target_rate),
    ),
    ("interval_seconds", "The interval in effect.", lambda each: each.facts.interval_seconds),
    (
        "ready",
        "1 when the resource's Ready condition is True (publishing, suspended on purpose, completed), else 0.",
        lambda each: int(each.facts.ready.readiness.status == "True"),
    ),
    (
        "last_publish_timestamp_seconds",
        "Unix time of the last confirm; 0 when there was none yet.",
        lambda each: 0.0 if each.facts.last_publish_time is None else each.facts.last_publish_time.timestamp(),
    ),
)


def _resource_families(resources: Iterable[Snapshot]) -> Iterator[Metric]:
    rows = [((each.ref.namespace, each.ref.name), each) for each in resources]
    for name, text, value in _COUNTERS:
        counter = CounterMetricFamily(_EACH + name, text, labels=_RESOURCE_LABELS)
        for labels, each in rows:
            counter.add_metric(labels, value(each))
        yield counter
    for name, text, value in _GAUGES:
        gauge = GaugeMetricFamily(_EACH + name, text, labels=_RESOURCE_LABELS)
        for labels, each in rows:
            gauge.add_metric(labels, value(each))
        yield gauge
    info = GaugeMetricFamily(
        f"{_EACH}info",
        "Always 1; says which queue and broker a generator publishes to. Empty labels: not known yet.",
        labels=(*_RESOURCE_LABELS, "queue", "broker"),
    )
    for labels, each in rows:
        info.add_metric((*labels, _printable(each.facts.destination), _printable(each.facts.broker)), 1)
    yield info


# -- the whole operator ------------------------------------------------------------------------------------------------


def _event_families(sample: Sample) -> Iterator[Metric]:
    yield _gauge(
        "generators",
        "Resources by what they do: active (publishing or trying to), suspended, completed, failing (somebody must mend it).",
        "state",
        sample.generators,
    )
    yield _counter("events_dropped_total", "Audit events that ended unpublished, by reason.", "reason", sample.dropped)
    yield _counter(
        "events_skipped_total",
        "Events that were due but never generated, by reason: buffer_full (the broker is slower than the rate), late (the "
        "moment had passed), global_budget (all buffers together are full), rate_limited (a cap of the operator).",
        "reason",
        sample.skipped,
    )
    yield _counter(
        "publish_attempts_total",
        "Finished attempts to publish one event, by outcome: ack, nack, returned (no such queue), unknown (the connection "
        "ended before the confirm).",
        "outcome",
        sample.attempts,
    )
    yield _histogram(
        "publish_confirm_seconds",
        "Time from writing an event to the broker's confirm.",
        {(): sample.confirm_seconds},
    )
    yield _histogram(
        "schedule_lag_seconds",
        "How much later than due a tick generated its events.",
        {(): sample.schedule_lag_seconds},
    )
    yield _histogram(
        "event_loop_lag_seconds",
        "How much later than asked the event loop woke up, ten times a second.",
        {(): sample.loop_lag_seconds},
    )


def _outside_families(sample: Sample) -> Iterator[Metric]:
    yield _gauge(
        "broker_connections",
        "Connections to brokers by state: connecting, connected, blocked (short of memory or disk), failing.",
        "state",
        sample.broker_connections,
    )
    yield _counter(
        "broker_connects_total", "Attempts to connect to a broker, by result.", "result", sample.broker_connects
    )
    yield _counter("reconcile_total", "Changes of resources that were handled, by result.", "result", sample.reconciles)
    writes = CounterMetricFamily(
        f"{_OURS}api_writes_total",
        "Writes to the Kubernetes API server, by kind of object and result.",
        labels=("kind", "result"),
    )
    for labels, count in sample.api_writes.items():
        writes.add_metric(labels, count)
    yield writes
    last_success = GaugeMetricFamily(
        f"{_OURS}apiserver_last_success_timestamp_seconds",
        "Unix time of the API server's last answer; absent without a cluster.",
        labels=(),
    )
    if sample.apiserver_last_success_unix_seconds is not None:
        last_success.add_metric((), sample.apiserver_last_success_unix_seconds)
    yield last_success


def _process_families(sample: Sample) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        f"{_OURS}leader",
        "1 when this process does the work, 0 while it stands by; always 1 without a cluster.",
        int(sample.leader),
    )
    requests = CounterMetricFamily(
        f"{_OURS}http_requests_total",
        "HTTP requests answered, by route template, method and status code.",
        labels=("route", "method", "code"),
    )
    for (route, method, code), count in sample.http_requests.items():
        requests.add_metric((route, method, str(code)), count)
    yield requests
    yield _histogram(
        "http_request_duration_seconds",
        "Time to answer an HTTP request, by route template.",
        {(route,): each for route, each in sample.http_seconds.items()},
        labels=("route",),
    )
    yield CounterMetricFamily(
        f"{_OURS}label_overflow_total",
        "Audit events that audit_event_generator_events_total counts as 'other' because it has reached its label sets.",
        sample.label_overflow,
    )
    build = GaugeMetricFamily(f"{_OURS}build_info", "Always 1; says what is running.", labels=tuple(sample.build))
    build.add_metric(tuple(sample.build.values()), 1)
    yield build


def _counter(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(_OURS + name, text, labels=(label,))
    for word, count in counts.items():
        family.add_metric((word,), count)
    return family


def _gauge(name: str, text: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(_OURS + name, text, labels=(label,))
    for word, count in counts.items():
        family.add_metric((word,), count)
    return family


def _histogram(
    name: str, text: str, samples: Mapping[tuple[str, ...], HistogramSample], labels: tuple[str, ...] = ()
) -> Metric:
    family = HistogramMetricFamily(_OURS + name, text, labels=labels)
    for values, each in samples.items():
        buckets, below = [], 0
        for bound, count in zip((*map(str, each.bounds), "+Inf"), each.counts, strict=True):
            below += count
            buckets.append((bound, below))
        family.add_metric(values, buckets=buckets, sum_value=each.sum_seconds)
    return family
