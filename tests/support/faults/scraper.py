"""Scrapes a running operator all the time and checks what it saw.

Knows the operator from outside only: HTTP answers and metric names.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from support.parts.operator_process import SERIES, OperatorProcess

LABELLED = "audit_event_generator_events_total"
PARTS = ("events_published_total", "events_dropped_total", "events_buffered", "events_in_flight")

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Scrape:
    """What a running operator shows at one moment."""

    at: float
    livez: int
    healthz: int
    pid: int
    counters: Series
    gauges: Series

    def each(self, name: str, generator: str) -> float:
        """The value of one of the series of a generator; 0 when it has none."""
        return sum(
            value
            for series in (self.counters, self.gauges)
            for (found, labels), value in series.items()
            if found == SERIES + name and ("generator", generator) in labels
        )

    def generators(self) -> set[str]:
        """The generators that have series."""
        return {
            dict(labels)["generator"] for name, labels in self.counters if name == f"{SERIES}events_generated_total"
        }

    def unbalanced(self) -> list[str]:
        """Generators whose events generated are not all published, dropped, buffered or in flight."""
        return [
            f"{each}: generated {self.each('events_generated_total', each)}, "
            + ", ".join(f"{part} {self.each(part, each)}" for part in PARTS)
            for each in sorted(self.generators())
            if self.each("events_generated_total", each) != sum(self.each(part, each) for part in PARTS)
        ]

    def totals(self) -> Series:
        """Counters of the whole process: these never fall, whatever is deleted."""
        return {key: value for key, value in self.counters.items() if not key[0].startswith(SERIES)}


@dataclass
class Scraper:
    """Scrapes an operator twice a second, and at the first and the last moment; checks the scrapes at the end."""

    operator: OperatorProcess
    scrapes: list[Scrape] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator["Scraper"]:
        """Scrape meanwhile; in the end every scrape is balanced, no total fell, and /livez always answered 200."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.5):
                try:
                    self.look()
                except OSError as error:
                    self.failures.append(repr(error))

        self.look()
        thread = threading.Thread(target=watch, name="scraper", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join(30)
        self.look()
        self.check()

    def look(self) -> Scrape:
        """Scrape now: what a test has waited for, the scrapes have seen as well."""
        with self._turn:
            self.scrapes.append(scrape(self.operator))
            return self.scrapes[-1]

    def check(self) -> None:
        assert len(self.scrapes) > 1
        assert self.failures == []
        assert {each.livez for each in self.scrapes} == {200}
        assert len({each.pid for each in self.scrapes}) == 1
        for each in self.scrapes:
            assert each.unbalanced() == []
        assert falls(self.scrapes) == []

    def health_seen(self) -> list[int]:
        """How /healthz changed, for example [200, 503, 200]."""
        seen: list[int] = []
        for each in self.scrapes:
            if not seen or seen[-1] != each.healthz:
                seen.append(each.healthz)
        return seen


def scrape(operator: OperatorProcess) -> Scrape:
    """One scrape.

    Raises:
        OSError: nobody answers.
    """
    counters: Series = {}
    gauges: Series = {}
    for family in text_string_to_metric_families(operator.metrics_text()):
        kept = counters if family.type in {"counter", "histogram"} else gauges
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                kept[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    livez, healthz = operator.get("/livez").status, operator.get("/healthz").status
    return Scrape(time.monotonic(), livez, healthz, operator.pid, counters, gauges)


def falls(scrapes: list[Scrape]) -> list[str]:
    """The totals of the process that fell or vanished from one scrape to the next.

    A label set of the seed's metric may vanish, but its sum must not fall: the count has moved to `other`.
    """
    found = []
    for before, after in itertools.pairwise(scrapes):
        earlier, later = before.totals(), after.totals()
        found += [
            f"{name}{dict(labels)}: {value} -> {later.get((name, labels))}"
            for (name, labels), value in earlier.items()
            if later.get((name, labels), value if name == LABELLED else -1) < value
        ]
        sums = [sum(value for (name, _), value in each.items() if name == LABELLED) for each in (earlier, later)]
        found += [f"sum of {LABELLED}: {sums}"] if sums[1] < sums[0] else []
    return found
