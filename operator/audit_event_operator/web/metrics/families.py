"""Every metric family in one table: name, labels, help text and where its numbers are. The product's contract.

Those of the whole operator are read in one turn of the loop, those of a resource in one go, so that they add up.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.health import Health
from audit_event_operator.engine.ledger import DropReason, Histogram, Outcome, SkipReason, Totals
from audit_event_operator.engine.ports import Brokers, ConnectionState
from audit_event_operator.engine.snapshot import GeneratorState, Snapshot
from audit_event_operator.web.http_counts import HttpCounts
from audit_event_operator.web.metrics.text import Block, Labels, quoted
from audit_event_operator.web.ports import HealthChecks, SourceCounts

SEED: Final = "audit_event_generator_"
OURS: Final = "audit_event_operator_"
EACH: Final = "audit_event_operator_generator_"
STEADY_INTERVAL_SECONDS: Final = 60.0
NAMESPACE_LABEL: Final = "generator_namespace"
COUNTER, GAUGE, HISTOGRAM = CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

Rows = Mapping[Any, Any]
"""Values by their labels: a word where a family has one label, a tuple where it has several, `()` where it has none."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers are."""

    fleet: Fleet
    brokers: Brokers
    health_checks: HealthChecks
    source: SourceCounts
    http: HttpCounts
    build: Mapping[str, str]


@dataclass(slots=True)
class Sums:
    """What the live resources of one namespace amount to now.

    `steady_target_rate`: events per second of those with an interval of a minute at most.
    """

    resources: int = 0
    ready: int = 0
    target_rate: float = 0.0
    steady_target_rate: float = 0.0

    def add(self, each: Snapshot) -> None:
        """Count one resource in."""
        rate, facts = float(each.facts.target_rate), each.facts
        self.resources += 1
        self.ready += facts.ready.readiness.status == "True"
        self.target_rate += rate
        if facts.interval_seconds <= STEADY_INTERVAL_SECONDS:
            self.steady_target_rate += rate


class Look(NamedTuple):
    """What families of the whole operator are read from."""

    sources: Sources
    totals: Totals
    health: Health
    sums: Mapping[str, Sums] = MappingProxyType({})


class Family(NamedTuple):
    """One family of the whole operator; `read` copies its numbers and is called on the loop."""

    kind: Callable[..., Any]
    name: str
    labels: Labels
    read: Callable[[Look], Rows]
    text: str


class OfScenarios(NamedTuple):
    """One counter of resources with scenarios; `labels` follow those of the resource, `read` gives their rows."""

    name: str
    labels: Labels
    read: Callable[[Snapshot], Iterator[tuple[Labels, int]]]
    text: str


class Row(NamedTuple):
    """The numbers of one resource, read in one go; much smaller than its snapshot.

    Attributes:
        namespace: the resource's.
        labels: of its series, for the text.
        numbers: one for each of `PER_RESOURCE`.
        place: the labels of its info, for the text.
        of_scenarios: samples for each of `OF_SCENARIOS`; empty for a resource that has none.
    """

    namespace: str
    labels: Labels
    numbers: tuple[float, ...]
    place: Labels
    of_scenarios: tuple[tuple[tuple[Labels, int], ...], ...]


def read(each: Snapshot) -> Row:
    """The row of one resource."""
    ref, facts = each.ref, each.facts
    namespace, name = labels = quoted(ref.namespace), quoted(ref.name)
    # A scenario that was removed may have left a record behind.
    with_scenarios = bool(each.scenarios) or any(each.truth)
    return Row(
        ref.namespace,
        (name, namespace),
        tuple([value(each) for _, _, value, _ in PER_RESOURCE]),
        (quoted(_printable(facts.broker)), name, namespace, quoted(_printable(facts.destination))),
        tuple(_of_scenarios(one, each, labels) for one in OF_SCENARIOS) if with_scenarios else (),
    )


def of_operator(seen: Look, chosen: Iterable[Family]) -> list[Block]:
    """Families of the whole operator. Their numbers are copied in this turn of the loop."""
    return [_block(family, family.read(seen)) for family in chosen]


def of_namespace(seen: Look, chosen: Iterable[Family], namespace: str) -> list[Block]:
    """What the same families tell of one namespace; those that tell nothing of namespaces stay out."""

    def is_of_it(key: Any) -> bool:
        return namespace == (key if isinstance(key, str) else key[0])

    return [
        _block(family, {key: value for key, value in family.read(seen).items() if is_of_it(key)})
        for family in chosen
        if family.labels[:1] == (NAMESPACE_LABEL,)
    ]


def of_resources(rows: Sequence[Row]) -> Iterator[Block]:
    """All families per resource."""
    for index, (kind, name, _, text) in enumerate(PER_RESOURCE):
        yield Block(kind, EACH + name, text, RESOURCE_LABELS, ((row.labels, row.numbers[index]) for row in rows))
    info_labels = tuple(sorted((*RESOURCE_LABELS, "queue", "broker")))
    yield Block(GAUGE, f"{EACH}info", INFO, info_labels, ((row.place, 1) for row in rows))
    with_scenarios = [row for row in rows if row.of_scenarios]
    for index, one in enumerate(OF_SCENARIOS):
        samples = (sample for row in with_scenarios for sample in row.of_scenarios[index])
        yield Block(COUNTER, OURS + one.name, one.text, tuple(sorted((*RESOURCE_LABELS, *one.labels))), samples)


def _episodes(each: Snapshot) -> Iterator[tuple[Labels, int]]:
    for scenario in each.scenarios:
        for outcome in ("complete", "incomplete", "missed"):
            yield (scenario.name, outcome), getattr(scenario, outcome)


def _scenario_events(each: Snapshot) -> Iterator[tuple[Labels, int]]:
    for scenario in each.scenarios:
        yield (scenario.name,), scenario.events


def _expected_alerts(each: Snapshot) -> Iterator[tuple[Labels, int]]:
    expected: Counter[str] = Counter()
    for scenario in each.scenarios:
        expected.update(scenario.expected_alerts)
    for rule, count in expected.items():
        yield (rule,), count


def _truth_records(each: Snapshot) -> Iterator[tuple[Labels, int]]:
    for outcome, count in each.truth._asdict().items():
        yield (outcome,), count


def _of_scenarios(one: OfScenarios, each: Snapshot, labels: Labels) -> tuple[tuple[Labels, int], ...]:
    names = (*RESOURCE_LABELS, *one.labels)
    return tuple((_in_order(names, (*labels, *map(quoted, more))), count) for more, count in one.read(each))


def _block(family: Family, rows: Rows) -> Block:
    kind, name, labels, _, text = family

    def labelled() -> Iterator[tuple[Labels, Any]]:
        for key, value in rows.items():
            values = (key,) if isinstance(key, str) else tuple(map(str, key))
            # The library writes the samples of histograms itself.
            yield _in_order(labels, values if kind is HISTOGRAM else tuple(map(quoted, values))), value

    return Block(kind, name, text, tuple(sorted(labels)), labelled())


def _in_order(names: Labels, values: Labels) -> Labels:
    """The values of labels in the order of their names."""
    return tuple([value for _, value in sorted(zip(names, values, strict=True))])


def _words(words: Iterable[str], counts: Mapping[Any, int]) -> Rows:
    """Counts of a fixed set of words, those without any included."""
    return {str(word): counts.get(word, 0) for word in words}


def _alone(value: float | Histogram) -> Rows:
    return {(): value}


def _readable(counts: Mapping[tuple[str, str, str], int]) -> Rows:
    """Replace what a text format cannot carry (control characters, lone surrogates); what falls together adds up."""
    readable: dict[Labels, int] = {}
    for labels, count in counts.items():
        key = tuple(map(_printable, labels))
        readable[key] = readable.get(key, 0) + count
    return readable


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


# fmt: off
FAMILIES: Final = (
    # The four of the service that this one replaces.
    Family(COUNTER, f"{SEED}events_total", ("event_type", "server_hostname", "action_result"),
           lambda of: _readable(of.totals.label_sets.counts()),
           "Audit events generated or posted. At most 2000 label sets, shared out by namespace; all three labels are 'other' "
           "for events that find no place."),
    Family(COUNTER, f"{SEED}published_success_total", (), lambda of: _alone(of.totals.published),
           "Audit events that the broker confirmed."),
    Family(COUNTER, f"{SEED}published_failure_total", (), lambda of: _alone(of.totals.failed),
           "Attempts to publish that ended in a nack, a return or an unknown outcome, and posts answered with 503. Failed "
           "attempts are usually retried: these are not lost events."),
    Family(GAUGE, f"{SEED}rabbitmq_connection_status", (), lambda of: _alone(int(of.health.rabbitmq_connected)),
           "1 when events get through, else 0, as in /healthz: the default broker's connection or, without a default "
           "broker, whether any active generator is connected."),
    # Events of the whole operator.
    Family(GAUGE, f"{OURS}generators", ("state",), lambda of: _words(GeneratorState, of.health.states),
           "Resources by state: active (publishing or trying to), suspended, completed, failing (needs your action)."),
    Family(COUNTER, f"{OURS}events_dropped_total", ("reason",), lambda of: _words(DropReason, of.totals.dropped),
           "Audit events dropped without being published, by reason."),
    Family(COUNTER, f"{OURS}events_skipped_total", ("reason",), lambda of: _words(SkipReason, of.totals.skipped),
           "Events that were due but never generated, by reason: buffer_full (the broker is slower than the rate), late "
           "(too late to make up for), global_budget (the memory of all buffers is used up), rate_limited (a cap of the "
           "operator)."),
    Family(GAUGE, f"{OURS}buffered_bytes", (NAMESPACE_LABEL,),
           lambda of: {"": 0} | of.sources.fleet.budget.used_by_namespace(),
           "Memory of the events that are buffered or in flight, by namespace; posts that name no generator have none."),
    Family(COUNTER, f"{OURS}publish_attempts_total", ("outcome",), lambda of: _words(Outcome, of.totals.attempts),
           "Finished attempts to publish one event, by outcome: ack, nack, returned (no such queue, or no binding matches), "
           "unknown (the connection ended before the confirm)."),
    Family(HISTOGRAM, f"{OURS}publish_confirm_seconds", (), lambda of: _alone(deepcopy(of.totals.confirm_seconds)),
           "Time from writing an event to the broker's confirm."),
    Family(HISTOGRAM, f"{OURS}schedule_lag_seconds", (), lambda of: _alone(deepcopy(of.totals.schedule_lag_seconds)),
           "Delay between a tick's due time and the generation of its events."),
    Family(HISTOGRAM, f"{OURS}event_loop_lag_seconds", (), lambda of: _alone(deepcopy(of.totals.loop_lag_seconds)),
           "Delay of the event loop's timer, measured ten times a second."),
    # Brokers and the API server.
    Family(GAUGE, f"{OURS}broker_connections", ("state",),
           lambda of: dict.fromkeys(ConnectionState, 0) | of.sources.brokers.connections(),
           "Connections to brokers by state: connecting, connected, blocked (short of memory or disk), failing."),
    Family(COUNTER, f"{OURS}broker_connects_total", ("result",), lambda of: dict(of.sources.brokers.connect_results()),
           "Attempts to connect to a broker, by result."),
    Family(COUNTER, f"{OURS}reconcile_total", ("result",), lambda of: dict(of.sources.source.reconciles()),
           "Resource changes handled, by result."),
    Family(COUNTER, f"{OURS}api_writes_total", ("kind", "result"), lambda of: dict(of.sources.source.api_writes()),
           "Writes to the Kubernetes API server, by kind of object and result."),
    Family(GAUGE, f"{OURS}foreign_owners", (), lambda of: _alone(of.sources.source.foreign_owners()),
           "Resources that another installation of the operator serves or wants to serve, too."),
    Family(GAUGE, f"{OURS}apiserver_last_success_timestamp_seconds", (),
           lambda of: {} if (last := of.sources.source.apiserver_last_success_unix_seconds()) is None else _alone(last),
           "Unix time of the API server's last answer; absent without a cluster."),
    # This process.
    Family(GAUGE, f"{OURS}leader", (), lambda of: _alone(int(of.sources.health_checks.leader() is not False)),
           "1 when this process serves resources, 0 when it has no bucket; always 1 without a cluster."),
    Family(GAUGE, f"{OURS}buckets", (), lambda of: _alone(of.sources.source.buckets()),
           "Buckets that this process serves; all replicas together have 16."),
    Family(GAUGE, f"{OURS}members", (), lambda of: _alone(of.sources.source.members()),
           "Replicas that share the buckets, as this one sees it; 1 without a cluster."),
    Family(COUNTER, f"{OURS}http_requests_total", ("route", "method", "code"), lambda of: dict(of.sources.http.requests),
           "HTTP requests answered, by route template, method and status code."),
    Family(HISTOGRAM, f"{OURS}http_request_duration_seconds", ("route",),
           lambda of: deepcopy(of.sources.http.seconds),
           "Time to answer an HTTP request, by route template."),
    Family(COUNTER, f"{OURS}label_overflow_total", (), lambda of: _alone(of.totals.label_sets.overflow),
           "Audit events that audit_event_generator_events_total counts as 'other' because its label sets have run out."),
    Family(GAUGE, f"{OURS}build_info", ("version", "revision", "python_version"),
           lambda of: {tuple(of.sources.build.values()): 1},
           "Always 1; the labels identify the running build."),
)

# Exactly twelve for every resource: these, and `info`.
RESOURCE_LABELS: Final = (NAMESPACE_LABEL, "generator")
INFO: Final = (
    "Always 1; the labels name the generator's queue (or exchange and routing key) and broker, and are empty until these are "
    "known."
)
PER_RESOURCE: Final[tuple[tuple[Callable[..., Any], str, Callable[[Snapshot], float], str], ...]] = (
    (COUNTER, "events_generated_total", lambda each: each.counts.generated,
     "Audit events of this generator, posted ones included; always published + dropped + buffered + in flight."),
    (COUNTER, "events_published_total", lambda each: each.counts.published,
     "Audit events that the broker confirmed."),
    (COUNTER, "events_dropped_total", lambda each: each.counts.dropped,
     "Audit events dropped without being published; audit_event_operator_events_dropped_total has the reasons."),
    (COUNTER, "events_retried_total", lambda each: each.counts.retried,
     "Second and later attempts to publish an event."),
    (COUNTER, "events_skipped_total", lambda each: each.counts.skipped,
     "Events that were due but never generated; audit_event_operator_events_skipped_total has the reasons."),
    (GAUGE, "events_buffered", lambda each: each.counts.buffered,
     "Audit events generated and waiting to be written to the broker."),
    (GAUGE, "events_in_flight", lambda each: each.counts.in_flight,
     "Audit events written to the broker but not confirmed yet."),
    (GAUGE, "target_events_per_second", lambda each: float(each.facts.target_rate),
     "Events per second that the spec asks for, after the operator's caps; 0 while suspended or completed."),
    (GAUGE, "interval_seconds", lambda each: each.facts.interval_seconds,
     "The interval in effect; with traffic, the longest time to expect between two ticks now."),
    (GAUGE, "ready", lambda each: int(each.facts.ready.readiness.status == "True"),
     "1 when the resource's Ready condition is True (publishing, suspended on purpose, completed), else 0."),
    (GAUGE, "last_publish_timestamp_seconds",
     lambda each: 0.0 if (last := each.facts.progress.last_publish_time) is None else last.timestamp(),
     "Unix time of the last confirm; 0 before the first one."),
)

# For resources with scenarios only.
OF_SCENARIOS: Final = (
    OfScenarios("scenario_episodes_total", ("scenario", "outcome"), _episodes,
                "Episodes of scenarios, by outcome: complete, incomplete (not all of its events were published), missed (the "
                "stream was not ready when it was to begin)."),
    OfScenarios("scenario_events_total", ("scenario",), _scenario_events,
                "Audit events of scenarios that the broker confirmed; the generator's other counters include them."),
    OfScenarios("expected_alerts_total", ("rule",), _expected_alerts,
                "Alerts that the published events of episodes should have raised, by rule of the platform."),
    OfScenarios("truth_records_total", ("outcome",), _truth_records,
                "Records of the ground truth, one for each episode, by outcome: delivered, undelivered (given up, because the "
                "resource, its truth queue or the operator went), dropped (no room to keep them)."),
)
