"""A line to the broker that cuts, swallows, crawls or comes late: what is published was confirmed, the rest comes again."""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from audit_event_operator.resource.conditions import Reason
from support.parts.line import Line
from support.parts.outlets import QUICK, Exchange, events, target_of
from support.parts.rabbitmq import Broker, RabbitMQ


@pytest.fixture
def line(rabbitmq: Broker) -> Iterator[Line]:
    with Line(rabbitmq.host, rabbitmq.port) as line:
        yield line


async def test_events_whose_confirms_were_lost_come_again_under_the_same_id(
    line: Line, rabbitmq: Broker, queue: str
) -> None:
    async with Exchange(target_of(rabbitmq, port=line.port)) as exchange:
        station = exchange.station(queue)
        await station.ready()
        line.to_near = False
        sent = station.put(events(20))
        async with asyncio.timeout(20):
            while await asyncio.to_thread(rabbitmq.queue_depth, queue) < 20:
                await asyncio.sleep(0.05)
        assert station.ledger.published == 0, "nothing counts before its confirm"
        line.to_near = True
        line.cut()
        await station.published(20)
        retried = station.ledger.retried
        assert exchange.attempts["unknown"] == retried == 20
    messages = await asyncio.to_thread(rabbitmq.drain, queue)
    copies = Counter(message.properties.message_id for message in messages)
    assert set(copies) == {each.event_id for each in sent}
    assert sum(copies.values()) - len(copies) <= retried
    attempts = {(message.properties.headers or {}).get("x-aeg-attempt") for message in messages}
    assert attempts == {None, 2}


async def test_a_line_that_cuts_under_load_again_and_again_loses_no_published_event(
    line: Line, rabbitmq: Broker, queue: str
) -> None:
    async with Exchange(target_of(rabbitmq, port=line.port)) as exchange:
        station = exchange.station(queue, window=500)
        await station.ready()
        for _ in range(5):
            before = station.ledger.published
            station.put(events(station.outbox.room))
            await station.until(lambda floor=before: station.ledger.published > floor)
            station.put(events(station.outbox.room))
            line.cut()
            station.assert_conserved()
            await station.until(lambda: station.health.ready_since is None)
            await station.ready()
        await station.until(lambda: station.outbox.idle)
        published, retried = station.ledger.published, station.ledger.retried
        assert published == station.ledger.generated
        assert exchange.brokers.connect_results()["connected"] == line.accepted == 6
    copies = Counter(message.properties.message_id for message in await asyncio.to_thread(rabbitmq.drain, queue))
    assert len(copies) == published
    assert sum(copies.values()) - published <= retried


async def test_a_line_that_swallows_everything_is_noticed_by_the_heartbeat(
    line: Line, rabbitmq: Broker, queue: str
) -> None:
    async with Exchange(target_of(rabbitmq, port=line.port), timing=replace(QUICK, heartbeat_seconds=1)) as exchange:
        station = exchange.station(queue)
        await station.ready()
        line.to_near = line.to_far = False
        station.put(events(5))
        await station.trouble(Reason.BROKER_UNREACHABLE, seconds=2 * (1 + 5) + 8)
        line.to_near = line.to_far = True
        await station.published(5)
        assert station.health.trouble is None


async def test_a_slow_line_fills_the_window_and_leaves_others_alone(line: Line, rabbitmq: Broker, queue: str) -> None:
    async with (
        Exchange(target_of(rabbitmq, port=line.port)) as slow,
        Exchange(target_of(rabbitmq)) as quick,
    ):
        crawling, free = slow.station(queue, window=100), quick.station(queue, window=100)
        await crawling.ready()
        await free.ready()
        line.bytes_per_second = 2560
        crawling.put(events(100))
        free.put(events(100))
        await free.published(100, seconds=5)
        assert crawling.outbox.in_flight <= 100
        assert crawling.ledger.published < 100
        assert crawling.health.trouble is None, "slow is not broken"
        line.bytes_per_second = None
        await crawling.published(100)


@pytest.mark.row(24)
async def test_a_late_handshake_is_waited_for(line: Line, rabbitmq: Broker, queue: str) -> None:
    line.pause_seconds = 0.2
    async with Exchange(target_of(rabbitmq, port=line.port)) as exchange:
        station = exchange.station(queue)
        await station.ready()
        assert station.changes[0].broker.endswith(f":{line.port}/%2F")
        assert exchange.brokers.connect_results()["connected"] == line.accepted == 1


@pytest.mark.row(24)
async def test_a_mute_port_costs_its_deadline_and_holds_nobody_up(rabbitmq: Broker, queue: str) -> None:
    held: list[asyncio.StreamWriter] = []

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        mute = target_of(rabbitmq, port=server.sockets[0].getsockname()[1])
        async with (
            Exchange(mute, timing=replace(QUICK, connect_seconds=1)) as deaf,
            Exchange(target_of(rabbitmq)) as well,
        ):
            lost = deaf.station(queue)
            fine = well.station(queue)
            fine.put(events(10))
            await fine.published(10, seconds=5)
            await lost.trouble(Reason.BROKER_UNREACHABLE, seconds=5)
            assert "in time" in lost.health.trouble.message
            await lost.until(lambda: deaf.brokers.connect_results()["unreachable"] >= 2)
        for writer in held:
            writer.close()


async def test_a_mute_address_leaves_time_for_the_next_one_of_the_name(
    line: Line, rabbitmq: Broker, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[asyncio.StreamWriter] = []

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    loop = asyncio.get_running_loop()
    look_up = loop.getaddrinfo

    async def two_addresses(host, port, **options):
        if host != "broker.test":
            return await look_up(host, port, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(loop, "getaddrinfo", two_addresses)
    async with await asyncio.start_server(say_nothing, "127.0.0.2", line.port):
        target = target_of(rabbitmq, host="broker.test", port=line.port)
        async with Exchange(target, timing=replace(QUICK, connect_seconds=4)) as exchange:
            await exchange.station(queue).ready(seconds=10)
            assert exchange.brokers.connect_results()["unreachable"] == 0
        assert len(held) == 1
        held[0].close()


@pytest.mark.parametrize("rights", [{"write": "^none$"}, {"configure": "^none$"}, {}])
async def test_logs_show_neither_user_nor_password(
    rights: dict[str, str], own_rabbitmq: RabbitMQ, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="audit_event_operator")
    password = "canary-pass" if rights else "canary-wrong"
    await asyncio.to_thread(own_rabbitmq.add_user, "canary-user", "canary-pass", **rights)
    async with Exchange(target_of(own_rabbitmq, username="canary-user", password=password)) as exchange:
        station = exchange.station(queue)
        station.put(events(1))
        await station.until(lambda: station.health.trouble is not None)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("audit_event_operator")]
    assert ours, "a trouble is logged"
    assert "canary" not in "".join(ours)
