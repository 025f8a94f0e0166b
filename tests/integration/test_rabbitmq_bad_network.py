"""A network that cuts, swallows, crawls or comes late: what counts as published was confirmed, the rest is sent again."""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from audit_event_operator.resource.conditions import Reason
from support.doubles.producer import events
from support.parts.outlets import QUICK, Producers, target_of
from support.parts.rabbitmq import Broker
from support.parts.tcp_proxy import TcpProxy


@pytest.fixture
def proxy(rabbitmq: Broker) -> Iterator[TcpProxy]:
    with TcpProxy(rabbitmq.host, rabbitmq.port) as proxy:
        yield proxy


async def test_events_whose_confirms_were_lost_come_again_under_the_same_id(proxy, rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq, port=proxy.port)) as producers:
        producer = await producers.ready(queue)
        proxy.pass_downstream = False
        sent = producer.put(events(20))
        async with asyncio.timeout(20):
            while await asyncio.to_thread(rabbitmq.queue_depth, queue) < 20:
                await asyncio.sleep(0.05)
        assert producer.ledger.published == 0, "nothing counts before its confirm"
        proxy.pass_downstream = True
        proxy.cut()
        await producer.published(20)
        retried = producer.ledger.retried
        assert producers.attempts["unknown"] == retried == 20
    messages = await asyncio.to_thread(rabbitmq.drain, queue)
    copies = Counter(message.properties.message_id for message in messages)
    assert set(copies) == {each.event_id for each in sent}
    assert sum(copies.values()) - len(copies) <= retried
    attempts = {(message.properties.headers or {}).get("x-aeg-attempt") for message in messages}
    assert attempts == {None, 2}


async def test_a_network_that_cuts_under_load_again_and_again_loses_no_published_event(proxy, rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq, port=proxy.port)) as producers:
        producer = await producers.ready(queue, window=500)
        for _ in range(5):
            before = producer.ledger.published
            producer.put(events(producer.outbox.room))
            await producer.until(lambda floor=before: producer.ledger.published > floor)
            producer.put(events(producer.outbox.room))
            proxy.cut()
            producer.assert_conserved()
            await producer.until(lambda: producer.health.ready_since is None)
            await producer.ready()
        await producer.until(lambda: producer.outbox.idle)
        published, retried = producer.ledger.published, producer.ledger.retried
        assert published == producer.ledger.generated
        assert producers.brokers.connect_results()["connected"] == proxy.accepted == 6
    copies = Counter(message.properties.message_id for message in await asyncio.to_thread(rabbitmq.drain, queue))
    assert len(copies) == published
    assert sum(copies.values()) - published <= retried


async def test_a_network_that_swallows_everything_is_noticed_by_the_heartbeat(proxy, rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq, port=proxy.port), timing=replace(QUICK, heartbeat_seconds=1)) as producers:
        producer = await producers.ready(queue)
        proxy.pass_downstream = proxy.pass_upstream = False
        producer.put(events(5))
        await producer.trouble(Reason.BROKER_UNREACHABLE, seconds=2 * (1 + 5) + 8)
        proxy.pass_downstream = proxy.pass_upstream = True
        await producer.published(5)
        assert producer.health.trouble is None


async def test_a_slow_network_fills_the_window_and_leaves_others_alone(proxy, rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq, port=proxy.port)) as slow, Producers(target_of(rabbitmq)) as quick:
        crawling, free = slow.open(queue, window=100), quick.open(queue, window=100)
        await crawling.ready()
        await free.ready()
        proxy.bytes_per_second = 2560
        crawling.put(events(100))
        free.put(events(100))
        await free.published(100, seconds=5)
        assert crawling.outbox.in_flight <= 100
        assert crawling.ledger.published < 100
        assert crawling.health.trouble is None, "slow is not broken"
        proxy.bytes_per_second = None
        await crawling.published(100)


@pytest.mark.row(24)
async def test_a_late_handshake_is_waited_for(proxy, rabbitmq, queue) -> None:
    proxy.pause_seconds = 0.2
    async with Producers(target_of(rabbitmq, port=proxy.port)) as producers:
        producer = await producers.ready(queue)
        assert producer.changes[0].broker.endswith(f":{proxy.port}/%2F")
        assert producers.brokers.connect_results()["connected"] == proxy.accepted == 1


@pytest.mark.row(24)
async def test_a_mute_port_costs_its_deadline_and_holds_nobody_up(rabbitmq, queue) -> None:
    held: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0) as server:
        mute = target_of(rabbitmq, port=server.sockets[0].getsockname()[1])
        async with (
            Producers(mute, timing=replace(QUICK, connect_seconds=1)) as deaf,
            Producers(target_of(rabbitmq)) as well,
        ):
            lost = deaf.open(queue)
            fine = well.open(queue)
            fine.put(events(10))
            await fine.published(10, seconds=5)
            await lost.trouble(Reason.BROKER_UNREACHABLE, seconds=5)
            assert "in time" in lost.health.trouble.message
            await lost.until(lambda: deaf.brokers.connect_results()["unreachable"] >= 2)
        for writer in held:
            writer.close()


async def test_a_mute_address_leaves_time_for_the_next_one_of_the_name(proxy, rabbitmq, queue, monkeypatch) -> None:
    held: list[asyncio.StreamWriter] = []
    loop = asyncio.get_running_loop()
    look_up = loop.getaddrinfo

    async def two_addresses(host, port, **options):
        if host != "broker.test":
            return await look_up(host, port, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(loop, "getaddrinfo", two_addresses)
    async with await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.2", proxy.port):
        target = target_of(rabbitmq, host="broker.test", port=proxy.port)
        async with Producers(target, timing=replace(QUICK, connect_seconds=4)) as producers:
            await producers.open(queue).ready(seconds=10)
            assert producers.brokers.connect_results()["unreachable"] == 0
        assert len(held) == 1
        held[0].close()


@pytest.mark.parametrize("rights", [{"write": "^none$"}, {"configure": "^none$"}, {}])
async def test_logs_show_neither_user_nor_password(rights, own_rabbitmq, queue, caplog) -> None:
    caplog.set_level(logging.DEBUG, logger="audit_event_operator")
    password = "canary-pass" if rights else "canary-wrong"
    await asyncio.to_thread(own_rabbitmq.add_user, "canary-user", "canary-pass", **rights)
    async with Producers(target_of(own_rabbitmq, username="canary-user", password=password)) as producers:
        producer = producers.open(queue)
        producer.put(events(1))
        await producer.until(lambda: producer.health.trouble is not None)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("audit_event_operator")]
    assert ours, "a trouble is logged"
    assert "canary" not in "".join(ours)
