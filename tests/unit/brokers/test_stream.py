"""Events on a stream: lines, order, slow readers, readers that leave, and ends."""

import io
import os
import threading

import pytest

from audit_event_operator.brokers.stream import StreamBrokers
from audit_event_operator.engine.ledger import DropReason, Totals
from audit_event_operator.resource.conditions import Reason
from support.doubles.events import make_event
from support.doubles.memory_broker import Place
from support.doubles.producer import Producer


def event(text):
    return make_event(text, text.encode())


def a_sender(brokers, *texts, window=64):
    sender = Producer(brokers, Place("anywhere"), window=window)
    sender.outbox.put([event(text) for text in texts])
    return sender


class Reluctant(io.RawIOBase):
    """Takes three bytes at a time, and only when it may."""

    def __init__(self):
        self.may = threading.Event()
        self.taken = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.may.wait(5)
        self.taken += bytes(data[:3])
        return min(3, len(data))


async def test_each_event_is_one_line_in_order():
    stream, totals = io.BytesIO(), Totals()
    brokers = StreamBrokers(stream, totals=totals)
    sender = a_sender(brokers)
    await sender.until(lambda: sender.outlet.health.ready_since is not None)
    sender.outbox.put([event("one"), event("two")])
    sender.outbox.put([event("three")])
    await sender.published(3)
    assert stream.getvalue() == b"one\ntwo\nthree\n"
    assert sender.outlet.health.broker == "stdout"
    assert sum(totals.confirm_seconds.counts) == 3
    assert brokers.connections() == {"connected": 1}
    await brokers.aclose()


async def test_more_than_a_window_goes_out_as_room_appears():
    stream = io.BytesIO()
    brokers = StreamBrokers(stream, totals=Totals())
    sender = a_sender(brokers, window=500)
    other = a_sender(brokers)
    sender.outbox.put([event(f"a{number}") for number in range(500)])
    other.outbox.put([event(f"b{number}") for number in range(64)])
    await sender.published(500)
    await other.published(64)
    lines = stream.getvalue().decode().splitlines()
    assert [line for line in lines if line[0] == "a"] == [f"a{number}" for number in range(500)]
    assert lines.index("b0") < lines.index("a499"), "nobody waits until another has finished"
    await brokers.aclose()


async def test_a_reader_that_does_not_read_holds_up_events_but_not_the_loop():
    stream = Reluctant()
    brokers = StreamBrokers(stream, totals=Totals())
    sender = a_sender(brokers, "slow")
    await sender.until(lambda: sender.outbox.in_flight)
    assert sender.ledger.published == 0
    stream.may.set()
    await sender.published(1)
    assert bytes(stream.taken) == b"slow\n"
    await brokers.aclose()


async def test_a_reader_that_leaves_is_said_once_and_nothing_counts_as_published():
    read, write = os.pipe()
    os.close(read)
    left = []
    with os.fdopen(write, "wb") as stream:
        brokers = StreamBrokers(stream, totals=Totals(), closed=lambda: left.append(1))
        sender = a_sender(brokers, "lost")
        await sender.until(lambda: sender.outlet.health.trouble is not None)
        sender.outbox.put([event("more")])
        late = a_sender(brokers)
        await late.until(lambda: late.outlet.health.trouble is not None)
        await brokers.aclose()
    assert left == [1]
    assert sender.outlet.health.trouble.reason is Reason.BROKER_UNREACHABLE
    assert sender.outlet.health.ready_since is None
    assert sender.ledger.published == 0
    assert sender.outbox.buffered == 2
    assert brokers.connections() == {"failing": 1}


@pytest.mark.parametrize("grace_seconds", [0.0, 5.0])
async def test_a_closed_outlet_writes_nothing_more_and_what_was_handed_over_settles(grace_seconds):
    stream = Reluctant()
    brokers = StreamBrokers(stream, totals=Totals())
    sender = a_sender(brokers, "under way")
    await sender.until(lambda: sender.outbox.in_flight)
    sender.outbox.put([event("waiting")])
    sender.outbox.close(DropReason.RESOURCE_DELETED)
    sender.outlet.close(grace_seconds)
    sender.outlet.close(grace_seconds)
    assert sender.outbox.in_flight == (0 if grace_seconds == 0 else 1)
    stream.may.set()
    await sender.until(lambda: sender.outbox.in_flight == 0)
    await brokers.aclose()
    assert bytes(stream.taken) == b"under way\n"
    assert sender.ledger.generated == sender.ledger.published + sender.ledger.dropped_total == 2
    assert sender.ledger.published == (0 if grace_seconds == 0 else 1)
