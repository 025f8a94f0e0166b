"""Callers that mean harm: what is too big, slow, endless, broken or not allowed has its documented code and costs nothing."""

import gzip
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from support.faults.harness import FULL
from support.faults.http import EXAMPLE, JSON, ROUTE, by_hand, crowd, head, must_refuse, send
from support.faults.scraper import scrape
from support.parts.operator_process import OperatorProcess
from support.parts.usage import Usage

MIB = 1024 * 1024
TOKEN = "the-right-token"


class HealthMonitor:
    """Asks /livez and reads the resident memory all the time."""

    def __init__(self, operator: OperatorProcess) -> None:
        self._operator = operator
        self.lowest_bytes = self.highest_bytes = resident_bytes(operator)
        self.slowest_seconds = 0.0
        self.looks = 0
        self.statuses: set[int] = set()

    @contextmanager
    def running(self) -> Iterator["HealthMonitor"]:
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=(over,), name="health-monitor", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join(30)

    def _look(self, over: threading.Event) -> None:
        while not (self.looks and over.wait(0.2)):  # once at least
            began = time.monotonic()
            self.statuses.add(self._operator.status_of("/livez"))
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
            self.highest_bytes = max(self.highest_bytes, Usage(self._operator.pid).mib() * 2**20)
            self.looks += 1

    @property
    def growth_mib(self) -> float:
        return (self.highest_bytes - self.lowest_bytes) / MIB

    def must_be_good(self, *, growth_mib: float) -> None:
        assert self.looks > 0
        assert self.statuses == {200}
        assert self.growth_mib <= growth_mib

    def __str__(self) -> str:
        return f"memory +{self.growth_mib:.1f} MiB, slowest /livez {self.slowest_seconds:.2f} s"


def resident_bytes(operator: OperatorProcess) -> float:
    """As the operator itself says."""
    found = operator.metric("process_resident_memory_bytes")
    assert found is not None
    return found


def must_still_take_events(operator: OperatorProcess) -> str:
    """A well-behaved caller is served; the id of his event."""
    answer = operator.post(ROUTE, EXAMPLE)
    assert answer.status == 202, answer.body
    return str(answer.json()["event_id"])


# --- row 44: bodies ---------------------------------------------------------------------------------------------------


@pytest.mark.row(44)
@pytest.mark.timeout(300)
def test_bodies_that_are_too_big_packed_endless_or_broken_have_their_codes(
    start, own_rabbitmq, queue, measured
) -> None:
    operator = start()
    good = json.dumps(EXAMPLE).encode()
    mebibyte = b'{"event_type": "' + b"x" * MIB + b'"}'
    packed = gzip.compress(b'{"event_type": "' + b"x" * 50 * MIB + b'"}')
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"

    def whole(body: bytes, *headers: str) -> list[bytes]:
        return [head(JSON, f"Content-Length: {len(body)}", *headers) + body]

    def rounds() -> None:
        assert "64 KiB" in must_refuse(send(operator, whole(mebibyte)).answer, 413)
        assert "64 KiB" in must_refuse(send(operator, [head(JSON, "Content-Length: 99999999999")]).answer, 413)
        packing = "Content-Encoding: gzip"
        assert "Content-Encoding" in must_refuse(send(operator, whole(packed, packing)).answer, 400)
        assert "Content-Encoding" in must_refuse(send(operator, whole(gzip.compress(good), packing)).answer, 400)
        endless = itertools.chain([head(JSON, "Transfer-Encoding: chunked")], itertools.repeat(chunk))
        assert "64 KiB" in must_refuse(send(operator, endless).answer, 413)
        for broken in (b'{"event_type": ', b"{]", b"\xff\xfe", b"", b"[1, 2]", b'"text"', b"NaN", b'{"a":' * 5_000):
            must_refuse(send(operator, whole(broken)).answer, 400)
        must_refuse(
            send(operator, [head(JSON, f"Content-Length: {len(good)}")[:-2] + b"broken header\r\n\r\n"]).answer, 400
        )

    rounds()  # what is allocated once is there
    health = HealthMonitor(operator)
    count = 100 if FULL else 15
    with health.running():
        for _ in range(count):
            rounds()
    event_id = must_still_take_events(operator)
    health.must_be_good(growth_mib=16)
    assert [each.json()["event_id"] for each in own_rabbitmq.drain(queue) if by_hand(each.json())] == [event_id]
    assert "Traceback" not in operator.log
    measured(f"{count} rounds of 14 bad bodies, none published; {health}")


@pytest.mark.row(44)
@pytest.mark.timeout(300)
def test_slow_callers_are_given_up_and_hold_up_nobody(start, measured) -> None:
    operator = start()
    callers = 500 if FULL else 100
    dripping = head(JSON, "Content-Length: 1000")
    endless_head = itertools.chain(b"POST /generate_event HTTP/1.1\r\nX-Slow: ", itertools.repeat(ord("x")))

    def drip(_: int) -> float:
        answer, seconds = send(operator, itertools.chain([dripping], itertools.repeat(b" ")), pause_seconds=0.5)
        assert "5 seconds" in must_refuse(answer, 408)
        return seconds

    health = HealthMonitor(operator)
    with health.running(), ExitStack() as open_lines, ThreadPoolExecutor(20) as pool:
        lines = [
            open_lines.enter_context(socket.create_connection(("127.0.0.1", operator.app_port), timeout=5))
            for _ in range(callers)
        ]
        opened = time.monotonic()
        drips = [pool.submit(drip, number) for number in range(20)]
        good_seconds: list[float] = []
        while not all(each.done() for each in drips):
            letter = bytes([next(endless_head)])
            for line in lines[callers // 4 :]:  # the others say nothing at all
                line.sendall(letter)
            began = time.monotonic()
            must_still_take_events(operator)
            good_seconds.append(time.monotonic() - began)
            time.sleep(0.25)
        slow_bodies = [each.result() for each in drips]
        if FULL:
            closed = _seconds_until_closed(lines, opened)
            assert closed <= 90, "a head that does not come is waited for 75 s"
    assert min(slow_bodies) >= 4.5
    assert max(slow_bodies) < 15
    assert max(good_seconds) < 2
    health.must_be_good(growth_mib=32)
    measured(
        f"{len(drips)} slow bodies: 408 after {max(slow_bodies):.1f} s; beside {callers} slow heads a good post took at most "
        f"{max(good_seconds):.2f} s; {health}"
    )


@pytest.mark.row(44)
@pytest.mark.timeout(120)
def test_a_flood_of_headers_is_refused(start, measured) -> None:
    operator = start()
    many = [f"X-Header-{number}: {'x' * 100}" for number in range(5_000)]
    floods = {
        "5,000 headers": [head(*many)],
        "a header of 1 MiB": [head(f"X-Long: {'x' * MIB}")],
        "a path of 1 MiB": [head(path="/" + "x" * MIB)],
        "an endless header": itertools.chain([b"GET / HTTP/1.1\r\nX-Endless: "], itertools.repeat(b"x" * 8_192)),
        "endless headers": itertools.chain([b"GET / HTTP/1.1\r\n"], (f"X-{n}: y\r\n".encode() for n in itertools.count())),
    }  # fmt: skip
    seen: dict[str, int | None] = {}
    health = HealthMonitor(operator)
    with health.running():
        for name, pieces in floods.items():
            answer, _ = send(operator, pieces)
            seen[name] = None if answer is None else answer.status
            if answer is not None:  # else the line was closed under what was still being sent
                must_refuse(answer, 400)
        time.sleep(0.5)
    must_still_take_events(operator)
    assert seen["5,000 headers"] == seen["a header of 1 MiB"] == 400
    health.must_be_good(growth_mib=16)
    measured(f"floods of headers: {seen}; {health}")


# --- row 44: crowds ---------------------------------------------------------------------------------------------------


@pytest.mark.row(44)
@pytest.mark.timeout(600)
def test_thousands_at_once_are_served_or_sent_away_and_every_202_is_in_the_queue(
    start, own_rabbitmq, queue, measured
) -> None:
    operator = start()
    size = 10_000 if FULL else 500
    crowd(operator, size)  # what a crowd needs is allocated once
    before = len(own_rabbitmq.drain(queue))
    health = HealthMonitor(operator)
    with health.running():
        seen = crowd(operator, size)
        time.sleep(0.5)
    published = own_rabbitmq.drain(queue)
    assert set(seen) <= {202, 503}
    assert sum(seen.values()) == size
    assert seen[202] > 0
    # A post that was told 503 may have been written already: it settles by itself.
    assert seen[202] <= len(published) <= size
    must_still_take_events(operator)
    health.must_be_good(growth_mib=64 if FULL else 16)
    seen_last = scrape(operator)
    assert seen_last.unbalanced() == []
    assert seen_last.each("events_generated_total", "api") >= before + len(published) - 1
    measured(f"{size} at once: {dict(sorted(seen.items()))}, {len(published)} in the queue; {health}")


@pytest.mark.row(44)
@pytest.mark.timeout(120)
def test_who_posts_while_the_operator_ends_is_told_so(start, own_rabbitmq, queue, measured) -> None:
    operator = start()
    seen: list[int] = []
    confirmed: set[str] = set()
    over = threading.Event()

    def go_on_posting() -> None:
        while not over.is_set():
            try:
                answer = operator.post(ROUTE, EXAMPLE)
            except OSError:
                seen.append(0)
                time.sleep(0.01)
                continue
            seen.append(answer.status)
            if answer.status == 202:
                confirmed.add(answer.json()["event_id"])

    threads = [threading.Thread(target=go_on_posting, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    operator.wait_until(lambda: len(confirmed) > 100, what="100 events by hand")
    stopped = operator.stop()
    over.set()
    for thread in threads:
        thread.join(20)
    assert stopped.exit_code == 0
    assert stopped.seconds < 30
    assert set(seen) <= {202, 503, 0}
    in_queue = {each.json()["event_id"] for each in own_rabbitmq.drain(queue)}
    assert confirmed <= in_queue, "what was accepted is in the queue"
    measured(f"SIGTERM among posts: {len(confirmed)} accepted, none missing, ended after {stopped.seconds:.1f} s")


# --- row 44: who may ----------------------------------------------------------------------------------------------------


@pytest.mark.row(44)
@pytest.mark.timeout(120)
def test_who_has_no_token_publishes_nothing_and_learns_nothing(start, tmp_path, own_rabbitmq, queue, measured) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(f"{TOKEN}\n")
    operator = start(AEG_API_AUTH="token", AEG_API_TOKEN_FILE=str(token_file))
    strangers = (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer \xe9"},
    )
    for headers in strangers:
        for path in (ROUTE, f"{ROUTE}?generator=shop/nobody", f"{ROUTE}?nonsense=1"):
            for body in (EXAMPLE, b"broken"):
                answer = operator.post(path, body, headers)
                must_refuse(answer, 401)
                assert "Bearer" in answer.headers["WWW-Authenticate"]
    oversize = [head(JSON, f"Content-Length: {MIB}")]
    must_refuse(send(operator, oversize).answer, 401)

    holder = {"Authorization": f"Bearer {TOKEN}"}
    must_refuse(operator.post(f"{ROUTE}?generator=shop/nobody", EXAMPLE, holder), 404)
    must_refuse(operator.post(f"{ROUTE}?generator=SHOP/../nobody", EXAMPLE, holder), 400)
    must_refuse(operator.post(ROUTE, b"broken", holder), 400)
    accepted = operator.post(ROUTE, EXAMPLE, holder)
    assert accepted.status == 202

    token_file.write_text("another-token")  # rotated in the running process
    must_refuse(operator.post(ROUTE, EXAMPLE, holder), 401)
    token_file.write_text("")
    must_refuse(operator.post(ROUTE, EXAMPLE, {"Authorization": "Bearer "}), 503)

    posted = [each.json()["event_id"] for each in own_rabbitmq.drain(queue) if by_hand(each.json())]
    assert posted == [accepted.json()["event_id"]]
    assert TOKEN not in operator.log
    measured(f"{len(strangers)} ways to have no token: 401 before anything else, nothing published")


# --- helpers ----------------------------------------------------------------------------------------------------------


def _seconds_until_closed(lines: list[socket.socket], opened: float) -> float:
    """When the other side closed the last of these lines, on which the head goes on; in seconds since `opened`."""
    left = list(lines)
    while left:
        for line in list(left):
            line.settimeout(0.001)
            try:
                line.sendall(b"x")
                if not line.recv(1_000):
                    left.remove(line)
            except TimeoutError:
                continue
            except ConnectionError:
                left.remove(line)
        assert time.monotonic() - opened < 120, f"{len(left)} lines are still open"
        time.sleep(1)
    return time.monotonic() - opened
