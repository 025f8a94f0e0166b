"""Every event is somewhere, exactly once: a state machine plays all answers in every order against a plain model."""

import asyncio
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.ledger import DropReason, Ledger, Outcome, Totals
from audit_event_operator.engine.outbox import EVENT_LIMIT_BYTES, Outbox
from support.doubles.events import make_event


def an_event(number=0, size=100):
    return make_event(f"id-{number}", b"x" * size)


def an_outbox(*, window=64, resend=True, budget=None, event_bytes=1024):
    account = (budget or Budget()).open("default", "broker")
    outbox = Outbox(Ledger(Totals()), account, window=window, resend=resend, wall_ns=lambda: 7)
    outbox.event_bytes = event_bytes
    return outbox


class OutboxMachine(RuleBasedStateMachine):
    """The model is a handful of sets of event ids."""

    @initialize(window=st.integers(1, 8), resend=st.booleans())
    def start(self, window, resend):
        self.budget = Budget()
        self.outbox = an_outbox(window=window, resend=resend, budget=self.budget)
        self.resend, self.number, self.closed = resend, 0, False
        self.buffered = []
        self.flying = {}
        self.stale = []
        self.published = set()
        self.dropped = set()
        self.run_published = 0

    @rule(count=st.integers(1, 5))
    def put(self, count):
        count = min(count, self.outbox.room)
        events = [an_event(self.number + n) for n in range(count)]
        self.number += count
        if events:
            self.outbox.put(events)
            self.buffered += [event.event_id for event in events]

    @precondition(lambda self: self.outbox.writable > 0)
    @rule()
    def take(self):
        parcel = self.outbox.take()
        assert parcel.event.event_id == min(self.buffered, key=lambda text: int(text[3:])), "oldest first"
        self.buffered.remove(parcel.event.event_id)
        self.flying[parcel.event.event_id] = parcel

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), outcome=st.sampled_from([*Outcome, "drop"]))
    def answer(self, data, outcome):
        key = data.draw(st.sampled_from(sorted(self.flying)))
        parcel = self.flying.pop(key)
        if outcome is Outcome.ACK:
            self.outbox.ack(parcel)
            self.published.add(key)
            self.run_published += parcel.run == self.outbox.ledger.run
            self.stale.append(parcel)
        elif outcome == "drop":
            self.outbox.drop(parcel, DropReason.REJECTED_BY_BROKER)
            self.dropped.add(key)
            self.stale.append(parcel)
        else:
            self.outbox.fail(parcel, outcome)
            if self.resend and not self.closed:
                self.buffered.append(key)
            else:
                self.dropped.add(key)
                self.stale.append(parcel)

    @precondition(lambda self: self.stale)
    @rule(data=st.data(), outcome=st.sampled_from(list(Outcome)))
    def late_answer_about_a_settled_parcel(self, data, outcome):
        parcel = data.draw(st.sampled_from(self.stale))
        if outcome is Outcome.ACK:
            self.outbox.ack(parcel)
        else:
            self.outbox.fail(parcel, outcome)

    @rule()
    def begin_run(self):
        self.outbox.begin_run()
        self.run_published = 0

    @rule()
    @precondition(lambda self: self.number > 20)
    def close(self):
        self.outbox.close(DropReason.RESOURCE_DELETED)
        self.closed = True
        self.dropped |= set(self.buffered)
        self.buffered.clear()

    @invariant()
    def conservation_holds(self):
        if not hasattr(self, "outbox"):
            return
        outbox, ledger = self.outbox, self.outbox.ledger
        assert ledger.generated == ledger.published + ledger.dropped_total + outbox.buffered + outbox.in_flight
        assert ledger.generated == self.number
        assert ledger.published == len(self.published)
        assert ledger.dropped_total == len(self.dropped)
        assert outbox.buffered == len(self.buffered)
        assert outbox.in_flight == len(self.flying)
        assert ledger.run_published == self.run_published
        assert (self.budget.used_bytes == 0) == outbox.idle


OutboxMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestOutbox = OutboxMachine.TestCase


@pytest.fixture
def outbox():
    return an_outbox()


@pytest.fixture
async def waiter():
    return asyncio.get_running_loop().create_future()


def test_an_oversize_event_is_generated_and_dropped_and_never_buffered(outbox):
    outbox.put([an_event(size=EVENT_LIMIT_BYTES + 1)])
    assert (outbox.ledger.generated, outbox.ledger.dropped[DropReason.OVERSIZE], outbox.buffered) == (1, 1, 0)


def test_there_is_no_room_when_all_buffers_together_are_full():
    outbox = an_outbox(budget=Budget(limit_bytes=1000), event_bytes=8_000)
    assert outbox.room == 1, "a small event always fits into an empty outbox"
    outbox.put([an_event(size=8_000)])
    assert outbox.room == 0
    assert outbox.starved


async def test_a_post_that_there_is_no_memory_for_is_refused_at_once(waiter):
    budget = Budget(limit_bytes=1000)
    outbox = an_outbox(budget=budget)
    assert outbox.post(an_event(size=9_000), waiter) is None
    assert (outbox.writable, budget.used_bytes) == (0, 0)


def test_a_resent_event_counts_as_retried_and_knows_its_attempt(outbox):
    outbox.put([an_event()])
    outbox.fail(outbox.take(), Outcome.NACK)
    assert outbox.consecutive_nacks == 1
    parcel = outbox.take()
    assert (parcel.attempt, outbox.ledger.retried) == (2, 1)
    outbox.ack(parcel)
    assert outbox.consecutive_nacks == 0


def test_events_of_the_last_run_do_not_count_for_the_new_one(outbox):
    outbox.put([an_event(1), an_event(2)])
    flying = outbox.take()
    outbox.begin_run()
    outbox.put([an_event(3)])
    assert outbox.run_pending == 1
    outbox.ack(flying)
    outbox.ack(outbox.take())
    assert outbox.ledger.run_published == 0
    outbox.ack(outbox.take())
    assert outbox.ledger.run_published == 1


async def test_a_post_is_generated_only_when_it_is_written(outbox, waiter):
    outbox.post(an_event(), waiter)
    assert outbox.ledger.generated == 0
    parcel = outbox.take()
    assert outbox.ledger.generated == 1
    outbox.ack(parcel)
    assert await waiter is True
    assert outbox.ledger.run_published == 0, "posts count for the ledger, not for the run"


async def test_a_post_that_was_not_written_can_be_withdrawn_and_leaves_no_trace(outbox, waiter):
    parcel = outbox.post(an_event(), waiter)
    assert outbox.withdraw(parcel)
    assert outbox.idle
    assert outbox.ledger.generated == 0
    assert not outbox.withdraw(parcel)


@pytest.mark.parametrize("outcome", [Outcome.NACK, Outcome.RETURNED, Outcome.UNKNOWN])
async def test_a_post_whose_first_attempt_fails_tells_its_caller_and_settles_by_itself(outbox, waiter, outcome):
    outbox.post(an_event(), waiter)
    outbox.fail(outbox.take(), outcome)
    assert await waiter is False
    outbox.ack(outbox.take())
    assert (outbox.ledger.generated, outbox.ledger.published) == (1, 1)


async def test_closing_tells_those_who_wait(outbox, waiter):
    outbox.post(an_event(), waiter)
    outbox.close(DropReason.SHUTDOWN_DEADLINE)
    assert await waiter is False
    assert outbox.ledger.dropped_total == 0, "it never was generated"


def test_a_writer_that_leaves_late_does_not_unseat_the_one_that_took_its_place(outbox):
    poked = []
    first, second = (SimpleNamespace(poke=partial(poked.append, name)) for name in ("first", "second"))
    outbox.attach(first)
    outbox.attach(second)
    outbox.detach(first)
    outbox.put([an_event()])
    outbox.detach(second)
    outbox.put([an_event()])
    assert poked == ["second"]
