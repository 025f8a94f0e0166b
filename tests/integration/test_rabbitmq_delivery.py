"""What becomes of events on a real RabbitMQ: confirms, returns, nacks, closes, and ends of outlets."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from pika import spec
from pika.frame import Method

from audit_event_operator.brokers.rabbitmq.address import Address
from audit_event_operator.brokers.rabbitmq.wire import PublishFrames
from audit_event_operator.engine.ledger import DropReason, Outcome
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery, QueueType
from audit_event_operator.resource.conditions import Reason
from support.doubles.producer import event, events
from support.parts.outlets import QUICK, Producers, target_of


async def test_a_confirmed_event_is_in_the_queue_with_its_properties(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = await producers.ready(queue)
        (sent,) = producer.put([event("ü", event_type="sudo_command")])
        await producer.published(1)
        (message,) = rabbitmq.take(queue, 1)
    assert message.body == sent.body
    of = message.properties
    assert (of.content_type, of.delivery_mode, of.message_id) == ("application/json", 2, sent.event_id)
    assert (of.timestamp, of.type) == (1_700_000_000, "sudo_command")
    assert (of.app_id, of.headers) == ("audit-event-operator", None)
    assert producer.health.broker == f"{rabbitmq.host}:{rabbitmq.port}/%2F"
    assert producer.health.connected
    assert sum(producers.totals.confirm_seconds.counts) == 1


async def test_thousands_of_events_arrive_once_and_in_order(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open(queue, window=500)
        sent = []
        for _ in range(20):
            sent += producer.put(events(250))
            await producer.until(lambda: producer.outbox.room >= 250)
        await producer.published(5_000)
        arrived = rabbitmq.take(queue, 5_000)
    assert [message.properties.message_id for message in arrived] == [each.event_id for each in sent]
    assert producers.attempts == {Outcome.ACK: 5_000}


async def test_a_body_larger_than_a_frame_arrives_whole(rabbitmq, queue) -> None:
    pieces: list[bytes] = []
    body = event("x" * 60_000)
    PublishFrames(1, Address.of_queue(queue), persistent=True, mandatory=True, body_max=4_088).encode(body, 1, pieces)
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open(queue)
        producer.put([body])
        await producer.published(1)
        (message,) = rabbitmq.take(queue, 1)
    assert message.body == body.body
    assert len(pieces) > 45


async def test_at_most_once_is_transient_and_never_sent_again(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = await producers.ready(queue, delivery=Delivery.AT_MOST_ONCE)
        await producer.deliver(1)
        (message,) = rabbitmq.take(queue, 1)
        assert message.properties.delivery_mode == 1
        rabbitmq.delete(queue)
        producer.put(events(1))
        await producer.published(2)  # not mandatory: an ack without a queue
        assert producers.attempts[Outcome.RETURNED] == 0


async def test_a_deleted_queue_is_declared_again_and_its_events_come_again(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = await producers.ready(queue)
        rabbitmq.delete(queue)
        sent = producer.put(events(5))
        await producer.published(5)
        arrived = rabbitmq.take(queue, 5)
    assert Counter(message.properties.message_id for message in arrived) == Counter(each.event_id for each in sent)
    assert producers.attempts[Outcome.RETURNED] >= 1
    assert any(message.properties.headers == {"x-aeg-attempt": 2} for message in arrived)
    assert producer.health.trouble is None


async def test_a_queue_that_must_exist_is_waited_for(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open(queue, mode=DeclarationMode.MUST_EXIST)
        producer.put(events(3))
        message = await producer.trouble(Reason.QUEUE_NOT_FOUND)
        assert f'"{queue}"' in message
        assert producer.health.connected
        assert not rabbitmq.exists(queue)
        rabbitmq.declare(queue)
        await producer.published(3)
        assert producer.health.trouble is None

        rabbitmq.delete(queue)
        producer.put(events(2))
        await producer.trouble(Reason.QUEUE_NOT_FOUND)
        assert producer.ledger.published == 3
        assert producer.outbox.buffered == 2
        rabbitmq.declare(queue)
        await producer.published(5)
        assert rabbitmq.queue_depth(queue) == 2


async def test_quorum_queues_are_declared_as_such(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open(queue, queue_type=QueueType.QUORUM)
        await producer.deliver(1)
    with rabbitmq.channel() as channel, pytest.raises(Exception, match="PRECONDITION_FAILED"):
        channel.queue_declare(queue, durable=True)


async def test_an_existing_queue_with_other_arguments_is_used_as_it_is(rabbitmq, queue) -> None:
    rabbitmq.declare(queue, {"x-max-length": 7})
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open(queue, queue_type=QueueType.QUORUM)
        await producer.deliver(1)
        assert producer.health.trouble is None


async def test_a_locked_queue_is_named(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        with rabbitmq.channel() as channel:
            channel.queue_declare(queue, exclusive=True)
            producer = producers.open(queue)
            await producer.trouble(Reason.QUEUE_LOCKED)
        await producer.ready()
        assert producer.health.trouble is None


async def test_a_full_queue_rejects_and_nothing_is_lost(rabbitmq, queue) -> None:
    rabbitmq.declare(queue, {"x-max-length": 2, "x-overflow": "reject-publish"})
    async with Producers(target_of(rabbitmq)) as producers:
        producer = producers.open(queue)
        sent = producer.put(events(8))
        message = await producer.trouble(Reason.REJECTED_BY_BROKER)
        assert "reject-publish" in message
        arrived = []
        while producer.ledger.published < 8 or len(arrived) < 8:
            arrived += rabbitmq.drain(queue)
            await asyncio.sleep(0.05)
        assert producer.health.trouble is None
    assert {each.properties.message_id for each in arrived} == {each.event_id for each in sent}
    assert len(arrived) == 8
    assert producers.attempts[Outcome.NACK] >= 6


async def test_two_outlets_of_one_queue_share_a_connection_and_settle_apart(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        one, other = producers.open(queue), producers.open(queue)
        await one.ready()
        await other.ready()
        assert producers.brokers.connections()["connected"] == 1
        one.put(events(40))
        other.put(events(30))
        await one.published(40)
        await other.published(30)
        assert one.outlet is not None
        one.outlet.close(0)
        await other.deliver(5)
        assert producers.brokers.connections()["connected"] == 1


async def test_queues_of_one_broker_have_a_connection_each(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        one, other = producers.open(queue), producers.open(f"{queue}-b")
        await one.ready()
        await other.ready()
        assert producers.brokers.connections()["connected"] == 2
        rabbitmq.delete(f"{queue}-b")


async def test_nothing_is_written_while_the_gate_is_closed(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = await producers.ready(queue)
        producers.gate.opened = False
        producer.put(events(3))
        await asyncio.sleep(0.4)
        assert producer.outbox.in_flight == 0
        producers.gate.opened = True
        await producer.published(3)


async def test_closing_without_grace_settles_at_once_and_a_new_outlet_carries_on(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = await producers.ready(queue)
        producer.put(events(10))
        await producer.until(lambda: producer.outbox.in_flight == 10 or producer.ledger.published)
        in_flight = producer.outbox.in_flight
        producer.outlet.close(0)
        assert producer.outbox.in_flight == 0
        assert producer.outbox.buffered == in_flight
        producer.assert_conserved()
        producer.open()
        await producer.published(10)
        assert producers.brokers.connections()["connected"] == 1
        assert producers.brokers.connect_results()["connected"] == 1  # it is the same one


async def test_closing_with_grace_lets_the_broker_confirm_and_writes_nothing_more(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq)) as producers:
        producer = await producers.ready(queue)
        producer.put(events(20))
        await producer.until(lambda: producer.outbox.in_flight > 0 or producer.ledger.published > 0)
        producer.put(events(20))
        producer.outbox.close(DropReason.RESOURCE_DELETED)
        producer.outlet.close(5)
        await producer.until(lambda: producer.outbox.in_flight == 0)
        producer.assert_conserved()
        assert producer.ledger.published + producer.ledger.dropped[DropReason.RESOURCE_DELETED] == 40
        assert rabbitmq.queue_depth(queue) == producer.ledger.published
        while sum(producers.brokers.connections().values()):
            await asyncio.sleep(0.01)


async def test_a_killed_broker_loses_no_published_event(own_rabbitmq, queue) -> None:
    async with Producers(target_of(own_rabbitmq)) as producers:
        producer = await producers.ready(queue, window=500)
        await asyncio.to_thread(own_rabbitmq.write_definitions)
        sent = []
        while producer.ledger.published < 3_000:
            sent += producer.put(events(min(100, producer.outbox.room)))
            await asyncio.sleep(0)
        own_rabbitmq.kill(definitions_written=False)  # at once, with events under way
        await producer.until(lambda: not producer.health.connected)
        assert producer.health.trouble is not None
        assert producer.health.trouble.reason is Reason.BROKER_UNREACHABLE
        producer.assert_conserved()
        own_rabbitmq.start()  # not in a thread: the broker would end with it
        await producer.until(lambda: producer.outbox.idle, 40)
        assert producer.ledger.published == len(sent)
        assert producer.health.trouble is None
        arrived = Counter(message.properties.message_id for message in own_rabbitmq.drain(queue))
        assert set(arrived) == {each.event_id for each in sent}
        copies = sum(arrived.values()) - len(sent)
        assert copies <= producers.attempts[Outcome.UNKNOWN]


async def test_closed_connections_are_made_again(own_rabbitmq, queue) -> None:
    async with Producers(target_of(own_rabbitmq)) as producers:
        producer = await producers.ready(queue)
        await asyncio.to_thread(own_rabbitmq.close_all_connections)
        await producer.trouble(Reason.BROKER_UNREACHABLE)
        since = producer.health.trouble.since  # type: ignore[union-attr]
        await producer.ready()
        assert producer.health.trouble is not None, "only a confirm shows that it is over"
        assert producer.health.trouble.since == since
        await producer.deliver(1)
        assert producer.health.trouble is None


async def test_a_blocked_connection_is_kept_and_nothing_is_lost(own_rabbitmq, queue) -> None:
    async with Producers(target_of(own_rabbitmq), timing=replace(QUICK, confirm_seconds=1.0)) as producers:
        producer = await producers.ready(queue)
        await asyncio.to_thread(own_rabbitmq.raise_memory_alarm)
        producer.put(events(10))  # the broker says that it blocks only now
        await producer.until(lambda: producer.health.blocked_since is not None)
        assert producers.brokers.connections()["blocked"] == 1
        before = producer.outbox.in_flight
        producer.put(events(20))
        await asyncio.sleep(1.6)  # longer than the oldest confirm may take: that clock stands still
        assert producer.outbox.in_flight == before
        assert producer.health.connected
        assert producer.health.trouble is None
        await asyncio.to_thread(own_rabbitmq.clear_memory_alarm)
        await producer.published(30)
        assert producer.health.blocked_since is None
        assert producers.attempts == {Outcome.ACK: 30}


async def test_closing_while_blocked_does_not_wait(own_rabbitmq, queue) -> None:
    producers = Producers(target_of(own_rabbitmq))
    producer = await producers.ready(queue)
    await asyncio.to_thread(own_rabbitmq.raise_memory_alarm)
    producer.put(events(10))
    await producer.until(lambda: producer.health.blocked_since is not None)
    producer.outbox.close(DropReason.SHUTDOWN_DEADLINE)
    producer.outlet.close(0)
    producer.assert_conserved()
    async with asyncio.timeout(1):
        await producers.brokers.aclose()


async def test_a_silent_broker_is_given_up_and_the_events_are_sent_again(own_rabbitmq, queue) -> None:
    timing = replace(QUICK, confirm_seconds=0.5, connect_seconds=1.0)
    async with Producers(target_of(own_rabbitmq), timing=timing) as producers:
        producer = await producers.ready(queue)
        own_rabbitmq.pause()
        sent = producer.put(events(5))
        await producer.until(lambda: Reason.CONFIRM_TIMEOUT in producer.reasons())
        await producer.until(lambda: producer.outbox.in_flight == 0)
        assert producer.outbox.buffered == 5
        await producer.trouble(Reason.BROKER_UNREACHABLE)  # a mute port: the deadline of the attempt
        own_rabbitmq.resume()
        await producer.published(5)
        arrived = {message.properties.message_id for message in own_rabbitmq.drain(queue)}
        assert arrived == {each.event_id for each in sent}


async def test_an_event_on_which_the_broker_closes_is_found_and_dropped(rabbitmq, queue, monkeypatch) -> None:
    encode = PublishFrames.encode

    def encode_badly(self: PublishFrames, made: AuditEvent, attempt: int, into: list[bytes]) -> None:
        if made.event_type == "poison":
            method = spec.Basic.Publish(exchange="no-such-exchange", routing_key=queue)
            into.append(Method(self._channel, method).marshal())
            discarded: list[bytes] = []
            encode(self, made, attempt, discarded)
            into += discarded[1:]
        else:
            encode(self, made, attempt, into)

    monkeypatch.setattr(PublishFrames, "encode", encode_badly)
    async with Producers(target_of(rabbitmq)) as producers:
        producer, neighbour = producers.open(queue), producers.open(queue)
        await producer.ready()
        await neighbour.ready()
        good = producer.put(events(5))
        producer.put([event(event_type="poison")])
        good += producer.put(events(5))
        good += neighbour.put(events(5))
        await producer.until(lambda: producer.outbox.idle and neighbour.outbox.idle, 30)
        assert producer.ledger.dropped == {DropReason.REJECTED_BY_BROKER: 1}
        assert producer.ledger.published == 10
        assert neighbour.ledger.published == 5
        arrived = {message.properties.message_id for message in rabbitmq.drain(queue)}
        assert arrived == {each.event_id for each in good}
