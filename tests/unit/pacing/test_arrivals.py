"""Where events arrive along Λ, judged by statistics with fixed seeds."""

import math
from itertools import pairwise
from statistics import fmean, pvariance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.pacing.arrivals import BLOCK, Batches, Jittered, Poisson
from audit_event_operator.pacing.intensity import Steady
from audit_event_operator.pacing.pacer import Pacer
from audit_event_operator.pacing.schedule import Schedule

SECOND = 1_000_000_000
TEN_A_SECOND = Steady(1, SECOND // 10)


def arrivals(law, count):
    return [law.moment(tick, TEN_A_SECOND) for tick in range(count)]


def kolmogorov_p(gaps, mean):
    """How likely exponential gaps of this mean differ so much, by the asymptotic law of Kolmogorov and Smirnov."""
    count = len(gaps)
    model = [1 - math.exp(-gap / mean) for gap in sorted(gaps)]
    distance = max(max((rank + 1) / count - p, p - rank / count) for rank, p in enumerate(model))
    scaled = (math.sqrt(count) + 0.12 + 0.11 / math.sqrt(count)) * distance
    return 2 * sum((-1) ** (term - 1) * math.exp(-2 * term**2 * scaled**2) for term in range(1, 100))


def test_the_gaps_of_poisson_are_exponential():
    gaps = [later - earlier for earlier, later in pairwise(arrivals(Poisson(7), 20_000))]
    assert fmean(gaps) == pytest.approx(SECOND / 10, rel=0.001)
    assert kolmogorov_p(gaps, SECOND / 10) >= 0.001


def test_poisson_counts_vary_as_much_as_they_should():
    counts = [0] * 5_000
    for moment in arrivals(Poisson(7), 50_000 - BLOCK):
        counts[moment // SECOND] += 1
    windows = counts[:4_900]
    assert 0.9 <= pvariance(windows) / fmean(windows) <= 1.1


def test_the_long_run_rate_of_poisson_is_exact():
    law = Poisson(7)
    for block in (1, 2, 1_000, 10**9):
        assert law.before(block * BLOCK * SECOND // 10, TEN_A_SECOND) == block * BLOCK


laws = st.one_of(
    st.builds(Batches, st.integers(1, 50)),
    st.builds(Jittered, st.integers(1, 50), st.integers(1, 100), st.integers()),
    st.builds(Poisson, st.integers()),
)


@given(law=laws, first=st.integers(0, 10**9), rate=st.builds(Steady, st.integers(1, 100), st.integers(10**6, 10**13)))
def test_ticks_come_in_order_and_before_counts_them(law, first, rate):
    moments = [law.moment(tick, rate) for tick in range(first, first + 5)]
    assert moments == sorted(moments)
    for tick, moment in enumerate(moments, first):
        assert law.before(moment + 1, rate) > tick, "what has come is counted"
        assert law.before(moment - 1, rate) <= tick or moment == 0, "what comes later is not"


@given(seed=st.integers(), percent=st.integers(1, 100), tick=st.integers(0, 10**9))
def test_jitter_moves_a_tick_by_its_part_of_the_distance_at_most(seed, percent, tick):
    moved = Jittered(1, percent, seed).moment(tick, TEN_A_SECOND) - tick * (SECOND // 10)
    assert 0 <= moved <= SECOND // 10 * percent // 100 + 1


def test_jitter_uses_its_whole_range_evenly():
    moved = [moment % (SECOND // 10) for moment in arrivals(Jittered(1, 100, 7), 10_000)]
    assert fmean(moved) == pytest.approx(SECOND / 20, rel=0.02)
    assert max(moved) > SECOND // 10 * 0.999


def test_the_same_seed_repeats_and_another_origin_does_not():
    begun = [Poisson(7).starting(origin) for origin in (0, 0, SECOND)]
    first, again, other = (arrivals(law, 10) for law in begun)
    assert first == again != other


@pytest.mark.parametrize("law", [Poisson(7), Jittered(5, 100, 7)], ids=["Poisson", "jitter"])
def test_a_pacer_hands_out_every_tick_once_however_it_is_asked(law):
    pacer, found, now = Pacer(Schedule(TEN_A_SECOND, law), first_ns=3 * SECOND), 0, 0
    while now < 1_000 * SECOND:
        now = max(pacer.next_ns, now + 170_000_000)
        due = pacer.due(now)
        assert due is not None
        assert due.late == 0
        found += due.events
    started = law.starting(3 * SECOND)
    assert found == started.before(now + 1 - 3 * SECOND, TEN_A_SECOND) * started.size
