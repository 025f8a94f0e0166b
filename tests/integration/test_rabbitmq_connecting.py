"""Why there is no connection, said by a real RabbitMQ, and how soon there is one when the cause is gone."""

import asyncio
import socket
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from audit_event_operator.brokers.rabbitmq.places import Places
from audit_event_operator.resource.broker_spec import DeclarationMode
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.targets.hosts import HostPolicy
from audit_event_operator.targets.target import Target
from support.doubles.producer import events
from support.parts.certificates import make_authority
from support.parts.outlets import DEFAULT, QUICK, Producers, target_of, tls_target
from support.parts.processes import free_port
from support.parts.rabbitmq import RabbitMQ
from support.parts.tcp_proxy import TcpProxy


async def test_wrong_credentials_are_named_without_showing_them(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq, username="somebody", password="hush-hush")) as producers:
        producer = producers.open(queue)
        message = await producer.trouble(Reason.AUTHENTICATION_FAILED)
        assert "somebody" not in message
        assert "hush" not in message
        assert producers.brokers.connect_results()["authentication_failed"] >= 1
        producers.targets.answer = target_of(rabbitmq)
        await producer.deliver(1)
        assert producer.health.trouble is None


async def test_a_missing_virtual_host_is_named(own_rabbitmq, queue) -> None:
    async with Producers(target_of(own_rabbitmq, virtual_host=f"vhost/{queue}")) as producers:
        producer = producers.open(queue)
        await producer.trouble(Reason.VIRTUAL_HOST_NOT_FOUND)
        assert producer.health.broker.endswith(f"/vhost%2F{queue}")
        await asyncio.to_thread(own_rabbitmq.add_vhost, f"vhost/{queue}")
        await producer.ready()
        await asyncio.to_thread(own_rabbitmq.delete_vhost, f"vhost/{queue}")
        await producer.trouble(Reason.VIRTUAL_HOST_NOT_FOUND)


@pytest.mark.parametrize(
    ("rights", "says"),
    [({"write": "nothing"}, "amq.default"), ({"configure": "nothing"}, "configure"), (None, "virtual host")],
)
async def test_missing_permissions_are_named(own_rabbitmq, queue, rights, says) -> None:
    own_rabbitmq.add_user("limited", "pass", **(rights or {}))
    if rights is None:
        own_rabbitmq.rabbitmqctl("clear_permissions", "limited")
    async with Producers(target_of(own_rabbitmq, username="limited", password="pass")) as producers:
        producer = producers.open(queue)
        producer.put(events(1))
        assert says in await producer.trouble(Reason.ACCESS_REFUSED)
        await asyncio.to_thread(own_rabbitmq.add_user, "limited", "pass")
        await producer.published(1)
        assert producer.health.trouble is None


async def test_a_queue_that_exists_needs_the_right_to_write_alone(own_rabbitmq, queue) -> None:
    own_rabbitmq.declare(queue)
    own_rabbitmq.add_user("limited", "pass")
    own_rabbitmq.rabbitmqctl("set_permissions", "limited", "^$", r"^amq\.default$", "^$")
    async with Producers(target_of(own_rabbitmq, username="limited", password="pass")) as producers:
        producer = producers.open(queue, mode=DeclarationMode.MUST_EXIST)
        producer.put(events(1))
        if own_rabbitmq.release() >= (4, 3):
            assert "look up" in await producer.trouble(Reason.ACCESS_REFUSED)
            permissions = "set_permissions", "limited", "^$", rf"^(amq\.default|{queue})$", "^$"
            await asyncio.to_thread(own_rabbitmq.rabbitmqctl, *permissions)
        await producer.published(1)
        assert producer.health.trouble is None


@pytest.mark.parametrize(
    ("target", "reason", "says"),
    [
        (lambda broker: target_of(broker, port=free_port()), Reason.BROKER_UNREACHABLE, "Cannot connect"),
        (lambda broker: target_of(broker, host="no-such-host.invalid"), Reason.BROKER_UNREACHABLE, "Cannot resolve"),
        (lambda broker: target_of(broker, port=broker.tls_port), Reason.BROKER_UNREACHABLE, "Check that"),
        (lambda broker: verified(broker, port=broker.port), Reason.TLS_VERIFICATION_FAILED, "speaks TLS"),
        (lambda broker: tls_target(broker, broker.tls_port, "no certificate"), Reason.SECRET_INVALID, "ca.crt"),
    ],
    ids=["no listener", "no such name", "plain AMQP to a TLS port", "TLS to a plain port", "no certificate"],
)
async def test_a_broker_that_is_not_there_like_that_is_told_of(target, reason, says, own_rabbitmq, queue) -> None:
    async with Producers(target(own_rabbitmq)) as producers:
        assert says in await producers.open(queue).trouble(reason)
        assert producers.brokers.connections()["failing"] == 1


def verified(broker: RabbitMQ, **changed: Any) -> Target:
    return replace(tls_target(broker, broker.tls_port, broker.ca_file.read_text()), **changed)


@pytest.mark.row(24)
async def test_another_protocol_on_the_port_is_unreachable(rabbitmq, queue) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Producers(target_of(rabbitmq, host="127.0.0.1", port=port)) as producers:
            await producers.open(queue).trouble(Reason.BROKER_UNREACHABLE)


async def test_a_host_that_is_not_allowed_is_never_dialled(rabbitmq, queue) -> None:
    dialled: list[asyncio.StreamWriter] = []
    policy = HostPolicy.of(None, in_pod=True)
    async with await asyncio.start_server(lambda _, writer: dialled.append(writer), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Producers(target_of(rabbitmq, host="localhost", port=port), allowed=policy) as producers:
            producer = producers.open(queue)
            assert "localhost" in await producer.trouble(Reason.HOST_NOT_ALLOWED)
            await producer.until(lambda: producers.brokers.connect_results()["host_not_allowed"] >= 2)
    assert dialled == []


async def test_the_operators_own_broker_may_be_anywhere(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq), allowed=HostPolicy.of((), in_pod=True)) as producers:
        await producers.ready(queue, reference=DEFAULT)


async def test_without_a_target_there_is_a_reason_and_with_one_a_connection(rabbitmq, queue) -> None:
    async with Producers(DestinationUnavailable(Reason.SECRET_NOT_FOUND, "There is no Secret.")) as producers:
        producer = producers.open(queue)
        assert await producer.trouble(Reason.SECRET_NOT_FOUND) == "There is no Secret."
        producers.targets.answer = target_of(rabbitmq)
        await producer.ready()
        assert producer.health.trouble is None


async def test_a_changed_spec_is_tried_at_once(rabbitmq, queue) -> None:
    patient = replace(QUICK, slow_retry_min_seconds=60, slow_retry_max_seconds=60, secret_failing_seconds=60)
    async with Producers(DestinationUnavailable(Reason.SECRET_NOT_FOUND, "None."), timing=patient) as producers:
        producer = producers.open(queue)
        await producer.trouble(Reason.SECRET_NOT_FOUND)
        producers.targets.answer = target_of(rabbitmq)
        await asyncio.sleep(0)
        producer.outlet.retry_now()
        await producer.ready(10)


async def test_changed_credentials_make_a_new_connection(own_rabbitmq, queue) -> None:
    own_rabbitmq.add_user("second", "other")
    async with Producers(target_of(own_rabbitmq)) as producers:
        producer = producers.open(queue)
        await producer.deliver(1)
        producers.targets.answer = target_of(own_rabbitmq, username="second", password="other")
        await producer.until(lambda: producers.brokers.connect_results()["connected"] >= 2)
        await producer.deliver(1)
        users = {row["user"] for row in await asyncio.to_thread(own_rabbitmq.list_connections)}
        assert "second" in users
        assert producer.health.trouble is None


async def test_closing_while_connecting_ends_the_attempt(rabbitmq, queue, caplog) -> None:
    came, gone = asyncio.Event(), asyncio.Event()

    async def stay_mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == b"AMQP\0\0\x09\x01"  # it is in the middle of the handshake
        came.set()
        while await reader.read(100):
            pass
        gone.set()
        writer.close()

    async with await asyncio.start_server(stay_mute, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        producers = Producers(target_of(rabbitmq, host="127.0.0.1", port=port))
        producer = producers.open(queue)
        async with asyncio.timeout(5):
            await came.wait()
            assert producers.brokers.connections()["connecting"] == 1
            producer.outlet.close(0)
            await producers.brokers.aclose()
            await gone.wait()
    assert not sum(producers.brokers.connections().values())
    assert not [record for record in caplog.records if record.exc_info], "pika stumbles over nothing"


async def test_above_the_limit_queues_share_connections(rabbitmq, queue, monkeypatch) -> None:
    monkeypatch.setattr("audit_event_operator.brokers.rabbitmq.brokers.LINKS_PER_REFERENCE", 2)
    async with Producers(target_of(rabbitmq)) as producers:
        opened = [producers.open(f"{queue}{number}") for number in range(5)]
        for number, producer in enumerate(opened):
            await producer.deliver(3)
            assert rabbitmq.queue_depth(f"{queue}{number}") == 3
            rabbitmq.delete(f"{queue}{number}")
        assert producers.brokers.connections()["connected"] == 2


# --- TLS --------------------------------------------------------------------------------------------------------------


async def test_a_verified_connection_delivers(own_rabbitmq, queue) -> None:
    own = {
        "certificate_pem": own_rabbitmq.client_certificate.read_text(),
        "key_pem": own_rabbitmq.client_key.read_text(),
    }
    async with Producers(
        tls_target(own_rabbitmq, own_rabbitmq.tls_port, own_rabbitmq.ca_file.read_text(), **own)
    ) as producers:
        producer = producers.open(queue, window=200)
        await producer.deliver(200)


async def test_an_unknown_authority_is_never_trusted(own_rabbitmq, queue, tmp_path) -> None:
    stranger = make_authority(tmp_path).certificate.read_text()
    async with Producers(tls_target(own_rabbitmq, own_rabbitmq.tls_port, stranger)) as producers:
        producer = producers.open(queue)
        assert "ca.crt" in await producer.trouble(Reason.TLS_VERIFICATION_FAILED)
        producers.targets.answer = verified(own_rabbitmq)
        await producer.ready()


async def test_a_certificate_for_another_host_is_refused(own_rabbitmq, queue) -> None:
    # Neither of the names in the certificate, which are 127.0.0.1 and localhost.
    with TcpProxy(own_rabbitmq.host, own_rabbitmq.tls_port, address="127.0.0.2") as proxy:
        async with Producers(verified(own_rabbitmq, host=proxy.address, port=proxy.port)) as producers:
            message = await producers.open(queue).trouble(Reason.TLS_VERIFICATION_FAILED)
            assert "not valid for this host" in message


async def test_a_spec_that_changes_all_the_time_is_no_storm_of_logins(rabbitmq, queue) -> None:
    calm = replace(QUICK, backoff_min_seconds=1, slow_retry_min_seconds=60, slow_retry_max_seconds=60)
    async with Producers(target_of(rabbitmq, password="wrong"), timing=calm) as producers:
        producer = producers.open(queue)
        await producer.trouble(Reason.AUTHENTICATION_FAILED)
        began, failed = time.monotonic(), producers.brokers.connect_results
        for _ in range(110):
            producer.outlet.retry_now()
            await asyncio.sleep(0.02)
        await producer.until(lambda: failed()["authentication_failed"] >= 2)
        assert failed()["authentication_failed"] <= 2 + time.monotonic() - began, "one in a second"


async def test_a_look_up_that_fails_unexpectedly_does_not_end_the_link(rabbitmq, queue) -> None:
    async with Producers(DestinationUnavailable(Reason.SECRET_NOT_FOUND, "None.")) as producers:
        producer = producers.open(queue)
        await producer.trouble(Reason.SECRET_NOT_FOUND)
        producers.targets.answer = RuntimeError("a bug, or an API server in trouble")
        asked = producers.targets.asked
        await producer.until(lambda: producers.targets.asked >= asked + 2)
        producers.targets.answer = target_of(rabbitmq)
        await producer.ready()


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (("set_user_limits", "limited", '{"max-channels": 1}'), "max-channels"),
        (("set_user_limits", "limited", '{"max-connections": 0}'), "max-connections"),
        (("set_vhost_limits", "-p", "/", '{"max-connections": 0}'), "max-connections"),
        (("set_vhost_limits", "-p", "/", '{"max-queues": 0}'), "max-queues"),
    ],
)
async def test_a_limit_of_the_user_or_virtual_host_is_named_and_its_end_noticed(
    own_rabbitmq, queue, limits, says
) -> None:
    own_rabbitmq.add_user("limited", "pass")
    command, *where, limit = limits
    clear = ("clear_user_limits", "limited", "all") if "user" in command else ("clear_vhost_limits", *where)
    with ExitStack() as at_the_end:
        own_rabbitmq.rabbitmqctl(command, *where, limit)
        at_the_end.callback(own_rabbitmq.rabbitmqctl, *clear)
        async with Producers(target_of(own_rabbitmq, username="limited", password="pass")) as producers:
            producer = producers.open(queue)
            assert says in await producer.trouble(Reason.QUOTA_EXCEEDED)
            await asyncio.to_thread(at_the_end.close)
            await producer.ready()


async def test_above_the_limit_no_namespace_shares_a_connection_with_another(rabbitmq, queue, monkeypatch) -> None:
    monkeypatch.setattr("audit_event_operator.brokers.rabbitmq.brokers.LINKS_PER_REFERENCE", 2)
    async with Producers(target_of(rabbitmq)) as producers:
        for number in range(3):
            await producers.open(f"{queue}{number}", namespace="many").deliver(1)
        await producers.open(f"{queue}few", namespace="few").deliver(1)
        assert producers.brokers.connections()["connected"] == 3
        for end in (0, 1, 2, "few"):
            rabbitmq.delete(f"{queue}{end}")


async def test_above_the_bound_of_its_namespace_a_stream_waits_for_another_ones_connection(rabbitmq, queue) -> None:
    async with Producers(target_of(rabbitmq), connections=Places(100, per_namespace=1)) as producers:
        first, second = producers.open(f"{queue}1"), producers.open(f"{queue}2")
        await first.ready()
        assert "AEG_MAX_CONNECTIONS_PER_NAMESPACE" in await second.trouble(Reason.CONNECTION_LIMIT)
        await producers.open(f"{queue}3", namespace="another").ready()
        first.outlet.close(0)
        await second.ready()
        assert second.health.trouble is None


async def test_who_waits_for_its_turn_says_so_and_a_mute_broker_keeps_only_its_own_namespace_waiting(
    rabbitmq, queue
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as mute:
        target = target_of(rabbitmq, port=mute.getsockname()[1])
        async with Producers(target, timing=replace(QUICK, connect_seconds=20)) as producers:
            for number in range(30):
                producers.open(f"{queue}{number}", namespace="a")
            last = producers.open(f"{queue}last", namespace="a")
            await last.trouble(Reason.WAITING_FOR_TURN)
            producers.targets.answer = target_of(rabbitmq)
            other = producers.open(f"{queue}other", reference=DEFAULT, namespace="b")
            async with asyncio.timeout(5):
                await other.ready()
            assert last.health.trouble.reason is Reason.WAITING_FOR_TURN
