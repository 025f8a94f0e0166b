"""Streams into exchanges, seen by a user: the whole operator on a real API server and a real RabbitMQ."""

import time
from collections import Counter

from audit_event_operator.events.catalogue import CATALOGUE
from support.parts.rabbitmq import Message

SEVERITIES = ("INFO", "WARNING", "CRITICAL")
EVENTS = "audit_event_generator_events_total"


def severities_of_the_ledger(operator) -> Counter[str]:
    """How many events of each severity were generated, by the seed's metric: type and result tell which."""
    severity = {
        (each.event.event_type, each.event.action_result): str(each.event.severity) for each in CATALOGUE.values()
    }
    counted: Counter[str] = Counter()
    for (event_type, result), name in severity.items():
        counted[name] += int(operator.metric(EVENTS, event_type=event_type, action_result=result) or 0)
    return counted


def test_a_topic_with_a_queue_for_each_severity_gets_what_the_ledger_says(
    start_operator, generators, rabbitmq, queue, exchange, measured
) -> None:
    rabbitmq.declare_exchange(exchange)
    queues = {severity: f"{queue}-{severity}" for severity in SEVERITIES}
    for severity, name in queues.items():
        rabbitmq.bind(name, exchange, f"audit.*.{severity}")
    try:
        operator = start_operator()
        generators.create(
            "topic",
            interval="100ms",
            eventsPerInterval=60,
            maxEvents=6_000,
            exchange={"name": exchange, "routingKey": "audit.${event_type}.${severity}"},
            message={"headers": {"stream": "${namespace}/${name}"}, "priority": 4},
        )
        generators.wait_for("topic", "Completed")
        taken = {severity: rabbitmq.drain(name) for severity, name in queues.items()}
    finally:
        for name in queues.values():
            rabbitmq.delete(name)
    ledger = severities_of_the_ledger(operator)
    assert {severity: len(messages) for severity, messages in taken.items()} == {
        each: ledger[each] for each in SEVERITIES
    }
    everything = [message for messages in taken.values() for message in messages]
    assert len({message.properties.message_id for message in everything}) == len(everything) == 6_000
    for severity, messages in taken.items():
        assert {message.json()["severity"] for message in messages} == {severity}
    for message in everything[::500]:
        of = message.properties
        assert (of.content_type, of.type, of.priority) == ("application/json", message.json()["event_type"], 4)
        assert of.headers == {"stream": f"{generators.namespace}/topic"}
    status = generators.status("topic")
    assert (status["eventsPublished"], status["destination"]) == (
        6_000,
        f"{exchange} → audit.${{event_type}}.${{severity}}",
    )
    assert "queue" not in status
    measured(f"{dict(ledger)} in the queues as in the ledger, 0 missing")


def test_one_text_tells_the_destination_everywhere(start_operator, generators, rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "#")
    operator = start_operator()
    generators.create("told", interval="50ms", exchange={"name": exchange, "routingKey": "a.${user}"})
    published = generators.wait_for("told", "Publishing")
    text = f"{exchange} → a.${{user}}"
    assert f'exchange "{text}"' in published["message"]
    assert generators.status("told")["destination"] == text
    row = operator.get_json(f"/generators/{generators.namespace}/told")
    assert (row["destination"], row["queue"]) == (text, None)
    assert operator.metric("audit_event_operator_generator_info", generator="told", queue=text) == 1
    operator.wait_until(lambda: f'to exchange "{text}"' in operator.log, what="a line in the log", timeout_seconds=30)


def keys(messages: list[Message]) -> Counter[str]:
    return Counter(message.routing_key for message in messages)


def test_a_stream_moves_from_a_queue_to_an_exchange_and_changes_its_key_in_place(
    start_operator, generators, rabbitmq, queue, exchange
) -> None:
    operator = start_operator()
    rabbitmq.declare_exchange(exchange)
    bound = f"{queue}-bound"
    rabbitmq.bind(bound, exchange, "#")
    try:
        generators.create("moving", queue=queue, interval="20ms", eventsPerInterval=2)
        generators.wait_for("moving", "Publishing")
        generators.patch("moving", exchange={"name": exchange, "routingKey": "first.${severity}"})
        operator.wait_until(lambda: rabbitmq.queue_depth(bound) > 20, what="events by the exchange")
        assert generators.status("moving")["destination"].startswith(exchange)
        connects = operator.metric("audit_event_operator_broker_connects_total", result="connected")
        generators.patch("moving", exchange={"routingKey": "second"}, message={"headers": {"k": "v"}})
        seen = rabbitmq.queue_depth(bound)
        operator.wait_until(lambda: rabbitmq.queue_depth(bound) > seen + 50, what="more events")
        assert operator.metric("audit_event_operator_broker_connects_total", result="connected") == connects
        assert operator.metric("audit_event_operator_generator_events_retried_total", generator="moving") == 0
        generators.patch("moving", suspend=True)
        generators.wait_for("moving", "Suspended")
        operator.wait_until(
            lambda: not operator.metric("audit_event_operator_generator_events_in_flight", generator="moving"),
            what="rest",
        )
        to_queue, to_exchange = rabbitmq.drain(queue), rabbitmq.drain(bound)
    finally:
        rabbitmq.delete(bound)
    firsts = [message.routing_key.startswith("first.") for message in to_exchange]
    assert firsts == sorted(firsts, reverse=True), "no old key after a new one"
    assert not all(firsts)
    assert {str(message.properties.headers) for message in to_exchange if message.routing_key == "second"} == {
        "{'k': 'v'}"
    }
    ids = {message.properties.message_id for message in [*to_queue, *to_exchange]}
    published = operator.metric("audit_event_operator_generator_events_published_total", generator="moving")
    assert len(ids) == len(to_queue) + len(to_exchange) == published


def test_a_posted_event_goes_the_way_of_its_generator(start_operator, generators, rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "user_login.CRITICAL.mallory.FAILURE")
    operator = start_operator()
    generators.create(
        "posted",
        suspend=True,
        exchange={"name": exchange, "routingKey": "${event_type}.${severity}.${user}.${action_result}"},
        message={"headers": {"host": "${host}"}},
    )
    generators.wait_for("posted", "Suspended")
    where = f"/generate_event?generator={generators.namespace}/posted"
    event = {
        "event_type": "user_login", "severity": "CRITICAL", "user_id": "mallory", "action_result": "FAILURE",
        "server_hostname": "web-1",
    }  # fmt: skip
    answer = operator.post(where, event)
    assert answer.status == 202
    (message,) = rabbitmq.take(queue, 1)
    assert message.properties.message_id == answer.json()["event_id"]
    assert message.properties.headers == {"host": "web-1"}
    began = time.monotonic()
    assert operator.post(where, event | {"user_id": "nobody-is-bound"}).status == 503
    assert time.monotonic() - began < 5
