"""The memory that all buffers share: one namespace fills its own part of it, and nobody else's."""

import time

import pytest

from support.faults.harness import FULL, SLACK, span
from support.waiting import wait_until

LARGE = {
    "interval": "100ms",
    "eventsPerInterval": 250,
    "eventTypes": [
        {
            "name": "large",
            "eventType": "large",
            "details": {f"part{number}": "\u00e9" * 1024 for number in range(28)},  # 57 KiB
        }
    ],
    "eventMix": {"large": 1},
}
GREEDY = 6
HELD = "audit_event_operator_buffered_bytes"


@pytest.mark.row(49)
@pytest.mark.timeout(300)
def test_a_namespace_whose_queue_refuses_large_events_stops_nobody_else(harness, neighbour, measured) -> None:
    harness.start(AEG_BACKPRESSURE_SECONDS=f"{span(60, 3):g}")
    greedy = {"generator_namespace": harness.namespace}
    full, free = harness.queue("full"), harness.queue("free")
    harness.broker.declare(full, {"x-max-length": 1, "x-overflow": "reject-publish"})
    neighbour.create("steady", queue=free, interval="10ms")
    neighbour.wait_for("steady", "Publishing")
    with harness.watched():
        for number in range(GREEDY):
            harness.stream(f"greedy-{number}", full, until=None, **LARGE)
        message = harness.wait_for("greedy-0", "MemoryExhausted", timeout_seconds=span(90, 30))
        assert full in message, "the message says why"
        before, began = harness.value("events_published_total", "steady"), time.monotonic()
        neighbour.create("newcomer", queue=free, interval="100ms")
        neighbour.wait_for("newcomer", "Publishing", timeout_seconds=10)
        newcomer_took = time.monotonic() - began
        time.sleep(span(60, 8))  # the window of the measurement
        rate = (harness.value("events_published_total", "steady") - before) / (time.monotonic() - began)
        held = harness.total(HELD, **greedy)
        assert neighbour.ready("steady") == ("True", "Publishing")
        skipped = harness.value("events_skipped_total", "steady")
        for number in range(GREEDY):
            harness.resources.delete(f"greedy-{number}")
        wait_until(lambda: harness.total(HELD, **greedy) == 0, what="the memory to be given back")
    assert rate == pytest.approx(100, rel=SLACK)
    if FULL:
        assert skipped == 0, "in a short run the machine, not the memory, may make a tick late"
    assert 16 < held / 2**20 < 70
    measured(
        f"the other namespace at {rate:.1f}/s of 100/s, {skipped:.0f} skipped, a new stream of it after "
        f"{newcomer_took:.1f} s; {held / 2**20:.0f} MiB of 128 MiB held by the greedy one"
    )
