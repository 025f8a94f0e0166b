"""Who generated an event, judged by the events themselves: two operators never work on the same resource at once.

Each holder is told apart by what it knows: the resource names its hosts, and while one holder is stopped they are changed.
"""

import json
from datetime import UTC, datetime

import pytest

from support.faults.scraper import falls, scrape
from support.waiting import wait_until

# A Lease of a few seconds; test_replicas has the operator's own times.
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
    second.wait_until(lambda: second.metric("audit_event_operator_buckets") == 16, what="the second to take over")
    generators.patch("stream", interval="40ms", entities=hosts("after"))
    second.wait_until(lambda: scrape(second).each("interval_seconds", "stream") == 0.04, what="the patch")
    rabbitmq.drain(queue)  # whatever comes from here on is the second's, or a sin of the first
    resumed_at = datetime.now(UTC)
    first.resume()
    first.wait_for_log("Lost bucket", timeout_seconds=20)
    first.wait_until(lambda: first.metric("audit_event_operator_buckets") == 8, what="its share of the buckets")
    after = scrape(first)

    assert first.status_of("/readyz") == 200
    assert falls([before, after]) == []
    wait_until(lambda: rabbitmq.queue_depth(queue) > 60, what="more events")
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
