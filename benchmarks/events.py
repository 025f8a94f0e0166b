"""How fast events are made: independent draws, users who behave in worlds of three sizes, and all formats. One core, no broker.

Each row is measured in turns with the seed's stream, so that a ratio holds on a shared machine. The exit code is 0 when the
medians are within the budgets: seed 250,000/s, Sessions with 200 users and 40 hosts 60,000/s (in another format than Json
40,000/s), with 100,000 and 10,000 40,000/s, and the memory of the largest world at most 25 MiB after a million events.
"""

import os
import statistics
import time
import tracemalloc
from collections.abc import Mapping
from typing import Any

from audit_event_operator.events.factory import Slot
from audit_event_operator.events.layouts.chosen import layout_of, source_of
from audit_event_operator.resource.formats import Format
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.timeline.makers import Maker, Makers

SEED: Mapping[str, Any] = {}
WORLDS: Mapping[str, tuple[Mapping[str, Any], int]] = {
    "Sessions 5/4": ({"users": {"count": 5}, "hosts": {"count": 4}}, 0),
    "Sessions 200/40": ({}, 60_000),
    "Sessions 100,000/10,000": ({"users": {"count": 100_000}, "hosts": {"count": 10_000}}, 40_000),
}
SEED_LEAST = 250_000
FORMAT_LEAST = 40_000
MEMORY_MOST_MIB = 25
EVENTS = 50_000
BATCH = 100
START_NS = 1_767_604_200 * 10**9  # a Monday morning
STEP_NS = 2_000_000
RUNS = 5


def maker(spec: Mapping[str, Any]) -> Maker:
    parsed = parse_spec(spec)
    layout = layout_of(parsed.format, source_of("default", "stream"))
    return Makers().maker(parsed, 1, fresh=True, entropy=os.urandom, layout=layout)


def rate(stream: Maker, first: int) -> float:
    """Events per second of processor time."""
    began = time.process_time()
    for begin in range(first, first + EVENTS, BATCH):
        stream.make([Slot(number, START_NS + number * STEP_NS) for number in range(begin, begin + BATCH)])
    return EVENTS / (time.process_time() - began)


def memory_mib(entities: Mapping[str, Any]) -> float:
    """What a world takes after a million events."""
    tracemalloc.start()
    stream = maker({"activity": "Sessions", "entities": entities})
    for begin in range(0, 1_000_000, BATCH):
        stream.make([Slot(number, START_NS + number * STEP_NS) for number in range(begin, begin + BATCH)])
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / 2**20


def main() -> int:
    """Measure, print, judge."""
    streams = {"seed": maker(SEED)} | {
        name: maker({"activity": "Sessions", "entities": entities}) for name, (entities, _) in WORLDS.items()
    }
    formats = [each.value for each in Format if each is not Format.JSON]
    streams |= {f"Sessions 200/40 {name}": maker({"activity": "Sessions", "format": name}) for name in formats}
    rates: dict[str, list[float]] = {name: [] for name in streams}
    for run in range(RUNS):
        for name, stream in streams.items():
            rates[name].append(rate(stream, run * EVENTS))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    least = {"seed": SEED_LEAST} | {name: budget for name, (_, budget) in WORLDS.items()}
    least |= {f"Sessions 200/40 {name}": FORMAT_LEAST for name in formats}
    print(f"{'stream':26} {'events/s':>10}   of the seed's   budget")
    for name, median in medians.items():
        print(f"{name:26} {median:10,.0f}   {median / medians['seed']:13.2f}   {least[name] or '-':>6}")
    held = memory_mib(WORLDS["Sessions 100,000/10,000"][0])
    print(f"\nmemory of the largest world after a million events: {held:.1f} MiB (budget {MEMORY_MOST_MIB})")
    return 0 if held <= MEMORY_MOST_MIB and all(medians[name] >= least[name] for name in medians) else 1
