"""A broker that does anything at all: nothing counts that it did not acknowledge, and a good one afterwards gets everything."""

import asyncio
import logging
import os
import random
from dataclasses import replace

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.brokers import RabbitMQBrokers
from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.brokers.rabbitmq.dial import Dialer, _give_up
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.ledger import DropReason, Ledger, Outcome, Totals
from audit_event_operator.engine.outbox import Budget, Outbox, Parcel
from audit_event_operator.targets.hosts import HostPolicy
from audit_event_operator.targets.target import Target
from support.doubles.amqp_peer import Line
from support.doubles.bad_broker import BadPeer, Deed, scripts
from support.doubles.confirm_machine import PRODUCT, TARGET, Errors, quiet
from support.doubles.manual_loop import ManualLoop
from support.parts.outlets import FakeGate, Producer, Targets, destination, events

EXAMPLES = int(os.environ.get("AEG_FUZZ_EXAMPLES", "150"))
TIMING = Timing(connect_seconds=5, rpc_seconds=5, confirm_seconds=10, backoff_max_seconds=4, slow_retry_max_seconds=40)
BUFFER_BYTES = 256 * 1024


class MemoryWire:
    """A wire to a line that is made a moment later."""

    def __init__(self) -> None:
        self.line: Line | None = None
        self._loop = asyncio.get_running_loop()

    def say(self, data: bytes) -> None:
        assert self.line is not None
        self._loop.call_soon(self.line.say, data)

    def hang_up(self) -> None:
        assert self.line is not None
        self._loop.call_soon(self.line.hang_up)

    def cut(self) -> None:
        assert self.line is not None
        self._loop.call_soon(self.line.reset)


class MemoryDialer(Dialer):
    """The real one but for names and sockets."""

    def __init__(self, plays: list[list[Deed]]) -> None:
        super().__init__(TIMING, HostPolicy.of(None, in_pod=False))
        self.plays = list(plays)
        self.accepted: set[str] = set()
        self.lines: list[Line] = []
        self.queues: set[str] = set()

    async def _try_addresses(self, target: Target, *, trusted: bool) -> GatheringConnection:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def fail(_connection: object, error: BaseException) -> None:
            if not opened.done():
                opened.set_exception(faults.connect_fault(error, target))

        connection = GatheringConnection(
            pika.ConnectionParameters(heartbeat=0),
            on_open_callback=lambda _connection: opened.done() or opened.set_result(None),
            on_open_error_callback=fail,
            on_close_callback=fail,
            internal_connection_workflow=False,
        )
        wire = MemoryWire()
        peer = BadPeer(self.plays.pop(0) if self.plays else [], wire, self.accepted, self.queues)
        wire.line = Line(connection, peer, lambda _line: None)
        self.lines.append(wire.line)
        try:
            await opened
        except BaseException:
            _give_up(connection)
            raise
        return connection


class Play:
    """One outlet that meets brokers of these scripts, one connection after the other."""

    def __init__(self, plays: list[list[Deed]]) -> None:
        self.loop = ManualLoop()
        self.published: list[str] = []
        self.errors = Errors()
        self.producer = self.loop.do(self._begin, plays)

    def _begin(self, plays: list[list[Deed]]) -> Producer:
        self.dialer = MemoryDialer(plays)
        self.brokers = RabbitMQBrokers(
            Targets(TARGET),
            gate=FakeGate(),
            totals=Totals(),
            timing=TIMING,
            allowed=HostPolicy.of(None, in_pod=False),
            rng=random.Random(7),
        )
        self.brokers._context = replace(self.brokers._context, dialer=self.dialer)

        def note(parcel: Parcel, what: Outcome | DropReason) -> None:
            if what is Outcome.ACK:
                self.published.append(parcel.event.event_id)

        outbox = Outbox(Ledger(Totals()), Budget(), window=8, wall_ns=lambda: 7, note=note)
        producer = Producer(outbox, outbox.ledger)
        producer.outlet = self.brokers.open(destination("q"), outbox, producer)
        return producer

    def put(self, count: int) -> None:
        self.loop.do(self.producer.outbox.put, events(min(count, self.producer.outbox.room)))

    def look(self) -> None:
        """What holds at any moment."""
        self.producer.assert_conserved()
        assert len(self.published) == len(set(self.published)) == self.producer.ledger.published
        assert set(self.published) <= self.dialer.accepted, "only what was acknowledged counts"
        assert not self.loop.errors
        assert not self.errors.records
        for line in self.dialer.lines:
            assert len(line.connection._frame_buffer) < BUFFER_BYTES

    def become_well(self) -> None:
        """From now on the broker is a good one: everything arrives but what a broker closed on again and again."""
        self.dialer.plays.clear()
        for line in self.dialer.lines:
            self.loop.do(line.reset)
        assert self.producer.outlet is not None
        self.loop.do(self.producer.outlet.retry_now)
        self.loop.do(self.producer.outbox.put, events(1))  # a confirm ends every trouble
        for _ in range(40):
            self.loop.advance(5)
            self.look()
            if self.producer.outbox.idle:
                break
        rejected = self.producer.ledger.dropped[DropReason.REJECTED_BY_BROKER]
        assert self.producer.ledger.generated == self.producer.ledger.published + rejected
        assert self.producer.health.trouble is None or rejected
        assert self.producer.health.ready_since is not None

    def end(self) -> None:
        def close() -> asyncio.Task[None]:
            self.producer.outbox.close(DropReason.SHUTDOWN_DEADLINE)
            if self.producer.outlet is not None:
                self.producer.outlet.close(0)
            return self.loop.create_task(self.brokers.aclose())

        closing = self.loop.do(close)
        self.loop.advance(10)
        left = self.loop.finish()
        assert closing.done()
        assert not left, "no task is left"
        self.look()


@pytest.mark.timeout(120 + EXAMPLES)  # what is found is made small, which takes a while
@settings(max_examples=EXAMPLES, deadline=None, report_multiple_bugs=False)
@given(plays=st.lists(scripts, min_size=1, max_size=4), counts=st.lists(st.integers(0, 5), min_size=1, max_size=4))
def test_whatever_a_broker_does_nothing_is_lost_and_nothing_is_made_up(
    plays: list[list[Deed]], counts: list[int]
) -> None:
    with quiet():
        play = Play(plays)
        logging.getLogger(PRODUCT).addHandler(play.errors)
        try:
            for count in counts:
                play.put(count)
                play.look()
                play.loop.advance(4)
                play.look()
            play.become_well()
        finally:
            play.end()
            logging.getLogger(PRODUCT).removeHandler(play.errors)
