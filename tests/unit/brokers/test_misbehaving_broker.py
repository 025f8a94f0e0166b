"""A broker that does anything at all: nothing counts that it did not acknowledge, and a good one afterwards gets everything."""

import asyncio
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.brokers.rabbitmq.connection import GatheringConnection
from audit_event_operator.brokers.rabbitmq.timing import Timing
from audit_event_operator.engine.ledger import DropReason, Outcome
from audit_event_operator.targets.target import Target
from support.doubles.amqp_peer import Line
from support.doubles.bad_broker import BadPeer, scripts
from support.doubles.error_log import ErrorLog
from support.doubles.manual_loop import ManualLoop
from support.doubles.producer import Producer, Targets, destination, events, rabbitmq_brokers

EXAMPLES = int(os.environ.get("AEG_FUZZ_EXAMPLES", "150"))
PAUSES = {"backoff_max_seconds": 4, "slow_retry_max_seconds": 40}
TIMING = Timing(connect_seconds=5, rpc_seconds=5, confirm_seconds=10, heartbeat_seconds=3600, **PAUSES)
TARGET = Target("broker.test", 5672, "/", "user", "password")
BUFFER_BYTES = 256 * 1024


class MemoryWire:
    """A peer's way to its client; what the peer says arrives in later turns of the loop."""

    line: Line

    def __init__(self):
        self._later = asyncio.get_running_loop().call_soon

    def say(self, data):
        self._later(self.line.say, data)

    def hang_up(self):
        self._later(self.line.hang_up)

    def cut(self):
        self._later(self.line.reset)


class Play:
    """One outlet that meets brokers of these scripts, one connection after the other, then good ones."""

    def __init__(self, scripts):
        self.loop = ManualLoop()
        self.scripts = list(scripts)
        self.accepted = set()
        self.queues = set()
        self.lines = []
        self.published = []
        self.producer = self.loop.do(self._begin)

    def _connect(self, parameters, **callbacks):
        connection = GatheringConnection(parameters, internal_connection_workflow=False, **callbacks)
        wire = MemoryWire()
        peer = BadPeer(self.scripts.pop(0) if self.scripts else [], wire, self.accepted, self.queues)
        wire.line = Line(connection, peer)
        self.lines.append(wire.line)
        return connection

    def _begin(self):
        self.brokers = rabbitmq_brokers(Targets(TARGET), TIMING, connect=self._connect)

        def note(parcel, what):
            if what is Outcome.ACK:
                self.published.append(parcel.event.event_id)

        return Producer(self.brokers, destination("q"), window=8, note=note)

    def put(self, count):
        self.loop.do(self.producer.outbox.put, events(min(count, self.producer.outbox.room)))

    def look(self):
        """What holds at any moment."""
        self.producer.assert_conserved()
        assert len(self.published) == len(set(self.published)) == self.producer.ledger.published
        assert set(self.published) <= self.accepted, "only what was acknowledged counts"
        assert not self.loop.errors
        for line in self.lines:
            assert len(line.connection._frame_buffer) < BUFFER_BYTES

    def become_well(self):
        """From now on the broker is a good one: everything arrives but what a broker closed on again and again."""
        self.scripts.clear()
        for line in self.lines:
            self.loop.do(line.reset)
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

    def end(self):
        def close():
            self.producer.outbox.close(DropReason.SHUTDOWN_DEADLINE)
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
def test_whatever_a_broker_does_nothing_is_lost_and_nothing_is_made_up(plays, counts):
    with ErrorLog() as errors:
        play = Play(plays)
        try:
            for count in counts:
                play.put(count)
                play.look()
                play.loop.advance(4)
                play.look()
            play.become_well()
        finally:
            play.end()
    assert not errors.records
