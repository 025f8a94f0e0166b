"""What integration tests of the whole operator share: its resources by name, and a witness who scrapes it all the time.

Knows the operator from outside only: the API server's JSON, HTTP answers, metric names.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from realparts.controlplane import GENERATORS, ControlPlane
from realparts.operator_process import OperatorProcess
from realparts.processes import wait_until

EACH = "audit_event_operator_generator_"
PARTS = ("events_published_total", "events_dropped_total", "events_buffered", "events_in_flight")
MERGE = "application/merge-patch+json"

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Resources:
    """The AuditEventGenerators of one namespace, as the administrator handles them."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace

    def create(self, name: str, **spec: Any) -> dict[str, Any]:
        body = {
            "apiVersion": f"{GENERATORS.group}/{GENERATORS.version}",
            "kind": "AuditEventGenerator",
            "metadata": {"name": name},
            "spec": spec,
        }
        answer = self._plane.request("POST", GENERATORS.path(self._namespace), body)
        assert answer.status == 201, answer.body
        return dict(answer.body)

    def patch(self, name: str, **spec: Any) -> dict[str, Any]:
        path = GENERATORS.path(self._namespace, name)
        answer = self._plane.request("PATCH", path, {"spec": spec}, content_type=MERGE)
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def get(self, name: str) -> dict[str, Any]:
        answer = self._plane.request("GET", GENERATORS.path(self._namespace, name))
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def status(self, name: str) -> dict[str, Any]:
        return dict(self.get(name).get("status") or {})

    def delete(self, name: str) -> None:
        answer = self._plane.request("DELETE", GENERATORS.path(self._namespace, name))
        assert answer.status == 200, answer.body

    def ready(self, name: str) -> tuple[str, str]:
        """Status and reason of the Ready condition; two empty words without one."""
        found = self._ready(name)
        return found.get("status", ""), found.get("reason", "")

    def ready_message(self, name: str) -> str:
        return self._ready(name).get("message", "")

    def wait_ready(self, name: str, status: str, reason: str, *, timeout_seconds: float = 30) -> None:
        """Wait until the Ready condition says so."""
        wait_until(
            lambda: self.ready(name) == (status, reason),
            timeout_seconds=timeout_seconds,
            what=f"{name} to be Ready={status} ({reason})",
            explain=lambda: self._ready(name),
            every_seconds=0.1,
        )

    def _ready(self, name: str) -> dict[str, str]:
        conditions = self.status(name).get("conditions") or []
        return next((each for each in conditions if each["type"] == "Ready"), {})


@dataclass
class Scrape:
    """One look at a running operator."""

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
            if found == EACH + name and ("generator", generator) in labels
        )

    def generators(self) -> set[str]:
        """Who has series."""
        return {dict(labels)["generator"] for name, labels in self.counters if name == f"{EACH}events_generated_total"}

    def unbalanced(self) -> list[str]:
        """Generators whose events generated are not all published, dropped, buffered or in flight."""
        return [
            f"{each}: generated {self.each('events_generated_total', each)}, "
            + ", ".join(f"{part} {self.each(part, each)}" for part in PARTS)
            for each in sorted(self.generators())
            if self.each("events_generated_total", each) != sum(self.each(part, each) for part in PARTS)
        ]

    def totals(self) -> Series:
        """Counters of the whole process: what may never fall, whoever goes."""
        return {key: value for key, value in self.counters.items() if not key[0].startswith(EACH)}


@dataclass
class Witness:
    """Scrapes an operator twice a second; afterwards its scrapes are judged."""

    operator: OperatorProcess
    scrapes: list[Scrape] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator["Witness"]:
        """Scrape meanwhile, and judge in the end: every scrape is balanced, no total fell, /livez said 200 all the time."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.5):
                try:
                    self.scrapes.append(scrape(self.operator))
                except OSError as error:
                    self.failures.append(repr(error))

        thread = threading.Thread(target=watch, name="witness", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join(30)
        self.judge()

    def judge(self) -> None:
        assert len(self.scrapes) > 1
        assert self.failures == []
        assert {each.livez for each in self.scrapes} == {200}
        assert len({each.pid for each in self.scrapes}) == 1
        for each in self.scrapes:
            assert each.unbalanced() == []
        assert falls(self.scrapes) == []

    def health_seen(self) -> list[int]:
        """The turns of /healthz, for example [200, 503, 200]."""
        seen: list[int] = []
        for each in self.scrapes:
            if not seen or seen[-1] != each.healthz:
                seen.append(each.healthz)
        return seen


def scrape(operator: OperatorProcess) -> Scrape:
    """Look now.

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
    """The totals of the process that fell or vanished from one scrape to the next."""
    found = []
    for before, after in itertools.pairwise(scrapes):
        later = after.totals()
        found += [
            f"{name}{dict(labels)}: {value} -> {later.get((name, labels))}"
            for (name, labels), value in before.totals().items()
            if later.get((name, labels), -1) < value
        ]
    return found
