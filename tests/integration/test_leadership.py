"""Who generated an event, judged by the events themselves: two operators never work on the same resource at once.

Each holder is told apart by what it knows: the resource names its hosts, and while one holder is stopped they are changed.
"""

import itertools
import json
import time
from datetime import UTC, datetime

import pytest

from support.faults.scraper import falls, scrape

# A Lease of a few seconds; test_cluster_leadership has the operator's own times.
QUICK_LEASE = {"AEG_LEASE_DURATION_SECONDS": "4", "AEG_LEASE_RENEW_SECONDS": "3", "AEG_LEASE_RETRY_SECONDS": "0.5"}


def hosts(name: str) -> dict[str, object]:
    return {"hosts": {"names": [name]}}


@pytest.mark.row(33)
def test_a_holder_that_was_stopped_generates_nothing_when_it_goes_on(
    generators, queue, rabbitmq, start_operator, measured
) -> None:
    generators.create("stream", queue=queue, interval="1ms", entities=hosts("before"))
    first = start_operator("first", **QUICK_LEASE)
    first.wait_until(lambda: scrape(first).each("events_published_total", "stream") > 20, what="the first's events")
    second = start_operator("second", **QUICK_LEASE)

    before = scrape(first)
    first.pause()
    stopped_at = datetime.now(UTC)
    second.wait_until(lambda: second.get_json("/healthz")["leader"], what="the second to take over")
    generators.patch("stream", interval="40ms", entities=hosts("after"))
    second.wait_until(lambda: scrape(second).each("interval_seconds", "stream") == 0.04, what="the patch")
    rabbitmq.drain(queue)  # whatever comes from here on is the second's, or a sin of the first
    resumed_at = datetime.now(UTC)
    first.resume()
    first.wait_for_log("Lost the Lease", timeout_seconds=20)
    at_first = scrape(first)
    taken = scrape(second).each("events_published_total", "stream")
    second.wait_until(lambda: scrape(second).each("events_published_total", "stream") > taken + 60, what="more events")
    later = scrape(first)

    assert first.get_json("/healthz")["leader"] is False
    assert first.status_of("/readyz") == 200
    assert first.post("/generate_event", {"event_type": "user_login"}).status == 503
    assert falls([before, at_first, later]) == []
    key = ("audit_event_generator_published_success_total", ())
    assert later.totals()[key] == at_first.totals()[key]
    sins = [
        event
        for message in rabbitmq.drain(queue)
        if (event := json.loads(message.body))["server_hostname"] == "before"
        and datetime.fromisoformat(event["timestamp"]) > stopped_at
    ]
    assert sins == [], f"stopped at {stopped_at}, went on at {resumed_at}"
    assert [first.stop().exit_code, second.stop().exit_code] == [0, 0]
    away = (resumed_at - stopped_at).total_seconds()
    measured(f"holder stopped for {away:.0f} s, replaced and continued: 0 events of its own after it was stopped")


@pytest.mark.row(33)
def test_a_handover_takes_five_seconds_at_most_and_its_gap_is_in_the_events(
    generators, queue, rabbitmq, start_operator, measured
) -> None:
    generators.create("stream", queue=queue, interval="50ms")
    first = start_operator("first", AEG_START_SPREAD_SECONDS="0.1")
    first.wait_until(lambda: scrape(first).each("events_published_total", "stream") > 20, what="the first's events")
    second = start_operator("second", AEG_START_SPREAD_SECONDS="0.1")
    asked = time.monotonic()
    ended = first.stop()
    second.wait_until(lambda: scrape(second).each("events_published_total", "stream") > 20, what="the second's events")
    assert ended.exit_code == 0
    assert "Released the Lease" in first.log
    assert time.monotonic() - asked < 15
    told = generators.status("stream")["eventsPublished"]
    events = [(message.json()["timestamp"], message.properties.message_id) for message in rabbitmq.drain(queue)]
    times = [datetime.fromisoformat(stamp) for stamp, _ in events]
    assert len({identity for _, identity in events}) == len(events), "nothing was generated or sent twice"
    assert times == sorted(times), "one worked after the other"
    gaps = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
    assert max(gaps) <= 5
    assert told >= 20
    measured(f"handover at SIGTERM: no event of both at once or twice, longest pause {max(gaps):.1f} s")
