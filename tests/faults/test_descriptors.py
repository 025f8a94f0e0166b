"""More connections than the process may have open files."""

import re
import time
from collections import Counter

import pytest

from support.faults.harness import SLACK, span

QUEUES = 300
SECONDS = span(60, 15)


@pytest.mark.row(53)
@pytest.mark.timeout(300)
def test_what_exceeds_the_limit_of_open_files_waits_and_the_rest_works(harness, neighbour, measured) -> None:
    operator = harness.start(prefix=("prlimit", "--nofile=256:256"))
    with harness.watched():
        for number in range(QUEUES):
            harness.stream(f"many-{number}", harness.queue(f"q{number}"), until=None, interval="1s")
        message = harness.wait_for(f"many-{QUEUES - 101}", "ConnectionLimit")
        assert "open files" in message
        began = time.monotonic()
        neighbour.create("steady", queue=harness.queue("free"), interval="10ms")
        neighbour.wait_for("steady", "Publishing", timeout_seconds=10)
        took = time.monotonic() - began
        published, began = harness.value("events_published_total", "steady"), time.monotonic()
        time.sleep(SECONDS)  # the window of the measurement
        rate = (harness.value("events_published_total", "steady") - published) / (time.monotonic() - began)
        complaints = len(re.findall(r"^\S+ \S+ (?:WARNING|ERROR)", operator.log, re.MULTILINE))
        reasons = Counter(harness.resources.ready(f"many-{number}")[1] for number in range(QUEUES))
    assert rate == pytest.approx(100, rel=SLACK)
    assert complaints <= 2 * QUEUES
    assert reasons["Publishing"] >= 64
    assert reasons["Publishing"] + reasons["ConnectionLimit"] == QUEUES
    measured(
        f"{reasons['Publishing']} of {QUEUES} publish, {reasons['ConnectionLimit']} say ConnectionLimit; another namespace's "
        f"new stream after {took:.1f} s at {rate:.1f}/s of 100/s; {complaints} warnings in the log"
    )
