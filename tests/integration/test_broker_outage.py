"""RabbitMQ goes away under load and comes back: nothing that counts as published is missing, and everybody is told the truth.

AEG_TEST_OUTAGE_SECONDS says for how long; from 60 on with the operator's own time constants, else with shorter ones.
"""

import os
import time
import uuid
from collections.abc import Iterator

import pytest

from support.faults.scraper import Scraper, scrape
from support.parts.generators import Generators
from support.parts.rabbitmq import RabbitMQ

OUTAGE_SECONDS = float(os.environ.get("AEG_TEST_OUTAGE_SECONDS", "8"))
SHORTENED = {"AEG_UNREACHABLE_SECONDS": "3", "AEG_BACKOFF_MAX_SECONDS": "2", "AEG_STATUS_COUNTER_SECONDS": "1"}
LOAD = {
    "fast": {"interval": "50ms", "eventsPerInterval": 20},  # 400/s
    "alike": {"interval": "100ms", "eventsPerInterval": 5},  # shares the queue of the one above
    "slow": {"interval": "200ms"},
}


@pytest.fixture
def queues(own_rabbitmq: RabbitMQ) -> Iterator[dict[str, str]]:
    """Who publishes where."""
    mark = uuid.uuid4().hex[:8]
    yield {"fast": f"busy-{mark}", "alike": f"busy-{mark}", "slow": f"calm-{mark}"}
    if own_rabbitmq.answers():
        own_rabbitmq.delete(f"busy-{mark}")
        own_rabbitmq.delete(f"calm-{mark}")


@pytest.mark.timeout(180 + 2 * OUTAGE_SECONDS)
@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_no_published_event_is_missing_after_rabbitmq_was(
    how, own_rabbitmq, cluster, namespace, queues, start_operator
) -> None:
    resources = Generators(cluster, namespace)
    constants = SHORTENED if OUTAGE_SECONDS < 60 else {}
    operator = start_operator(**own_rabbitmq.environment(), **constants)
    for name, spec in LOAD.items():
        resources.create(name, queue=queues[name], **spec)
    for name in LOAD:
        resources.wait_ready(name, "True", "Publishing")
    operator.wait_until(lambda: operator.status_of("/healthz") == 200, what="/healthz before the outage")

    with Scraper(operator).running() as scraper:
        operator.wait_until(lambda: scrape(operator).each("events_published_total", "fast") > 500, what="load")
        went = time.monotonic()
        own_rabbitmq.stop() if how == "stopped" else own_rabbitmq.kill()
        operator.wait_until(lambda: operator.status_of("/healthz") == 503, what="/healthz to see it")
        for name in LOAD:
            resources.wait_ready(name, "False", "BrokerUnreachable", timeout_seconds=45)
        assert "password" not in resources.condition("fast")["message"]
        at_worst = scraper.look()
        for name in LOAD:
            assert at_worst.each("ready", name) == 0
            assert at_worst.each("events_buffered", name) > 0
        time.sleep(max(0.0, OUTAGE_SECONDS - (time.monotonic() - went)))
        own_rabbitmq.start()
        for name in LOAD:
            resources.wait_ready(name, "True", "Publishing", timeout_seconds=60)
        operator.wait_until(lambda: operator.status_of("/healthz") == 200, what="/healthz to recover")
        for name in LOAD:  # they do not only say so
            before = scrape(operator).each("events_published_total", name)
            operator.wait_until(
                lambda name=name, before=before: scrape(operator).each("events_published_total", name) > before,
                what=f"{name} to publish again",
            )
            resources.patch(name, suspend=True)
        operator.wait_until(
            lambda: all(
                scrape(operator).each(part, name) == 0
                for part in ("events_buffered", "events_in_flight")
                for name in LOAD
            ),
            what="all events to be settled",
        )

    assert scraper.health_seen() == [200, 503, 200]
    end = scrape(operator)
    for name in LOAD:
        assert end.each("events_dropped_total", name) == 0, "no event is dropped for a broker reason"
        published = end.each("events_published_total", name)
        assert published == end.each("events_generated_total", name)
        operator.wait_until(
            lambda name=name, published=published: resources.status(name)["eventsPublished"] == published,
            what=f"the status of {name} to say how many",
            timeout_seconds=40,
        )
    for queue in sorted(set(queues.values())):
        published = sum(end.each("events_published_total", name) for name in LOAD if queues[name] == queue)
        messages = own_rabbitmq.drain(queue)
        assert len({message.properties.message_id for message in messages}) == published
        assert {message.properties.delivery_mode for message in messages} == {2}
        twice = len(messages) - published
        assert twice <= 5000, "what is sent again is at most what was unconfirmed"
        for message in messages:
            assert message.json()["event_id"] == message.properties.message_id
    assert operator.stop().exit_code == 0
