"""The small parts of the engine."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from audit_event_operator.engine import run
from audit_event_operator.engine.activity_log import ActivityLog, LineBudget
from audit_event_operator.engine.ledger import OTHER, Histogram, Totals
from audit_event_operator.engine.plan import first_tick_ns, window_for
from audit_event_operator.engine.rates import ObservedRate
from audit_event_operator.engine.snapshot import Ref, Verdict
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = 1_000_000_000


@pytest.mark.looptime
async def test_a_nap_ends_when_woken_or_when_its_time_is_over():
    wakeup, loop = WakeableSleep(), asyncio.get_running_loop()
    await wakeup.sleep(5)
    assert loop.time() == pytest.approx(5)
    loop.call_later(1, wakeup.wake)
    await wakeup.sleep(None)
    assert loop.time() == pytest.approx(6)


@pytest.mark.looptime
async def test_a_wake_up_before_the_nap_is_not_lost():
    wakeup, loop = WakeableSleep(), asyncio.get_running_loop()
    wakeup.wake()
    await wakeup.sleep(10)
    assert loop.time() == pytest.approx(0, abs=0.01)
    await wakeup.sleep(1)
    assert loop.time() == pytest.approx(1)


def test_the_observed_rate_covers_the_last_thirty_seconds():
    rate = ObservedRate()
    for second in range(100):
        rate.sample(second, 10 * second if second < 50 else 500)
    assert rate.rate(99, 500) == 0
    assert ObservedRate().rate(5, 100) == 0


def test_label_sets_beyond_the_limit_count_as_other():
    totals = Totals(label_set_limit=2)
    for name in ("a", "b", "c", "d", "a"):
        totals.count_generated("user_login", name, "SUCCESS")
    assert totals.generated_by_label[OTHER, OTHER, OTHER] == 2
    assert totals.label_overflow == 2
    assert sum(totals.generated_by_label.values()) == 5


def test_a_histogram_counts_by_upper_bound():
    histogram = Histogram((0.1, 1.0))
    histogram.observe(0.1)
    histogram.observe(0.5, times=3)
    histogram.observe(7)
    assert (histogram.counts, histogram.sum_seconds) == ([1, 3, 1], pytest.approx(8.6))


@pytest.mark.parametrize(("rate", "window"), [(Fraction(1, 5), 64), (Fraction(1000), 1000), (Fraction(100_000), 2048)])
def test_a_window_is_one_second_of_the_rate_within_bounds(rate, window):
    assert window_for(rate) == window


def test_first_ticks_keep_the_rhythm_and_are_spread():
    spread = 5 * SECOND
    firsts = {first_tick_ns(f"uid-{n}", 60 * SECOND, 20 * SECOND, 0, spread) for n in range(100)}
    assert len(firsts) > 90
    assert all(40 * SECOND <= first < 45 * SECOND for first in firsts)
    assert first_tick_ns("uid", SECOND, 3600 * SECOND, 7, 1) == 7, "long overdue is due now"
    assert first_tick_ns("uid", SECOND, -3600 * SECOND, 0, 1) == SECOND, (
        "a clock that was set back delays by one interval"
    )
    assert first_tick_ns("uid", SECOND, None, 0, 1) == 0


def test_a_run_goes_on_only_under_the_same_run_id():
    progress = Progress(events_published=7, run_id="a", start_time=NOW, completion_time=NOW)
    assert run.take_up(parse_spec({"runId": "a"}), progress) == run.Start(7, NOW, NOW)
    assert run.take_up(parse_spec({"runId": "b"}), progress) == run.Start(0, None, None)
    assert run.take_up(parse_spec({}), Progress(events_published=3)) == run.Start(3, None, None)


def test_a_run_is_over_by_count_or_by_time_whichever_comes_first():
    spec = parse_spec({"maxEvents": 10, "runDuration": "1m"})
    assert run.completion(spec, 9, NOW, NOW) is None
    assert run.completion(spec, 10, NOW, NOW).reason == "MaxEventsReached"
    assert run.completion(spec, 9, NOW, NOW + timedelta(seconds=60)).reason == "DurationElapsed"
    assert run.completion(spec, 9, None, NOW + timedelta(days=1)) is None, "it has not begun"
    assert run.completion(parse_spec({}), 10**9, NOW, NOW + timedelta(days=999)) is None


def test_the_log_tells_each_turn_once(caplog):
    activity_log = ActivityLog(Ref("team", "stream"), LineBudget(), lambda: 0.0)
    with caplog.at_level(logging.INFO):
        for reason in (Reason.STARTING, Reason.STARTING, Reason.PUBLISHING, Reason.BROKER_UNREACHABLE):
            activity_log.turn(Verdict(reason, "a sentence"))
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO", "WARNING"]


def test_many_events_are_summed_up_every_ten_seconds(caplog):
    activity_log = ActivityLog(Ref("team", "stream"), LineBudget(), lambda: 0.0)
    with caplog.at_level(logging.INFO):
        for second in range(31):
            activity_log.summary(float(second), 100 * second, "q", wanted=True)
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
