"""The scripts of a misbehaving broker once more, through real sockets, the real dialer and real time; no real part is needed.

In memory, with a clock that jumps, tests/unit/brokers/test_misbehaving_broker.py plays many more of them.
"""

import asyncio
import os
import socket
import struct
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_event_operator.engine.ledger import DropReason, Outcome
from audit_event_operator.engine.outbox import Parcel
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.targets.target import Target
from support.doubles.bad_broker import PUBLISH, BadPeer, Misbehaviour, scripts
from support.doubles.error_log import ErrorLog
from support.doubles.producer import Producer, events
from support.parts.outlets import QUICK, Producers

EXAMPLES = int(os.environ.get("AEG_FUZZ_EXAMPLES", "25"))
IMPATIENT = replace(
    QUICK,
    connect_seconds=1,
    rpc_seconds=0.5,
    confirm_seconds=0.5,
    backoff_min_seconds=0.01,
    backoff_max_seconds=0.05,
    slow_retry_min_seconds=0.05,
    slow_retry_max_seconds=0.1,
)


class SocketWire:
    """The peer's end of a socket."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer

    def say(self, data: bytes) -> None:
        if not self.writer.is_closing():
            self.writer.write(data)

    def hang_up(self) -> None:
        self.writer.close()

    def cut(self) -> None:
        if not self.writer.is_closing():
            handle = self.writer.get_extra_info("socket")
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Server:
    """Plays one script per connection; when there are no more, it is a good broker."""

    plays: list[list[Misbehaviour]]
    frame_max: int | None = None
    accepted: set[str] = field(default_factory=set)
    queues: set[str] = field(default_factory=set)
    wires: list[SocketWire] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        wire = SocketWire(writer)
        self.wires.append(wire)
        peer = BadPeer(self.plays.pop(0) if self.plays else [], wire, self.accepted, self.queues)
        peer.frame_max = self.frame_max or peer.frame_max
        try:
            while data := await reader.read(65_536):
                wire.say(peer.feed(data))
        except OSError:
            pass  # the client has dropped the line
        finally:
            writer.close()
            self._tasks.discard(task)

    def cut(self) -> None:
        for wire in self.wires:
            wire.cut()

    async def ended(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


async def meet(plays: list[list[Misbehaviour]], counts: list[int], *, cut: bool) -> None:
    """Meet the scripts, then a good broker. `cut`: the bad connection ends by itself, else the product must leave it."""
    escaped: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: escaped.append(context))
    before = asyncio.all_tasks()
    server = Server(plays)
    published: list[str] = []

    def note(parcel: Parcel, what: Outcome | DropReason) -> None:
        if what is Outcome.ACK:
            published.append(parcel.event.event_id)

    def look(producer: Producer) -> None:
        producer.assert_conserved()
        assert len(published) == len(set(published)) == producer.ledger.published
        assert set(published) <= server.accepted, "only what was acknowledged counts"
        assert not escaped

    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with Producers(Target("127.0.0.1", port, "/", "user", "password"), timing=IMPATIENT) as producers:
            producer = producers.open("q", window=8)
            producer.outbox._note = note
            for count in counts:
                producer.put(events(min(count, producer.outbox.room)))
                await asyncio.sleep(0.05)
                look(producer)
            server.plays.clear()
            if cut:
                server.cut()
            producer.put(events(1))
            await producer.until(lambda: producer.outbox.idle and producer.health.trouble is None, seconds=30)
            look(producer)
            rejected = producer.ledger.dropped[DropReason.REJECTED_BY_BROKER]
            assert producer.ledger.generated == producer.ledger.published + rejected
        server.cut()
        await server.ended()
    assert asyncio.all_tasks() == before, "no task is left"
    assert not escaped


@pytest.mark.timeout(900)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plays=st.lists(scripts, min_size=1, max_size=3), counts=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_whatever_a_broker_does_on_a_real_socket_nothing_is_lost_and_nothing_is_made_up(plays, counts) -> None:
    with ErrorLog() as errors:
        asyncio.run(meet(plays, counts, cut=True))
    assert not errors.records


@pytest.mark.parametrize(
    "step",
    [
        Misbehaviour("ProtocolHeader", "silence"),
        Misbehaviour("Connection.Open", "silence"),
        Misbehaviour("Confirm.Select", "silence"),
        Misbehaviour("Queue.Declare", "silence"),
        Misbehaviour(PUBLISH, "silence"),
        Misbehaviour(PUBLISH, "oversized", 999),
        Misbehaviour(PUBLISH, "garbage", 63),
        Misbehaviour(PUBLISH, "half a frame and cut", 4),
        Misbehaviour(PUBLISH, "half an ack and cut", 11),
    ],
    ids=str,
)
async def test_a_bad_connection_is_left_for_a_good_one(step) -> None:
    await meet([[step]], [5], cut=False)


@pytest.mark.parametrize("frame_max", [8, 4_095])
async def test_frames_too_small_for_amqp_are_refused_and_drop_nothing(frame_max) -> None:
    server = Server([], frame_max=frame_max)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with Producers(Target("127.0.0.1", port, "/", "user", "password"), timing=IMPATIENT) as producers:
            producer = producers.open("q")
            producer.put(events(3))
            await producer.trouble(Reason.BROKER_UNREACHABLE)
            server.frame_max = None
            await producer.published(3)
            assert producer.ledger.dropped_total == 0
        server.cut()
        await server.ended()
