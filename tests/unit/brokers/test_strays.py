"""What came back from an exchange is remembered until it has an outcome, and meanwhile one event asks for all."""

from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.brokers.rabbitmq.feed import Feed
from audit_event_operator.brokers.rabbitmq.strays import Strays
from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.ledger import Ledger, Outcome, Totals
from audit_event_operator.engine.outbox import Outbox
from audit_event_operator.targets.destination import Recipient
from support.doubles.producer import FakeGate, events


def outbox_with(count: int) -> Outbox:
    outbox = Outbox(Ledger(Totals()), Budget().open("team", "broker"), window=64, resend=True, wall_ns=lambda: 0)
    outbox.put(events(count))
    return outbox


def feed_of(outbox: Outbox) -> Feed:
    feed = Feed(Recipient("audit", is_exchange=True), outbox, FakeGate(), None)
    feed.declared = True
    return feed


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_strays_are_those_without_an_outcome_and_the_oldest_goes_first(found_its_way):
    outbox = outbox_with(len(found_its_way))
    parcels = [outbox.take() for _ in found_its_way]
    strays = Strays()
    for parcel in reversed(parcels):
        strays.add(parcel)
    for parcel, through in zip(parcels, found_its_way, strict=True):
        if through:
            outbox.ack(parcel)
        else:
            outbox.fail(parcel, Outcome.RETURNED)
    assert strays.settle() == any(found_its_way)
    assert len(strays) == found_its_way.count(False)
    left = [parcel for parcel, through in zip(parcels, found_its_way, strict=True) if not through]
    assert strays.oldest is (left[0] if left else None)
    assert not strays.settle(), "nothing has changed since"


def test_while_probing_a_single_event_is_on_its_way():
    outbox = outbox_with(10)
    feed = feed_of(outbox)
    assert feed.writable == 10
    feed.probing = True
    assert feed.writable == 1
    probe = outbox.take()
    assert feed.writable == 0
    outbox.fail(probe, Outcome.RETURNED)
    assert feed.writable == 1
    assert outbox.take() is probe, "it is sent again before the others"
    feed.probing = False
    assert feed.writable == 9


def test_an_empty_outbox_probes_nothing():
    feed = feed_of(outbox_with(0))
    feed.probing = True
    assert feed.writable == 0
