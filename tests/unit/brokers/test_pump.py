"""Who writes how much, and when."""

from dataclasses import dataclass, field

import pytest

from audit_event_operator.brokers.pump import BATCH, GATE_POLL_SECONDS, Pump
from support.doubles.manual_loop import ManualLoop
from support.doubles.producer import FakeGate


@dataclass(eq=False)
class FakeSource:
    """An outlet with so many events."""

    writable: int
    gate: FakeGate = field(default_factory=FakeGate)
    queued: bool = False


class Play:
    """A pump whose turns of the loop are counted."""

    def __init__(self):
        self.loop = ManualLoop()
        self.room = BATCH
        self.batches = []
        self.pump = self.loop.do(Pump, lambda: self.room, self._write)

    def _write(self, turns):
        batch = []
        for source, count in turns:
            source.writable -= count
            batch.append((source, count))
        if batch:
            self.batches.append(batch)

    def add(self, *sources):
        self.loop.do(lambda: [self.pump.add(source) for source in sources])

    def written(self, source):
        return sum(count for batch in self.batches for each, count in batch if each is source)


@pytest.fixture
def play():
    made = Play()
    yield made
    made.loop.finish()


def test_no_turn_of_the_loop_writes_more_than_a_batch_and_all_is_written(play):
    sources = [FakeSource(1_000), FakeSource(150), FakeSource(3)]
    play.add(*sources)
    assert [play.written(source) for source in sources] == [1_000, 150, 3]
    assert max(sum(count for _, count in batch) for batch in play.batches) == BATCH
    assert not any(source.queued for source in sources)


def test_nobody_waits_until_another_has_finished(play):
    many, few = FakeSource(1_000), FakeSource(40)
    play.add(many, few)
    assert few in dict(play.batches[0])


def test_more_outlets_than_a_batch_come_to_their_turn(play):
    sources = [FakeSource(2) for _ in range(3 * BATCH)]
    play.add(*sources)
    assert all(play.written(source) == 2 for source in sources)


def test_what_was_added_waits_until_there_is_room_again(play):
    source, play.room = FakeSource(5), 0
    play.add(source)
    assert play.batches == []
    play.room = 2
    play.loop.do(play.pump.schedule)
    assert [batch[0][1] for batch in play.batches] == [2, 2, 1]


def test_a_closed_gate_holds_up_its_own_outlet_alone_and_is_asked_again(play):
    held, free = FakeSource(5), FakeSource(5)
    held.gate.opened = False
    play.add(held, free)
    play.loop.advance(10 * GATE_POLL_SECONDS)
    assert (play.written(held), play.written(free)) == (0, 5)
    held.gate.opened = True
    play.loop.advance(GATE_POLL_SECONDS)
    assert play.written(held) == 5


def test_an_outlet_with_nothing_to_write_costs_no_turn(play):
    source = FakeSource(0)
    play.add(source)
    assert not source.queued


def test_after_a_stop_outlets_may_go_to_another_pump(play):
    waiting, gated = FakeSource(5), FakeSource(5)
    gated.gate.opened = False
    play.add(gated)
    play.room = 0
    play.add(waiting)
    play.loop.do(play.pump.stop)
    assert not waiting.queued
    assert not gated.queued
    play.room, gated.gate.opened = BATCH, True
    play.loop.advance(2 * GATE_POLL_SECONDS)
    assert play.batches == []
