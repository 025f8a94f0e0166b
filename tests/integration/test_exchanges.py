"""What becomes of events that go to an exchange of a real RabbitMQ: routed, returned, refused, and while it is away."""

import time

import pytest

from audit_event_operator.engine.ledger import DropReason, Outcome
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.broker_spec import Delivery, QueueType
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.targets.destination import Envelope
from support.doubles.producer import destination, event, events
from support.doubles.producer import exchange as to_exchange
from support.parts.outlets import DEFAULT, Producers, target_of


def of_severity(severity: str, count: int) -> list[AuditEvent]:
    return [event()._replace(severity=severity, user="ann", host="web-1") for _ in range(count)]


def ids(messages: list) -> list[str]:
    return [message.properties.message_id for message in messages]


async def test_each_event_has_its_own_routing_key_and_headers(rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "audit.user_login.*.#")
    where = to_exchange(
        exchange,
        "audit.${event_type}.${severity}.${namespace}/${name}",
        headers=(("who", "${user}@${host}"), ("team", "soc")),
        priority=7,
        expiration_ms=60_000,
    )
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(where)
        producer.put([*of_severity("INFO", 1), *of_severity("CRITICAL", 1)])
        await producer.published(2)
        first, second = rabbitmq.take(queue, 2)
    of = first.properties
    assert (of.headers, of.priority, of.expiration) == ({"who": "ann@web-1", "team": "soc"}, 7, "60000")
    assert (of.content_type, of.type, of.delivery_mode) == ("application/json", "user_login", 2)
    assert (first.routing_key, second.routing_key) == (
        "audit.user_login.INFO.default/producer",
        "audit.user_login.CRITICAL.default/producer",
    )


async def test_a_queue_gets_headers_priority_and_expiration_too(rabbitmq, queue) -> None:
    envelope = Envelope("", (("severity", "${severity}"),), 3, 90_000)
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(destination(queue, envelope=envelope))
        producer.put(of_severity("ERROR", 1))
        await producer.published(1)
        (message,) = rabbitmq.take(queue, 1)
    of = message.properties
    assert (of.headers, of.priority, of.expiration) == ({"severity": "ERROR"}, 3, "90000")


async def test_a_headers_exchange_routes_by_what_the_spec_puts_there(rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange, "headers")
    rabbitmq.bind(queue, exchange, arguments={"x-match": "all", "severity": "CRITICAL"})
    where = to_exchange(exchange, headers=(("severity", "${severity}"),), delivery=Delivery.AT_MOST_ONCE)
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(where)
        critical = producer.put(of_severity("CRITICAL", 5))
        producer.put(of_severity("INFO", 5))
        await producer.published(10)
        assert ids(rabbitmq.take(queue, 5)) == [each.event_id for each in critical]
        assert rabbitmq.queue_depth(queue) == 0


async def test_what_nothing_is_bound_for_waits_and_goes_on_once_a_queue_is_bound(rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "WARNING")
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(to_exchange(exchange, "${severity}"))
        await producer.ready()
        producer.put([*of_severity("WARNING", 10), *of_severity("INFO", 3), *of_severity("WARNING", 10)])
        began = time.monotonic()
        message = await producer.trouble(Reason.UNROUTABLE)
        assert time.monotonic() - began < 2
        assert f'exchange "{exchange}"' in message
        assert 'routing key "INFO"' in message
        await producer.until(lambda: producers.attempts[Outcome.RETURNED] >= 6)
        assert producer.health.trouble.reason is Reason.UNROUTABLE, "acks of others do not end it"
        assert producer.ledger.published <= 20
        rabbitmq.bind(queue, exchange, "INFO")
        await producer.published(23)
        await producer.until(lambda: producer.health.trouble is None)
        assert len(set(ids(rabbitmq.take(queue, 23)))) == 23


async def test_at_most_once_delivers_where_bound_and_waits_for_nobody(rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "WARNING")
    where = to_exchange(exchange, "${severity}", delivery=Delivery.AT_MOST_ONCE)
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(where, window=500)
        producer.put([*of_severity("WARNING", 100), *of_severity("INFO", 300)])
        await producer.published(400)
        assert rabbitmq.queue_depth(queue) == 100
        assert producers.attempts == {Outcome.ACK: 400}
        assert producer.reasons() == set()


async def test_an_exchange_that_is_missing_is_waited_for_and_never_made(rabbitmq, queue, exchange) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(to_exchange(exchange, "k"))
        message = await producer.trouble(Reason.EXCHANGE_NOT_FOUND)
        assert f'Exchange "{exchange}" does not exist' in message
        sent = producer.put(events(5))
        rabbitmq.declare_exchange(exchange)
        rabbitmq.bind(queue, exchange, "k")
        await producer.published(5)
        assert producer.health.trouble is None
        assert ids(rabbitmq.take(queue, 5)) == [each.event_id for each in sent]


async def test_an_exchange_that_is_deleted_under_load_is_waited_for(rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "k")
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(to_exchange(exchange, "k"))
        await producer.deliver(50)
        rabbitmq.delete_exchange(exchange)
        producer.put(events(20))
        await producer.trouble(Reason.EXCHANGE_NOT_FOUND)
        assert producer.ledger.published == 50
        rabbitmq.declare_exchange(exchange)
        rabbitmq.bind(queue, exchange, "k")
        await producer.published(70)
        await producer.until(lambda: producer.health.trouble is None)
        assert len(set(ids(rabbitmq.drain(queue)))) == 70


async def test_a_new_envelope_is_used_from_the_next_event_on_without_a_copy(rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "#")
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(to_exchange(exchange, "old"), window=500)
        await producer.deliver(5)
        connects = producers.brokers.connect_results()
        producer.put(events(200))
        assert producer.outlet.adopt(to_exchange(exchange, "new.${event_type}"))
        producer.put(events(200))
        await producer.published(405)
        assert producers.brokers.connect_results() == connects
        taken = rabbitmq.take(queue, 405)
    assert producers.attempts == {Outcome.ACK: 405}, "nothing was sent twice"
    assert {message.routing_key for message in taken} == {"old", "new.user_login"}
    assert taken[-1].routing_key == "new.user_login"


async def test_a_new_routing_key_frees_what_nothing_was_bound_for(rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "right")
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(to_exchange(exchange, "wrong"))
        producer.put(events(3))
        await producer.trouble(Reason.UNROUTABLE)
        assert producer.outlet.adopt(to_exchange(exchange, "right"))
        await producer.published(3)
        assert producer.health.trouble is None


@pytest.mark.parametrize("other", ["another queue", "another delivery"])
async def test_anything_else_needs_a_new_outlet(rabbitmq, exchange, other) -> None:
    rabbitmq.declare_exchange(exchange)
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(to_exchange(exchange, "k"))
        await producer.ready()
        changed = {
            "another queue": to_exchange(f"{exchange}-2", "k"),
            "another delivery": to_exchange(exchange, "k", delivery=Delivery.AT_MOST_ONCE),
        }[other]
        assert not producer.outlet.adopt(changed)


async def test_a_routing_key_that_becomes_too_long_costs_its_event_alone(rabbitmq, queue, exchange, caplog) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "#")
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open_to(to_exchange(exchange, "${user}.${host}"))
        long = [event()._replace(user="u" * 200, host="h" * 200) for _ in range(30)]
        short = of_severity("INFO", 10)
        producer.put([*long[:15], *short, *long[15:]])
        await producer.published(10)
        await producer.until(lambda: producer.ledger.dropped_total == 30)
        assert producer.ledger.dropped[DropReason.ENCODE_ERROR] == 30
        assert ids(rabbitmq.take(queue, 10)) == [each.event_id for each in short]
    assert len([record for record in caplog.records if "cannot be encoded" in record.message]) == 1


async def test_a_user_without_the_right_to_publish_there_is_told_so(own_rabbitmq, queue, exchange) -> None:
    own_rabbitmq.declare_exchange(exchange)
    own_rabbitmq.bind(queue, exchange, "#")
    own_rabbitmq.add_user("only-queues", "a-password", write="^amq\\.default$")
    target = target_of(own_rabbitmq, username="only-queues", password="a-password")
    async with Producers(target) as producers:
        producer = producers.open_to(to_exchange(exchange, "k"))
        producer.put(events(3))
        message = await producer.trouble(Reason.ACCESS_REFUSED)
        assert f'to publish to exchange "{exchange}"' in message
        assert "only-queues" not in message
        own_rabbitmq.rabbitmqctl("set_permissions", "-p", "/", "only-queues", ".*", ".*", ".*")
        await producer.published(3)


async def test_outlets_to_one_exchange_share_a_connection_whatever_their_keys(rabbitmq, queue, exchange) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "#")
    async with Producers(target_of(rabbitmq)) as producers:
        some = [producers.open_to(to_exchange(exchange, key, reference=DEFAULT)) for key in ("a", "b", "c")]
        for producer in some:
            await producer.deliver(10)
        assert sum(producers.brokers.connections().values()) == 1
        assert {message.routing_key for message in rabbitmq.take(queue, 30)} == {"a", "b", "c"}


async def test_a_stream_is_made_durable_and_read_from_an_offset(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = await producers.ready(queue, queue_type=QueueType.STREAM)
        sent = []
        for _ in range(4):
            sent += producer.put(events(50))
            await producer.published(len(sent))
    wanted = [each.event_id for each in sent]
    for offset in (0, 150):
        with rabbitmq.channel() as channel:
            channel.basic_qos(prefetch_count=100)
            channel.queue_declare(
                queue, durable=True, arguments={"x-queue-type": "stream"}
            )  # 406 if it were another kind
            read, arguments = [], {"x-stream-offset": offset}
            for method, properties, _body in channel.consume(queue, arguments=arguments, inactivity_timeout=5):
                assert method is not None, f"only {len(read)} came"
                channel.basic_ack(method.delivery_tag)
                read.append((properties.headers["x-stream-offset"], properties.message_id))
                if len(read) == len(wanted) - offset:
                    break
        assert read == list(enumerate(wanted))[offset:], "nothing was taken away by reading"
