import asyncio
import gzip
import json
import logging
import socket

import aiohttp
import pytest

from audit_event_operator.web.app import build_applications
from audit_event_operator.web.servers import RUNNER_SETTINGS, ListenError, Servers


@pytest.fixture
def a_taken_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
async def servers(backend):
    made = []

    def make(**settings):
        local = {"host": "127.0.0.1", "app_port": 0, "metrics_port": 0}
        made.append(Servers(build_applications(backend.site()), **local | settings))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


async def test_both_ports_answer_and_close(servers):
    both = servers()
    await both.start()
    async with aiohttp.ClientSession() as session:
        for url in (f"http://127.0.0.1:{both.app_port}/livez", f"http://127.0.0.1:{both.metrics_port}/metrics"):
            async with session.get(url) as answer:
                assert answer.status == 200
    port = both.app_port
    await both.stop()
    await both.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize("setting, variable", [("app_port", "APP_PORT"), ("metrics_port", "PROMETHEUS_PORT")])
async def test_a_taken_port_is_named_and_nothing_stays_open(servers, a_taken_port, setting, variable):
    both = servers(**{setting: a_taken_port})
    says = rf"^{variable} {a_taken_port} is in use .* Set {variable} to a free port\.$"
    with pytest.raises(ListenError, match=says) as raised:
        await both.start()
    assert isinstance(raised.value, OSError)
    assert both._runners == []


async def test_one_port_for_both_is_refused(servers):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ListenError, match="PROMETHEUS_PORT"):
        await servers(app_port=port, metrics_port=port).start()


async def test_another_port_is_used_when_that_is_wanted(servers, a_taken_port):
    both = servers(app_port=a_taken_port, metrics_port=a_taken_port, fallback_port=True)
    await both.start()
    assert len({both.app_port, both.metrics_port, a_taken_port}) == 3


async def test_an_address_of_somebody_else_is_named(servers):
    with pytest.raises(ListenError, match=r"AEG_BIND_ADDRESS 192\.0\.2\.1, APP_PORT 0"):
        await servers(host="192.0.2.1").start()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"RUBBISH /secret HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nsecret header\r\n\r\n",
        b"GET /secret HTTP/1.1\r\nX: " + b"x" * 10_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["method", "header", "long header", "tls"],
)
async def test_rubbish_instead_of_http_is_refused_in_the_form_of_all_errors_and_quoted_nowhere(
    servers, rubbish, caplog
):
    both = servers()
    logging.getLogger("audit_event_operator.web.servers").setLevel(logging.INFO)
    await both.start()
    for port in (both.app_port, both.metrics_port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(rubbish)
        async with asyncio.timeout(5):
            answer = await reader.read()  # to its end: the connection is closed
        writer.close()
        await writer.wait_closed()
        top, _, body = answer.partition(b"\r\n\r\n")
        assert top.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
        assert list(json.loads(body)) == ["error"]
        assert b"Content-Type: application/json" in top
        assert b"Server: audit-event-operator" in top
        assert b"secret" not in answer
        assert b"aiohttp" not in answer
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_head_that_does_not_come_is_waited_for_only_so_long(servers, monkeypatch):
    monkeypatch.setitem(RUNNER_SETTINGS, "keepalive_timeout", 0.3)
    both = servers()
    await both.start()
    silent_reader, silent = await asyncio.open_connection("127.0.0.1", both.app_port)
    slow_reader, slow = await asyncio.open_connection("127.0.0.1", both.app_port)
    slow.write(b"GET /livez HTTP/1.1\r\nX-Slow: ")
    async with asyncio.timeout(5):
        assert await silent_reader.read() == b""
        assert await slow_reader.read() == b""
    for writer in (silent, slow):
        writer.close()
        await writer.wait_closed()


async def test_a_compressed_body_is_refused_without_unpacking_it(servers):
    both = servers()
    await both.start()
    body = gzip.compress(b'{"event_type": "' + b"x" * 10_000_000 + b'"}')
    assert len(body) < 64 * 1024
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{both.app_port}/generate_event", data=body, headers=headers) as answer,
    ):
        assert answer.status == 400
        assert "Content-Encoding" in (await answer.json())["error"]


async def test_a_request_under_way_does_not_hold_up_the_end_for_long(servers, backend):
    begun = asyncio.Event()

    async def never(*_):
        begun.set()
        await asyncio.Event().wait()

    backend.submissions.post = never
    both = servers(shutdown_seconds=0.1)
    await both.start()
    async with aiohttp.ClientSession() as session:
        post = asyncio.create_task(
            session.post(f"http://127.0.0.1:{both.app_port}/generate_event", json={"event_type": "user_login"})
        )
        await begun.wait()
        async with asyncio.timeout(5):
            await both.stop()
        with pytest.raises(aiohttp.ClientError):
            await post
