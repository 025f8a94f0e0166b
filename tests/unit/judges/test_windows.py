"""What judges count with, compared with what the words say."""

from hypothesis import given
from hypothesis import strategies as st

from support.judges.windows import Buckets, Windows


def test_what_is_too_old_to_matter_is_forgotten():
    windows, buckets = Windows(3, 10), Buckets(2, 10)
    for second in range(1_000):
        for key in ("always", second):
            windows.add(key, second * 1_000_000)
            buckets.pour(key, second * 1_000_000, f"name-{second // 8}")
        assert len(windows) <= 11 + 1
        assert len(buckets) <= 10 + 1


@given(st.lists(st.tuples(st.integers(0, 15), st.sampled_from("ab")), max_size=60))
def test_any_sequence_fills_a_bucket_as_its_level_says(steps):
    buckets, now = Buckets(3, 10), 0
    levels, times = dict.fromkeys("ab", 0.0), dict.fromkeys("ab", 0)
    for gap, key in steps:
        now += gap * 1_000_000
        level = max(0, levels[key] - (now - times[key]) / 10_000_000) + 1
        overflows = level > 3 + 1e-9
        levels[key], times[key] = 0 if overflows else level, now
        assert buckets.pour(key, now) is overflows


@given(st.lists(st.tuples(st.integers(0, 15), st.sampled_from("ab")), max_size=60))
def test_any_sequence_fills_a_window_as_its_times_say(steps):
    windows, now, times = Windows(3, 20), 0, []
    for gap, key in steps:
        now += gap * 1_000_000
        times.append((key, now))
        assert windows.add(key, now) is (sum(who == key and now - at <= 20_000_000 for who, at in times) >= 3)
