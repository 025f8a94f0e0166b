"""What a scrape costs with 1,000 and 10,000 resources: the operator's text beside that of prometheus-client alone.

The resources stand still, so that it is the scrape that is measured; the last row reads real generators on a broker in memory.
In turns, best of several rounds, in processor time. `held` is the longest stretch of work without another turn of the loop, in
processor time of its thread, so that what else the machine does adds nothing. The exit code is 0 when 10,000 resources take at
most a third of what the library takes and hold the loop for 50 ms at most.
"""

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn

from aiohttp.test_utils import make_mocked_request
from prometheus_client.exposition import choose_encoder

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.elsewhere import NothingElsewhere
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref, Snapshot
from audit_event_operator.resource.spec import GeneratorSpec, parse_spec
from audit_event_operator.resource.status import Progress
from audit_event_operator.web.generators import Generators
from audit_event_operator.web.http_counts import HttpCounts
from audit_event_operator.web.metrics.exposition import Exposition
from audit_event_operator.web.metrics.families import Sources
from audit_event_operator.web.ports import HealthChecks, SourceCounts
from audit_event_operator.web.slices import Slices
from support.doubles.fleet import Still, changed, make_snapshot
from support.doubles.memory_broker import MemoryBrokers, Place
from support.metrics_text import plain, seen

SIZES = (1_000, 10_000)
ROUNDS = 5
RATIO_MOST, HELD_MOST_SECONDS = 0.33, 0.05
GZIP = {"Accept-Encoding": "gzip"}


class Cost(NamedTuple):
    """Seconds: by the clock, of the processor, and the longest stretch on the loop."""

    wall: float
    cpu: float
    held: float


class Destinations:
    def destination(self, namespace: str, spec: GeneratorSpec) -> Place:
        return Place(spec.queue)


class StillFleet(Fleet):
    """A fleet of snapshots, which are replaced by others from scrape to scrape."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        super().__init__(EngineContext(MemoryBrokers(), Destinations()))
        self.running = True
        self.there = list(snapshots)

    def generators(self) -> list[Any]:
        return [Still(each) for each in self.there]

    series = generators

    def uids(self) -> frozenset[str]:
        return frozenset(each.uid for each in self.there)

    def change(self, every: int) -> None:
        """Confirm an event of every so many."""
        for index in range(0, len(self.there), every):
            counts = self.there[index].counts
            more = {"generated": counts.generated + 1, "published": counts.published + 1}
            self.there[index] = changed(self.there[index], **more, last_publish_time=datetime.now(UTC))


def snapshots(size: int) -> list[Snapshot]:
    then, like = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), make_snapshot()
    told = changed(like, generated=12_345, published=12_340, in_flight=5, last_publish_time=then)
    return [
        replace(told, ref=Ref(f"team-{index % 50}", f"generator-{index}"), uid=f"uid-{index}") for index in range(size)
    ]


def sources(fleet: Fleet) -> Sources:
    build = {"version": "1", "revision": "1", "python_version": "3"}
    return Sources(fleet, MemoryBrokers(), HealthChecks(), SourceCounts(), HttpCounts([]), build)


async def cost(work: Callable[[], Awaitable[object]], *, watched: bool = True) -> Cost:
    """Do it; `watched`: while something else wants each turn of the loop."""
    held, done = 0.0, asyncio.Event()

    async def others() -> None:
        nonlocal held
        while not done.is_set():
            before = time.thread_time()
            await asyncio.sleep(0)
            held = max(held, time.thread_time() - before)

    beside = asyncio.create_task(others() if watched else done.wait())
    await asyncio.sleep(0)
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    done.set()
    await beside
    return Cost(wall, cpu, held)


async def best(work: Callable[[], Awaitable[object]], before: Callable[[], object] = lambda: None) -> Cost:
    """The least of several rounds, each figure for itself."""
    found = []
    for _ in range(ROUNDS):
        before()
        found.append(await cost(work))
    return Cost(*(min(column) for column in zip(*found, strict=True)))


def show(name: str, found: Cost, whole: Cost) -> None:
    print(
        f"{name:34} {found.wall * 1e3:8.0f} ms {found.cpu * 1e3:8.0f} ms {found.held * 1e3:8.1f} ms"
        f" {found.cpu / whole.cpu:8.2f}",
        flush=True,
    )


async def still(size: int) -> bool:
    """Everything about a fleet of this size; True when the budgets are kept."""
    fleet = StillFleet(snapshots(size))
    exposition, listed = (
        Exposition(sources(fleet), Slices()),
        Generators(fleet, HealthChecks(), SimpleNamespace(elsewhere=NothingElsewhere()), Slices()),
    )
    encode, _ = choose_encoder("")

    async def library() -> None:
        plain(seen(sources(fleet), fleet.there), fleet.there, encode)

    async def scrape(**headers: str) -> None:
        await exposition.get(make_mocked_request("GET", "/metrics", headers=headers))

    async def page() -> None:
        await listed.list(make_mocked_request("GET", "/generators", headers=GZIP))

    print(f"\n{size:,} resources" + " " * 24 + "clock    processor        held    ratio")
    first = await cost(scrape)
    whole = await best(library)
    show("prometheus-client alone", whole, whole)
    show("first scrape", first, whole)
    show("nothing has changed", await best(scrape), whole)
    show("1 % has changed", await best(scrape, lambda: fleet.change(100)), whole)
    all_changed = await best(scrape, lambda: fleet.change(1))
    show("all has changed", all_changed, whole)
    packed = await best(lambda: scrape(**GZIP))
    show("the same, gzipped", packed, whole)
    show("/generators, gzipped", rows := await best(page), whole)
    held = max(each.held for each in (all_changed, packed, rows))
    return all_changed.cpu <= RATIO_MOST * whole.cpu and held <= HELD_MOST_SECONDS


async def running(size: int) -> None:
    """Real generators; what they need anyway is in the second row."""
    brokers = MemoryBrokers()
    fleet = Fleet(EngineContext(brokers, Destinations()))
    fleet.start()
    spec = parse_spec({"queue": "q", "interval": "10s"})
    for index in range(size):
        fleet.apply(Ref(f"team-{index % 50}", f"generator-{index}"), f"uid-{index}", 1, spec, Progress())
    while fleet.totals.published < size:  # noqa: ASYNC110 - each has begun; nothing tells when
        await asyncio.sleep(0.1)
    exposition = Exposition(sources(fleet), Slices())

    async def scrape() -> None:
        await exposition.get(make_mocked_request("GET", "/metrics", headers=GZIP))

    async def idle() -> None:
        await asyncio.sleep(2)

    print(f"\n{size:,} generators at work" + " " * 18 + "clock    processor        held    ratio")
    usual = await cost(idle, watched=False)
    found = await best(scrape)
    show("a scrape, gzipped", found, found)
    show("two seconds without one", usual, found)


def main() -> int:
    """Measure, print, judge."""
    gc.set_threshold(2_000, 5, 500)  # as in the operator
    kept = [asyncio.run(still(size)) for size in SIZES][-1]
    print(
        "\nok" if kept else "\nMISSED", f"(budget at {SIZES[-1]:,}: ratio {RATIO_MOST}, held {HELD_MOST_SECONDS:g} s)"
    )

    async def at_work() -> NoReturn:
        await running(SIZES[-1])
        os._exit(0 if kept else 1)  # ten thousand generators need no leave taken

    return asyncio.run(at_work())
