"""The small parts of the engine."""

import asyncio
import logging
from fractions import Fraction

import pytest

from audit_event_operator.engine.activity_log import ActivityLog, LineBudget
from audit_event_operator.engine.egress import window_for
from audit_event_operator.engine.ledger import Histogram
from audit_event_operator.engine.rates import ObservedRate
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.engine.wakeable_sleep import Slots, WakeableSleep
from audit_event_operator.resource.conditions import Ready, Reason


@pytest.mark.looptime
async def test_a_sleep_ends_when_woken_or_when_its_time_is_over():
    wakeup, loop = WakeableSleep(), asyncio.get_running_loop()
    await wakeup.sleep(5)
    assert loop.time() == pytest.approx(5)
    loop.call_later(1, wakeup.wake)
    await wakeup.sleep(None)
    assert loop.time() == pytest.approx(6)


@pytest.mark.looptime
@pytest.mark.parametrize("seconds", [1e-18, -1.0])
async def test_a_sleep_is_never_so_short_that_the_clock_does_not_move(seconds):
    wakeup, loop = WakeableSleep(), asyncio.get_running_loop()
    await wakeup.sleep(5)
    before = loop.time()
    await wakeup.sleep(seconds)
    assert loop.time() > before


@pytest.mark.looptime
async def test_a_wake_up_before_the_sleep_is_not_lost():
    wakeup, loop = WakeableSleep(), asyncio.get_running_loop()
    wakeup.wake()
    await wakeup.sleep(10)
    assert loop.time() == pytest.approx(0, abs=0.01)
    await wakeup.sleep(1)
    assert loop.time() == pytest.approx(1)


@pytest.mark.looptime
async def test_long_sleeps_that_end_within_ten_milliseconds_end_together_and_never_early():
    loop = asyncio.get_running_loop()

    async def asleep(seconds):
        await WakeableSleep().sleep(seconds)
        return loop.time()

    assert await asyncio.gather(*map(asleep, (0.991, 0.995, 1.0))) == [pytest.approx(1.0)] * 3
    began = loop.time()
    short = [await asleep(seconds) for seconds in (0.0311, 0.2)]
    assert short == pytest.approx([began + 0.0311, began + 0.2311]), "short ones are exact"


@pytest.mark.looptime
async def test_sleepers_of_one_slot_share_a_timer_that_goes_with_the_last_of_them():
    slots, loop = Slots(), asyncio.get_running_loop()
    sleeps = [WakeableSleep(slots) for _ in range(4)]
    sleepers = [
        asyncio.create_task(each.sleep(seconds)) for each, seconds in zip(sleeps, (60, 60, 60, 90), strict=True)
    ]
    await asyncio.sleep(1)
    assert len(slots._slots) == 2
    sleepers[0].cancel()
    sleeps[1].wake()
    sleeps[3].wake()
    await asyncio.sleep(0.1)
    assert len(slots._slots) == 1, "nobody is left in the other one"
    assert [each.done() for each in sleepers] == [True, True, False, True]
    await sleepers[2]
    assert loop.time() == pytest.approx(60, abs=0.02)
    assert not slots._slots


def test_the_observed_rate_covers_the_last_thirty_seconds():
    rate = ObservedRate(0)
    for second in range(100):
        rate.sample(second, 10 * second if second < 50 else 500)
    assert rate.rate(99, 500) == 0
    assert ObservedRate(5).rate(5, 100) == 0


def test_a_histogram_counts_by_upper_bound():
    histogram = Histogram((0.1, 1.0))
    histogram.observe(0.1)
    histogram.observe(0.5, times=3)
    histogram.observe(7)
    assert (histogram.counts, histogram.sum_seconds) == ([1, 3, 1], pytest.approx(8.6))


@pytest.mark.parametrize(("rate", "window"), [(Fraction(1, 5), 64), (Fraction(1000), 1000), (Fraction(100_000), 2048)])
def test_a_window_is_one_second_of_the_rate_within_bounds(rate, window):
    assert window_for(rate) == window


@pytest.fixture
def activity_log():
    return ActivityLog(Ref("team", "stream"), LineBudget(), lambda: 0.0)


def test_the_log_tells_each_turn_once(caplog, activity_log):
    with caplog.at_level(logging.INFO):
        for reason in (Reason.STARTING, Reason.STARTING, Reason.PUBLISHING, Reason.BROKER_UNREACHABLE):
            activity_log.turn(Ready(reason, "a sentence"))
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "WARNING"]


def test_many_events_are_summed_up_every_ten_seconds(caplog, activity_log):
    with caplog.at_level(logging.INFO):
        for second in range(31):
            activity_log.summary(float(second), 100 * second, 'queue "q"', wanted=True)
    assert [record.getMessage() for record in caplog.records] == [
        'Published 1000 events in 10 s to queue "q" (team/stream)'
    ] * 3


def test_a_budget_of_lines_leaves_out_what_is_too_much_and_says_how_much(caplog):
    budget = LineBudget(per_second=1)
    assert [budget.take(0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert budget.take(1.0)
    with caplog.at_level(logging.INFO):
        budget.tell()
        budget.tell()
    assert len(caplog.records) == 1
    assert "2 lines" in caplog.text
