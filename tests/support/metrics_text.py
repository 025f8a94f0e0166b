"""The text of a scrape, as the operator writes it and as prometheus-client alone would: the two must be the same."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from audit_event_operator.engine.health import health_of
from audit_event_operator.engine.ledger import Histogram
from audit_event_operator.engine.snapshot import Snapshot
from audit_event_operator.web.metrics.families import (
    EACH,
    FAMILIES,
    INFO,
    OF_SCENARIOS,
    OURS,
    PER_RESOURCE,
    RESOURCE_LABELS,
    Family,
    Look,
    Sources,
    of_operator,
    of_resources,
    read,
)
from audit_event_operator.web.metrics.text import Encode, ending, pieces


def seen(sources: Sources, live: Iterable[Snapshot]) -> Look:
    return Look(sources, sources.fleet.totals, health_of(sources.fleet, Counter(each.contribution for each in live)))


def ours(looked: Look, snapshots: Sequence[Snapshot], encode: Encode) -> bytes:
    """As the operator writes it; without what the library tells of the process."""
    rows = [read(each) for each in snapshots]
    blocks = chain(of_operator(looked, FAMILIES), of_resources(rows))
    return b"".join(pieces(blocks, encode)) + ending(encode)


def plain(looked: Look, snapshots: Sequence[Snapshot], encode: Encode) -> bytes:
    """As the library alone writes it."""
    return encode(Plain(looked, snapshots))


class Plain(Collector):
    def __init__(self, looked: Look, snapshots: Sequence[Snapshot], families: Sequence[Family] = FAMILIES) -> None:
        self._families = families
        self._looked = looked
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            yield _filled(
                family.kind(family.name, family.text, labels=family.labels), family.read(self._looked).items()
            )
        names = [(each.ref.namespace, each.ref.name) for each in self._snapshots]
        for kind, name, value, text in PER_RESOURCE:
            series = kind(EACH + name, text, labels=RESOURCE_LABELS)
            yield _filled(series, zip(names, map(value, self._snapshots), strict=True))
        info = GaugeMetricFamily(f"{EACH}info", INFO, labels=(*RESOURCE_LABELS, "queue", "broker"))
        for labels, each in zip(names, self._snapshots, strict=True):
            info.add_metric((*labels, _printable(each.facts.destination), _printable(each.facts.broker)), 1)
        yield info
        for one in OF_SCENARIOS:
            counter = CounterMetricFamily(OURS + one.name, one.text, labels=(*RESOURCE_LABELS, *one.labels))
            for each in self._snapshots:
                if each.scenarios or any(each.truth):
                    for more, count in one.read(each):
                        counter.add_metric((each.ref.namespace, each.ref.name, *more), count)
            yield counter


def _filled(family: Any, rows: Iterable[tuple[Any, Any]]) -> Any:
    for key, value in rows:
        labels = (key,) if isinstance(key, str) else tuple(map(str, key))
        if isinstance(value, Histogram):
            family.add_metric(labels, buckets=list(value.cumulative()), sum_value=value.sum_seconds)
        else:
            family.add_metric(labels, value)
    return family


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
