"""λ and Λ of shaped traffic: exact, never falling, and at its place in time whenever one begins to look."""

from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.pacing.shape import Shape
from audit_event_operator.pacing.shaped import Shaped
from audit_event_operator.resource.spec import parse_spec

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
OFFICE = {
    "timeZone": "Europe/Berlin",
    "hourly": [5] * 7 + [40, 90, 120, 120, 100, 60, 100, 120, 110, 90, 50] + [10] * 6,
    "weekdays": [100, 110, 100, 100, 80, 5, 0],
}


def unix(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


def shape(interval_ns=SECOND, events=1, begun_ns=0, wall_offset_ns=0, **traffic):
    return Shape(events, interval_ns, parse_spec({"traffic": traffic}).traffic, begun_ns, wall_offset_ns)


def percent(a_shape, moment):
    return a_shape.rate(moment) * 100


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param("2026-03-27T22:30", 10 * 0.8, id="a Friday evening"),
        pytest.param("2026-03-27T23:30", 5 * 0.05, id="past midnight in Berlin it is Saturday"),
        pytest.param("2026-03-30T07:30", 120, id="after the change to summer time nine o'clock is at 7 UTC"),
        pytest.param("2026-03-23T07:30", 90, id="before it nine o'clock is at 8 UTC"),
    ],
)
def test_a_profile_follows_the_clock_of_its_zone(moment, expected):
    assert float(percent(shape(profile=OFFICE), unix(moment))) == pytest.approx(expected)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Chatham"])
def test_zones_between_the_hours_change_at_their_own_hour(zone):
    """Λ of each hour of a day adds up to what the profile says, day by day, whichever offset is in force."""
    hourly = [(hour * 7) % 24 + 1 for hour in range(24)]
    lam = Shaped(shape(HOUR, profile={"timeZone": zone, "hourly": hourly}), unix("2026-01-10T00:00"))
    assert lam.amount(DAY) * 100 == sum(hourly) * lam.parts


def test_where_bursts_overlap_the_largest_counts():
    bursts = [
        {"every": "60s", "duration": "20s", "multiplierPercent": 0},
        {"every": "40s", "duration": "10s", "multiplierPercent": 500},
    ]
    seen = [percent(shape(bursts=bursts), second * SECOND) for second in (0, 10, 19, 20, 40, 50, 60, 70, 80)]
    assert seen == [500, 0, 0, 100, 500, 100, 0, 0, 500]


def test_stages_rise_from_nothing_step_and_hold():
    stages = [
        {"duration": "10s", "targetPercent": 200},
        {"duration": "10s", "targetPercent": 50, "transition": "Step"},
        {"duration": "10s", "targetPercent": 150},
    ]
    once, again = shape(stages=stages), shape(stages=stages, repeatStages=True)
    moments = [second * SECOND for second in (0, 5, 10, 19, 20, 25, 30, 35, 3_000)]
    assert [percent(once, moment) for moment in moments] == [0, 100, 50, 50, 50, 100, 150, 150, 150]
    assert [percent(again, moment) for moment in moments] == [0, 100, 50, 50, 50, 100, 150, 175, 150]
    assert Shaped(once).amount(30 * SECOND) == (10 + 5 + 10) * Shaped(once).parts


def test_what_is_silent_is_one_piece_up_to_a_day_and_the_next_moment_is_after_it():
    night = {"hourly": [0] * 8 + [100] * 10 + [0] * 6}
    lam = Shaped(shape(10 * SECOND, profile=night), unix("2026-01-10T20:00"))
    assert lam.rate(0) == 0
    assert lam.reached(0) == 12 * HOUR
    assert lam.reached(lam.parts) == 12 * HOUR + 10 * SECOND


def test_a_shape_without_any_event_is_looked_at_again_and_not_for_ever():
    stages = [{"duration": "1s", "targetPercent": 0}]
    lam = Shaped(shape(stages=stages), 0)
    assert lam.reached(0) > DAY
    assert lam.reached(lam.parts) == lam.reached(0), "asking again looks no further ahead"
    assert len(lam._pieces) <= 10, "thousands of streams that are scaled to 0 fit in the memory"


percentages = st.sampled_from([0, 1, 50, 100, 250, 1_000])
hourlies = st.lists(percentages, min_size=24, max_size=24).filter(any)
seconds = st.integers(1, 4_000).map(lambda count: f"{count}s")
traffics = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.fixed_dictionaries({"hourly": hourlies, "timeZone": st.sampled_from(["UTC", "Asia/Kathmandu"])}),
        "bursts": st.lists(
            st.fixed_dictionaries(
                {
                    "every": st.sampled_from(["61s", "15m", "3h"]),
                    "duration": st.sampled_from(["10ms", "7s", "59s"]),
                    "multiplierPercent": percentages,
                }
            ),
            max_size=3,
        ),
        "stages": st.lists(
            st.fixed_dictionaries(
                {"duration": seconds, "targetPercent": percentages, "transition": st.sampled_from(["Linear", "Step"])}
            ),
            min_size=1, max_size=4,
        ),
    },
)  # fmt: skip
intervals = st.sampled_from([1_000_000, 333_333_333, SECOND, 60 * SECOND])
caps = st.none() | st.fractions(Fraction(1, 7), 2_000, max_denominator=7)
moments = st.lists(st.integers(0, 6 * HOUR), min_size=2, max_size=8).map(sorted)


@settings(deadline=None)
@given(traffic=traffics, interval_ns=intervals, cap=caps, at=moments)
def test_lambda_never_falls_and_adds_up_to_its_rate(traffic, interval_ns, cap, at):
    lam = Shaped(shape(interval_ns, **traffic))
    lam = lam if cap is None else lam.capped(cap)
    for earlier, later in pairwise(at):
        grown = Fraction(lam.amount(later) - lam.amount(earlier), lam.parts)
        assert 0 <= grown <= lam.peak * Fraction(later - earlier + 2, SECOND)
        assert cap is None or grown <= cap * Fraction(later - earlier + 2, SECOND)


@settings(deadline=None)
@given(traffic=traffics, interval_ns=intervals, cap=caps, share=st.fractions(0, 1, max_denominator=1_000))
def test_an_amount_is_reached_at_the_nanosecond_from_which_there_is_more(traffic, interval_ns, cap, share):
    lam = Shaped(shape(interval_ns, **traffic))
    lam = lam if cap is None else lam.capped(cap)
    amount = int(lam.amount(6 * HOUR) * share)
    moment = lam.reached(amount)
    assert lam.amount(moment) <= amount
    if lam.amount(6 * HOUR) > amount:
        assert lam.amount(moment + 1) > amount


@settings(deadline=None)
@given(traffic=traffics, begin=st.integers(0, 6 * HOUR), length=st.integers(0, 3 * HOUR))
def test_who_begins_to_look_later_sees_the_same(traffic, begin, length):
    """To a part of an event for each slope: a restart keeps its place in bursts, stages and day."""
    whole, late = Shaped(shape(**traffic)), Shaped(shape(**traffic), begin)
    difference = late.amount(length) - (whole.amount(begin + length) - whole.amount(begin))
    assert abs(Fraction(difference, whole.parts)) < Fraction(1, 1_000)


@settings(deadline=None)
@given(traffic=traffics, at=moments)
def test_what_is_forgotten_changes_nothing_afterwards(traffic, at):
    lam, fresh = Shaped(shape(**traffic)), Shaped(shape(**traffic))
    for moment in at:
        assert lam.amount(moment) == fresh.amount(moment)
        lam.forget(moment)


def test_a_stream_that_has_run_for_months_remembers_only_the_present():
    lam = Shaped(shape(bursts=[{"every": "10s", "duration": "5s", "multiplierPercent": 0}]))
    for minute in range(60 * 24):
        lam.amount(minute * 60 * SECOND)
        lam.forget(minute * 60 * SECOND)
    assert len(lam._pieces) <= 2
