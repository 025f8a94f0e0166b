"""What can happen to an exchange: deleted and made again under load, or without a binding for some of the events."""

import time
from collections.abc import Iterator

import pytest

from support.faults.harness import Harness, span

STEADY = {"interval": "10ms", "eventsPerInterval": 2}  # 200/s


@pytest.fixture
def topic(harness: Harness) -> Iterator[str]:
    """A topic exchange that sends everything to the main queue."""
    name = f"topic-{harness.namespace}"
    harness.broker.declare_exchange(name)
    harness.broker.bind(harness.queue(), name, "#")
    yield name
    if harness.broker.answers():
        harness.broker.delete_exchange(name)


@pytest.mark.row(59)
@pytest.mark.parametrize("delivery", ["AtLeastOnce", "AtMostOnce"])
@pytest.mark.timeout(900)
def test_an_exchange_that_is_deleted_under_load_and_made_again_is_waited_for(
    delivery, harness, topic, measured
) -> None:
    harness.start()
    harness.stream("steady", **STEADY, delivery=delivery, exchange={"name": topic, "routingKey": "${event_type}"})
    with harness.watched():
        harness.wait_published("steady", 200)
        harness.broker.delete_exchange(topic)
        took = harness.seconds_until("steady", "ExchangeNotFound", timeout_seconds=20)
        connects, published = harness.connects(), harness.value("events_published_total", "steady")
        time.sleep(span(120, 6))  # it is missing
        assert harness.value("events_published_total", "steady") == published
        churn = harness.connects() - connects
        harness.broker.declare_exchange(topic)
        harness.broker.bind(harness.queue(), topic, "#")
        harness.wait_for("steady", "Publishing", timeout_seconds=330 if span(1, 0) else 30)
        harness.wait_published("steady", 200)
        harness.settle()
    assert churn <= 1, "looking an exchange up needs no new connection each time"
    delivered = harness.check_delivery()
    if delivery == "AtLeastOnce":
        assert harness.value("events_dropped_total", "steady") == 0
    measured(f"{delivery}: ExchangeNotFound after {took:.1f} s, {churn:.0f} connection made anew; {delivered}")


@pytest.mark.row(60)
@pytest.mark.timeout(300)
def test_a_key_that_nothing_is_bound_for_holds_the_stream_until_a_queue_is(harness, topic, measured) -> None:
    harness.start()
    exchange = {"name": topic, "routingKey": "${severity}"}
    harness.stream("steady", **STEADY, exchange=exchange)
    queue = harness.queue()
    with harness.watched():
        harness.wait_published("steady", 200)
        for severity in ("INFO", "WARNING"):
            harness.broker.bind(queue, topic, severity)
        harness.broker.unbind(queue, topic, "#")
        harness.operator.wait_until(lambda: harness.attempts("returned") > 0, what="the first return")
        took = harness.seconds_until("steady", "Unroutable")
        assert took < 2
        assert 'routing key "CRITICAL"' in harness.resources.condition("steady", "Ready")["message"]
        time.sleep(span(60, 8))  # the buffer fills up
        published, returned = harness.value("events_published_total", "steady"), harness.attempts("returned")
        time.sleep(span(60, 6))
        assert harness.value("events_published_total", "steady") == published, "the stream waits"
        assert harness.resources.ready("steady") == ("False", "Unroutable")
        probes = harness.attempts("returned") - returned
        assert probes <= span(60, 6) + 1
        began = time.monotonic()
        harness.broker.bind(queue, topic, "CRITICAL")
        harness.wait_for("steady", "Publishing", timeout_seconds=20)
        resumed = time.monotonic() - began
        harness.wait_published("steady", 200)
        harness.settle()
    assert harness.value("events_dropped_total", "steady") == 0
    measured(
        f"Unroutable {took:.1f} s after the first return; {probes:.0f} probes in {span(60, 6):.0f} s; goes on {resumed:.1f} s"
        f" after the binding; {harness.check_delivery()}"
    )


@pytest.mark.row(60)
def test_at_most_once_flows_on_where_a_part_is_bound(harness, topic, measured) -> None:
    harness.start()
    queue = harness.queue()
    harness.broker.unbind(queue, topic, "#")
    harness.broker.bind(queue, topic, "CRITICAL")
    exchange = {"name": topic, "routingKey": "${severity}"}
    harness.stream("steady", **STEADY, delivery="AtMostOnce", exchange=exchange)
    with harness.watched():
        began, before = time.monotonic(), harness.value("events_published_total", "steady")
        time.sleep(span(60, 6))
        rate = (harness.value("events_published_total", "steady") - before) / (time.monotonic() - began)
        harness.settle()
    assert harness.attempts("returned") == 0
    assert harness.value("events_dropped_total", "steady") == 0
    assert rate > 170
    messages = harness.broker.drain(queue)
    assert messages
    assert {message.json()["severity"] for message in messages} == {"CRITICAL"}
    delivered = harness.check_delivery(messages, broker_discards=True)
    assert len(delivered.missing) == delivered.published - delivered.in_queue
    measured(f"AtMostOnce: {rate:.0f}/s; {delivered.in_queue} of {delivered.published} were bound for")
