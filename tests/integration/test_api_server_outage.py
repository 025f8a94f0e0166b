"""The API server dies and comes back on the same etcd: events go on meanwhile, and what happens right afterwards is noticed.

AEG_TEST_OUTAGE_SECONDS says for how long it is away.
"""

import os
import time
import uuid
from collections.abc import Iterator

import pytest

from support.faults.scraper import Scraper, scrape
from support.parts.generators import Generators
from support.parts.operator_process import SERIES
from support.parts.rabbitmq import Broker

OUTAGE_SECONDS = float(os.environ.get("AEG_TEST_OUTAGE_SECONDS", "8"))
NAMES = ("stays", "patched", "deleted")


@pytest.fixture
def queues(rabbitmq: Broker) -> Iterator[dict[str, str]]:
    """A queue for each resource."""
    mark = uuid.uuid4().hex[:8]
    found = {name: f"{name}-{mark}" for name in NAMES}
    yield found
    for queue in found.values():
        rabbitmq.delete(queue)


@pytest.mark.row(26)
@pytest.mark.timeout(110 + OUTAGE_SECONDS)
def test_events_go_on_without_the_api_server_and_its_return_is_noticed(
    own_control_plane, namespace, queues, rabbitmq, start_operator, measured
) -> None:
    resources = Generators(own_control_plane, namespace)
    operator = start_operator(AEG_STATUS_COUNTER_SECONDS="1")
    for name in NAMES:
        resources.create(name, queue=queues[name], interval="100ms")
    for name in NAMES:
        resources.wait_ready(name, "True", "Publishing")

    with Scraper(operator).running() as scraper:
        own_control_plane.kill_apiserver()
        try:
            went = time.monotonic()
            at_first = scrape(operator)
            time.sleep(OUTAGE_SECONDS)
            at_last = scrape(operator)
            away = time.monotonic() - went
        finally:
            own_control_plane.start_apiserver()
        resources.patch("patched", interval="40ms")
        resources.delete("deleted")
        back = time.monotonic()
        rates = {}
        for name in NAMES:
            came = at_last.each("events_published_total", name) - at_first.each("events_published_total", name)
            assert came >= 0.8 * 10 * away, f"{name} went on"
            rates[name] = came / away
        operator.wait_until(
            lambda: operator.metric(f"{SERIES}interval_seconds", generator="patched") == 0.04, what="the patch"
        )
        operator.wait_until(
            lambda: {row["name"] for row in operator.get_json("/healthz?verbose=1")["rows"]} == {"stays", "patched"},
            what="the deletion",
        )
        noticed = time.monotonic() - back
        assert noticed <= 20
        left = rabbitmq.queue_depth(queues["deleted"])
        operator.wait_until(
            lambda: resources.status("patched").get("observedGeneration") == 2, what="the patch to be reported"
        )
        depth = rabbitmq.queue_depth(queues["stays"])
        operator.wait_until(lambda: rabbitmq.queue_depth(queues["stays"]) > depth + 10, what="more events")
        assert rabbitmq.queue_depth(queues["deleted"]) == left
        operator.wait_until(lambda: operator.status_of("/readyz") == 200, what="readiness")
        at_last_count = scrape(operator).each("events_published_total", "stays")
        operator.wait_until(
            lambda: resources.status("stays")["eventsPublished"] >= at_last_count, what="the counters in the status"
        )
        resources.wait_ready("stays", "True", "Publishing")
        right = time.monotonic() - back

    assert set(scraper.health_seen()) == {200}
    assert operator.get_json("/healthz")["leader"] is True
    assert "Lost the Lease" not in operator.log
    assert operator.stop().exit_code == 0
    measured(
        f"away for {away:.0f} s: {min(rates.values()):.2f}/s of 10/s meanwhile, a patch and a deletion noticed {noticed:.1f} s "
        f"after the return, every status right after {right:.0f} s, the same process"
    )
