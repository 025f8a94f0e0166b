"""When events are due."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.pacing.caps import fair_shares
from audit_event_operator.pacing.pacer import LATENESS_LIMIT_NS, Pacer
from audit_event_operator.pacing.schedule import Schedule

MS = 1_000_000
SECOND = 1_000 * MS
every = Schedule.steady


def test_nothing_is_due_before_the_first_tick():
    assert Pacer(every(SECOND, 1), first_ns=10 * SECOND).due(10 * SECOND - 1) is None


def test_the_first_tick_is_due_at_its_moment_and_only_once():
    pacer = Pacer(every(SECOND, 3), first_ns=10 * SECOND)
    due = pacer.due(10 * SECOND)
    assert (due.events, due.late, due.limited, due.lag_ns) == (3, 0, 0, 0)
    assert pacer.due(10 * SECOND) is None
    assert pacer.next_ns == 11 * SECOND


@pytest.mark.parametrize(
    ("asked_ns", "made", "late"),
    [
        pytest.param(250 * MS, 30, 0, id="up to 250 ms are made up for"),
        pytest.param(60 * SECOND, 30, 10 * 601 - 30, id="what is later is skipped and counted in events"),
    ],
)
def test_a_tick_may_be_late(asked_ns, made, late):
    due = Pacer(every(100 * MS, 10), first_ns=0).due(asked_ns)
    assert (due.events, due.late) == (made, late)


@pytest.mark.parametrize(
    ("first_ns", "before", "after", "changed_ns", "next_ns"),
    [
        pytest.param(
            0, 5 * SECOND, 100 * MS, 2 * SECOND, 2 * SECOND, id="a shorter interval counts from the last tick"
        ),
        pytest.param(0, SECOND, 10 * SECOND, SECOND // 2, 10 * SECOND, id="a longer interval does, too"),
        pytest.param(3600 * SECOND, 3600 * SECOND, SECOND, 0, SECOND, id="the first tick may only be brought forward"),
        pytest.param(300 * MS, SECOND, SECOND, 900 * MS, 1300 * MS, id="what changes nothing keeps the rhythm"),
    ],
)
def test_a_change_moves_the_next_tick(first_ns, before, after, changed_ns, next_ns):
    pacer = Pacer(every(before, 1), first_ns=first_ns)
    pacer.due(min(first_ns, changed_ns))
    pacer.change(every(after, 1), None, now_ns=changed_ns)
    assert pacer.next_ns == next_ns


def test_a_late_answer_does_not_shift_the_deadlines():
    pacer = Pacer(every(SECOND, 1), first_ns=0)
    pacer.due(120 * MS)
    assert pacer.next_ns == SECOND


def test_a_cap_spreads_what_it_allows_and_reports_the_rest():
    pacer = Pacer(every(MS, 100), first_ns=0, cap=Fraction(5000))
    events = limited = 0
    for tick in range(1000):
        due = pacer.due(tick * MS)
        events += due.events
        limited += due.limited
    assert (events, limited) == (5000, 95_000)


@given(
    interval_ms=st.integers(1, 10_000),
    events=st.integers(1, 1000),
    cap=st.none() | st.fractions(Fraction(1, 100), 20_000, max_denominator=100),
    steps=st.lists(st.integers(0, 5_000), min_size=1, max_size=60),
)
def test_every_event_asked_for_is_made_or_accounted_for(interval_ms, events, cap, steps):
    pacer = Pacer(every(interval_ms * MS, events), first_ns=0, cap=cap)
    now, made, late, limited = 0, 0, 0, 0
    for step in steps:
        now += step * MS
        due = pacer.due(now)
        if due is not None:
            made, late, limited = made + due.events, late + due.late, limited + due.limited
            assert due.events <= (LATENESS_LIMIT_NS // (interval_ms * MS) + 1) * events
    ticks = 0 if pacer.next_ns == 0 else pacer.next_ns // (interval_ms * MS)
    assert made + late + limited == ticks * events
    assert min(made, late, limited) >= 0


rpc = st.tuples(
    st.integers(1, 5_000) | st.just(86_400_000),
    st.integers(1, 100) | st.just(10_000),
    st.none() | st.fractions(Fraction(1, 10), 20_000, max_denominator=10),
)
steps = st.tuples(
    st.integers(0, 400) | st.integers(0, 20_000) | st.sampled_from([3_600_000, 86_400_000]),
    st.one_of(st.none(), st.none(), rpc, st.integers(0, 2_000)),
)


@settings(max_examples=80, deadline=None)
@given(first=rpc, calls=st.lists(steps, max_size=60))
def test_no_order_of_calls_pauses_and_changes_gives_more_than_is_due(first, calls):
    """A tick is due one interval after the one before, whatever changes meanwhile; a restart begins anew."""
    interval_ms, events, cap = first
    pacer = Pacer(every(interval_ms * MS, events), first_ns=0, cap=cap)
    now, last, made, allowed = 0, None, 0, Fraction(1)
    for pause_ms, call in calls:
        now += pause_ms * MS
        if isinstance(call, int):
            pacer = Pacer(every(interval_ms * MS, events), now + call * MS, cap)
            last, allowed = None, allowed + 1
        elif call is not None:
            interval_ms, events, cap = call
            pacer.change(every(interval_ms * MS, events), cap, now)
        interval = interval_ms * MS
        begin = pacer.next_ns
        assert last is None or begin >= last + interval, "a change brings no tick forward beyond its interval"
        due = pacer.due(now)
        if due is None:
            assert now < begin
            continue
        ticks, rest = divmod(due.events + due.late + due.limited, events)
        assert rest == 0
        last = begin + (ticks - 1) * interval
        assert last <= now < last + interval
        assert due.events <= events * (LATENESS_LIMIT_NS // interval + 1), "no burst after a pause"
        made += due.events
        allowed += ticks * min(Fraction(events), Fraction(events) if cap is None else cap * Fraction(interval_ms, 1000))
        # What is owed is kept to a millionth of an event.
        assert made <= allowed + Fraction(len(calls), 1_000_000), "no change is worth an event more than the cap allows"
        assert pacer.next_ns == last + interval


@given(st.dictionaries(st.integers(), st.fractions(0, 10_000), max_size=20), st.fractions(0, 20_000))
def test_fair_shares_give_nobody_more_than_asked_and_use_the_whole_cap(asked, cap):
    shares = fair_shares(asked, cap)
    assert all(0 <= shares[key] <= rate for key, rate in asked.items())
    assert sum(shares.values()) == min(cap, sum(asked.values()))


def test_fair_shares_leave_small_rates_alone():
    shares = fair_shares({"small": Fraction(1), "large": Fraction(1000)}, Fraction(100))
    assert shares == {"small": 1, "large": 99}
