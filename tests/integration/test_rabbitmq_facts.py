"""What the product relies on of RabbitMQ, seen without the product; docs/decisions/0006-rabbitmq-4.md has it in figures.

When a new RabbitMQ breaks one of these, it is our design that has to be looked at, not a test.
"""

import asyncio
from collections.abc import AsyncIterator

import pika
import pytest
from pika import exceptions

from support.parts.rabbitmq import Broker
from support.parts.raw_publisher import RawPublisher, tell
from support.parts.tcp_proxy import TcpProxy

LIMIT = 3


@pytest.fixture
async def publisher(rabbitmq: Broker) -> AsyncIterator[RawPublisher]:
    async with RawPublisher(rabbitmq) as publisher:
        yield publisher


async def test_what_has_no_queue_is_returned_before_it_is_acked_and_only_acked_without_mandatory(
    publisher, queue
) -> None:
    publisher.publish(queue)
    await publisher.wait_settled(1)
    assert [(note.what, note.code) for note in publisher.notes] == [("return", 312), ("ack", 0)]
    publisher.publish(queue, mandatory=False)
    assert await publisher.wait_settled(2) == ({1, 2}, set())
    assert [note.what for note in publisher.notes] == ["return", "ack", "ack"]


async def test_what_no_binding_matches_is_returned_before_it_is_acked_and_only_acked_without_mandatory(
    publisher, rabbitmq, queue, exchange
) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.bind(queue, exchange, "bound")
    publisher.publish("unbound", exchange=exchange)
    await publisher.wait_settled(1)
    assert [(note.what, note.code) for note in publisher.notes] == [("return", 312), ("ack", 0)]
    publisher.publish("unbound", exchange=exchange, mandatory=False)
    publisher.publish("bound", exchange=exchange)
    assert await publisher.wait_settled(3) == ({1, 2, 3}, set())
    assert len(publisher.seen("return")) == 1
    assert rabbitmq.queue_depth(queue) == 1


async def test_an_exchange_that_is_deleted_closes_the_channel_at_the_next_publish(
    publisher, rabbitmq, exchange
) -> None:
    rabbitmq.declare_exchange(exchange)
    rabbitmq.delete_exchange(exchange)
    publisher.publish("key", exchange=exchange)
    assert (await publisher.wait_for("channel closed")).code == 404
    assert publisher.seen("ack", "nack", "return") == []


@pytest.mark.parametrize("name", ["CC", "BCC"])
async def test_a_header_by_which_it_routes_must_be_a_list_or_the_channel_closes(
    publisher, rabbitmq, exchange, name
) -> None:
    rabbitmq.declare_exchange(exchange)
    publisher.publish("key", exchange=exchange, headers={name: "text"})
    assert (await publisher.wait_for("channel closed")).code == 406


async def test_a_full_queue_nacks_what_it_does_not_take(publisher, rabbitmq, queue) -> None:
    rabbitmq.declare(queue, {"x-max-length": LIMIT, "x-overflow": "reject-publish"})
    publisher.publish(queue, 2 * LIMIT)
    assert await publisher.wait_settled(2 * LIMIT) == ({1, 2, 3}, {4, 5, 6})


async def test_a_queue_that_drops_its_head_acks_everything(publisher, rabbitmq, queue) -> None:
    rabbitmq.declare(queue, {"x-max-length": LIMIT})
    publisher.publish(queue, 2 * LIMIT)
    assert await publisher.wait_settled(2 * LIMIT) == ({1, 2, 3, 4, 5, 6}, set())
    assert rabbitmq.queue_depth(queue) == LIMIT


async def test_everything_is_settled_when_the_queue_is_deleted_under_load_and_the_channel_stays(
    publisher, rabbitmq, queue
) -> None:
    rabbitmq.declare(queue)
    deleting = asyncio.create_task(asyncio.to_thread(_delete_when_filled, rabbitmq, queue, 1000))
    sent = 0
    while not deleting.done():
        publisher.publish(queue, 50, body=b"x" * 400)
        sent += 50
        await asyncio.sleep(0)
    publisher.publish(queue, 1)
    sent += 1
    acked, nacked = await publisher.wait_settled(sent)
    returned = len(publisher.seen("return"))
    assert (len(acked), nacked) == (sent, set())
    assert returned + await deleting <= sent, "what was acked for the old queue went with it"
    assert publisher.channel.is_open
    assert publisher.notes[-1].what == "ack"
    assert publisher.notes[-2].what == "return"


def _delete_when_filled(broker: Broker, queue: str, depth: int) -> int:
    with broker.channel() as channel:
        while channel.queue_declare(queue, passive=True).method.message_count < depth:
            pass
        return int(channel.queue_delete(queue).method.message_count)


async def test_to_write_to_a_queue_is_a_right_to_write_to_the_default_exchange(own_rabbitmq, queue) -> None:
    own_rabbitmq.declare(queue)
    own_rabbitmq.add_user("writer", "password", write=queue)
    credentials = pika.PlainCredentials("writer", "password")
    async with RawPublisher(own_rabbitmq, credentials=credentials) as publisher:
        publisher.publish(queue)
        assert (await publisher.wait_for("channel closed")).code == 403
    own_rabbitmq.add_user("writer", "password", write="amq\\.default", configure="^$")
    async with RawPublisher(own_rabbitmq, credentials=credentials) as publisher:
        publisher.publish(queue)
        assert await publisher.wait_settled(1) == ({1}, set())


@pytest.mark.parametrize(
    "permissions", [("^$", "^$", "^$"), (".*", "^$", "^$"), ("^$", ".*", "^$"), ("^$", "^$", ".*")]
)
async def test_whether_a_queue_exists_is_told_to_whom_has_some_right_to_it_or_to_anybody_before_4_3(
    own_rabbitmq, queue, permissions
) -> None:
    own_rabbitmq.declare(queue)
    own_rabbitmq.add_user("nobody", "password")
    own_rabbitmq.rabbitmqctl("set_permissions", "nobody", *permissions)
    told = any(right == ".*" for right in permissions) or own_rabbitmq.release() < (4, 3)
    async with RawPublisher(own_rabbitmq, credentials=pika.PlainCredentials("nobody", "password")) as publisher:
        answer = await _declare(publisher, queue, passive=True)
        assert ("succeeded" if told else "403") in answer
        if permissions[0] == "^$":
            assert "403" in await _declare(publisher, queue, durable=True)


async def test_a_busy_channel_keeps_the_permissions_it_had_and_a_new_one_is_refused(own_rabbitmq, queue) -> None:
    own_rabbitmq.declare(queue)
    own_rabbitmq.add_user("leaver", "password")
    async with RawPublisher(own_rabbitmq, credentials=pika.PlainCredentials("leaver", "password")) as publisher:
        clearing = asyncio.create_task(asyncio.to_thread(own_rabbitmq.rabbitmqctl, "clear_permissions", "leaver"))
        sent = 0
        while not clearing.done():  # a channel that has nothing to do forgets what it knew, and looks again
            publisher.publish(queue)
            sent += 1
            await asyncio.sleep(0.02)
        publisher.publish(queue)
        assert await publisher.wait_settled(sent + 1) == (set(range(1, sent + 2)), set())
        publisher.channel = await publisher.open_channel()
        publisher.publish(queue)
        assert (await publisher.wait_for("channel closed")).code == 403
        own_rabbitmq.rabbitmqctl("delete_user", "leaver")
        assert (await publisher.wait_for("connection closed")).code == 320


async def test_a_blocked_connection_is_told_so_at_its_first_publish_and_gets_no_answers(own_rabbitmq, queue) -> None:
    own_rabbitmq.declare(queue)
    own_rabbitmq.raise_memory_alarm()
    async with RawPublisher(own_rabbitmq) as publisher:  # connecting and asking go on as ever
        assert await _declare(publisher, queue, passive=True) == "passive declare succeeded"
        await asyncio.sleep(0.5)
        assert not publisher.seen("blocked")
        publisher.publish(queue, 4)
        await publisher.wait_for("blocked")
        assert await _declare(publisher, queue, passive=True) == "no answer"
        own_rabbitmq.clear_memory_alarm()
        await publisher.wait_for("unblocked")
        assert await publisher.wait_settled(4) == ({1, 2, 3, 4}, set())
    assert own_rabbitmq.queue_depth(queue) == 4


async def test_what_was_written_before_the_way_back_broke_is_in_the_queue(rabbitmq, queue) -> None:
    rabbitmq.declare(queue)
    with TcpProxy(rabbitmq.host, rabbitmq.port) as proxy:
        async with RawPublisher(rabbitmq, port=proxy.port) as publisher:
            proxy.pass_downstream = False
            publisher.publish(queue, 5)
            await asyncio.to_thread(rabbitmq.take, queue, 5)
            assert publisher.settled() == (set(), set())


async def test_a_silent_network_is_noticed_within_twice_the_heartbeat_and_ten_seconds(rabbitmq, queue) -> None:
    with TcpProxy(rabbitmq.host, rabbitmq.port) as proxy:
        async with RawPublisher(rabbitmq, port=proxy.port, heartbeat=1) as publisher:
            proxy.silence()
            await publisher.wait_for("connection closed", timeout_seconds=2 * (1 + 5) + 8)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"credentials": pika.PlainCredentials("tester", "wrong")}, exceptions.ProbableAuthenticationError),
        ({"virtual_host": "missing"}, exceptions.ProbableAccessDeniedError),
        ({"port": 1}, exceptions.AMQPConnectionError),
    ],
)
async def test_pika_tells_apart_why_a_connection_is_refused(rabbitmq, parameters, error) -> None:
    with pytest.raises(error):
        async with RawPublisher(rabbitmq, **parameters):
            pass


async def test_a_header_that_does_not_fit_into_a_frame_costs_the_connection_and_a_missing_queue_only_the_channel(
    publisher, queue
) -> None:
    other = await publisher.open_channel()
    assert "404" in await _declare(publisher, queue, passive=True)
    assert publisher.channel.is_open
    assert other.is_open
    publisher.publish(queue, headers={"large": "x" * 140_000})
    assert (await publisher.wait_for("connection closed")).code == 501


async def test_a_message_of_15_mib_is_within_the_limit_of_every_release(publisher, queue) -> None:
    publisher.channel.queue_declare(queue, durable=True)
    publisher.publish(queue, body=b"x" * (15 << 20))
    assert await publisher.wait_settled(1) == ({1}, set())


async def test_a_name_has_at_most_255_bytes_not_characters(publisher) -> None:
    with pytest.raises(exceptions.ShortStringTooLong):
        publisher.publish("é" * 128)


async def test_passive_declare_does_not_look_at_arguments_and_active_declare_does(publisher, rabbitmq, queue) -> None:
    rabbitmq.declare(queue, {"x-max-length": LIMIT})
    assert await _declare(publisher, queue, passive=True) == "passive declare succeeded"
    assert await _declare(publisher, queue, passive=True, arguments={"x-queue-type": "quorum"}) == (
        "passive declare succeeded"
    )
    assert "406" in await _declare(publisher, queue, durable=True)
    assert publisher.channel.is_open


async def _declare(publisher: RawPublisher, queue: str, *, passive: bool = False, **more: object) -> str:
    """Declare on a channel of its own; what came of it."""
    declared: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    said = "passive declare succeeded" if passive else "declared"
    try:
        async with asyncio.timeout(3):
            channel = await publisher.open_channel()
            channel.add_on_close_callback(lambda _, error: declared.done() or declared.set_result(str(error)))
            channel.queue_declare(queue, passive=passive, callback=tell(declared, said), **more)
            return await declared
    except TimeoutError:
        return "no answer"
