"""Callers of the fault tests that no well-behaved client would be: raw bytes, in their own time, and very many at once."""

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from support.parts.operator_process import OperatorProcess, Response

ROUTE = "/generate_event"
EXAMPLE = {"event_type": "user_login", "server_hostname": "prod-web-01", "user_id": "somebody"}
JSON = "Content-Type: application/json"

Start = Callable[..., OperatorProcess]
"""The fixture `start`."""


def head(*headers: str, method: str = "POST", path: str = "/generate_event") -> bytes:
    """The first part of a request, up to the empty line."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


class Exchange(NamedTuple):
    """What came back (None: the line was closed without a word), and after how many seconds."""

    answer: Response | None
    seconds: float


def send(
    operator: OperatorProcess, pieces: Iterable[bytes], *, pause_seconds: float = 0.0, limit_seconds: float = 20
) -> Exchange:
    """Send piece by piece until an answer has come or the line is closed; AssertionError when neither happens in time."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", operator.app_port), timeout=5) as line:
        line.settimeout(max(pause_seconds, 0.001))
        received = b""
        for piece in pieces:
            try:
                line.sendall(piece)
                received = line.recv(65_536)
                break
            except TimeoutError:
                pass
            except ConnectionError:
                return Exchange(None, time.monotonic() - began)
            assert time.monotonic() - began < limit_seconds, "neither an answer nor the end of the line"
        line.settimeout(limit_seconds)
        return Exchange(_read(line, received), time.monotonic() - began)


def _read(line: socket.socket, received: bytes) -> Response | None:
    """The answer whose beginning has been received."""
    try:
        while b"\r\n\r\n" not in received:
            piece = line.recv(65_536)
            if not piece:
                return None
            received += piece
        top, _, body = received.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.strip().title(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        while len(body) < int(headers.get("Content-Length", 0)):
            body += line.recv(65_536)
    except ConnectionError:
        return None
    return Response(int(first.split()[1]), headers, body)


def crowd(operator: OperatorProcess, count: int, *, timeout_seconds: float = 120) -> Counter[int]:
    """That many POSTs, all lines open before the first byte is sent; how often which status came (0: the line broke)."""
    body = json.dumps(EXAMPLE).encode()
    request = head(JSON, f"Content-Length: {len(body)}", "Connection: close") + body

    async def post(gate: asyncio.Event, arrived: asyncio.Semaphore) -> int:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", operator.app_port)
        except OSError:
            arrived.release()
            return 0
        arrived.release()
        await gate.wait()
        try:
            writer.write(request)
            words = (await reader.readline()).split()
            await reader.read()
            return int(words[1]) if len(words) > 1 else 0
        except OSError:
            return 0
        finally:
            writer.close()

    async def all_at_once() -> Counter[int]:
        gate, arrived = asyncio.Event(), asyncio.Semaphore(0)
        async with asyncio.timeout(timeout_seconds), asyncio.TaskGroup() as group:
            posts = [group.create_task(post(gate, arrived)) for _ in range(count)]
            for _ in posts:
                await arrived.acquire()
            gate.set()
        return Counter(each.result() for each in posts)

    return asyncio.run(all_at_once())


def must_refuse(answer: Response | None, status: int) -> str:
    """An error in the documented form; its sentence."""
    assert answer is not None, "no answer at all"
    assert answer.status == status, answer.body
    (sentence,) = answer.json().values()
    assert list(answer.json()) == ["error"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Traceback" not in sentence
    return str(sentence)


def by_hand(event: Mapping[str, object]) -> bool:
    """Whether an event was posted, not generated."""
    return event["source_service"] == "audit-event-generator-api"
