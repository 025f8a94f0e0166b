"""The families that stand for those per resource where AEG_METRICS_PER_RESOURCE is false: sums for each namespace.

Counters are kept in the engine, not added up here, so that they never fall when a resource goes.
"""

from collections.abc import Callable, Iterable
from typing import Final

from audit_event_operator.engine.ledger import NamespaceCounts
from audit_event_operator.web.metrics.families import (
    COUNTER,
    GAUGE,
    NAMESPACE_LABEL,
    OURS,
    Family,
    Look,
    Rows,
    Sums,
)

OF_NAMESPACES: Final = f"{OURS}namespace_"


def _counted(count: Callable[[NamespaceCounts], int]) -> Callable[[Look], Rows]:
    return lambda of: {namespace: count(each) for namespace, each in of.totals.namespaces.items()}


def _words(counts: Callable[[NamespaceCounts], Iterable[tuple[str, int]]]) -> Callable[[Look], Rows]:
    return lambda of: {
        (namespace, word): count for namespace, each in of.totals.namespaces.items() for word, count in counts(each)
    }


def _now(value: Callable[[Sums], float]) -> Callable[[Look], Rows]:
    """Also of namespaces whose resources have all gone."""
    none = Sums()
    return lambda of: {namespace: value(of.sums.get(namespace, none)) for namespace in of.totals.namespaces}


def _truth(of: Look) -> Rows:
    told = of.sources.fleet.truth_totals.namespaces
    return {
        (namespace, word): count
        for namespace, each in told.items()
        for word, count in (("delivered", each.published), ("undelivered", each.dropped), ("dropped", each.skipped))
    }


# fmt: off
PER_NAMESPACE: Final = (
    Family(COUNTER, f"{OF_NAMESPACES}events_generated_total", (NAMESPACE_LABEL,), _counted(lambda each: each.generated),
           "Audit events of the namespace, posted ones included; always published + dropped + waiting."),
    Family(COUNTER, f"{OF_NAMESPACES}events_published_total", (NAMESPACE_LABEL,), _counted(lambda each: each.published),
           "Audit events of the namespace that the broker confirmed."),
    Family(COUNTER, f"{OF_NAMESPACES}events_dropped_total", (NAMESPACE_LABEL,), _counted(lambda each: each.dropped),
           "Audit events of the namespace dropped without being published."),
    Family(COUNTER, f"{OF_NAMESPACES}events_retried_total", (NAMESPACE_LABEL,), _counted(lambda each: each.retried),
           "Second and later attempts to publish an event of the namespace."),
    Family(COUNTER, f"{OF_NAMESPACES}events_skipped_total", (NAMESPACE_LABEL,), _counted(lambda each: each.skipped),
           "Events of the namespace that were due but never generated."),
    Family(GAUGE, f"{OF_NAMESPACES}events_waiting", (NAMESPACE_LABEL,),
           _counted(lambda each: each.generated - each.published - each.dropped),
           "Audit events of the namespace that are buffered or in flight."),
    Family(GAUGE, f"{OF_NAMESPACES}generators", (NAMESPACE_LABEL,), _now(lambda each: each.resources),
           "Resources of the namespace."),
    Family(GAUGE, f"{OF_NAMESPACES}generators_ready", (NAMESPACE_LABEL,), _now(lambda each: each.ready),
           "Those of them whose Ready condition is True (publishing, suspended on purpose, completed)."),
    Family(GAUGE, f"{OF_NAMESPACES}target_events_per_second", (NAMESPACE_LABEL,), _now(lambda each: each.target_rate),
           "Events per second that the namespace's resources ask for, after the operator's caps."),
    Family(GAUGE, f"{OF_NAMESPACES}steady_target_events_per_second", (NAMESPACE_LABEL,),
           _now(lambda each: each.steady_target_rate),
           "The same, of resources with an interval of a minute at most: what should be seen in every window of ten minutes."),
    Family(COUNTER, f"{OF_NAMESPACES}scenario_episodes_total", (NAMESPACE_LABEL, "outcome"),
           _words(lambda each: each.episodes.items()),
           "Episodes of the namespace's scenarios, by outcome: complete, incomplete, missed."),
    Family(COUNTER, f"{OF_NAMESPACES}expected_alerts_total", (NAMESPACE_LABEL, "rule"),
           _words(lambda each: each.expected_alerts.items()),
           "Alerts that the published events of the namespace's episodes should have raised, by rule of the platform."),
    Family(COUNTER, f"{OF_NAMESPACES}truth_records_total", (NAMESPACE_LABEL, "outcome"), _truth,
           "Records of the ground truth, by outcome: delivered, undelivered (given up), dropped (no room to keep them)."),
)
