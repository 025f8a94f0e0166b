"""A rate on average, and no more than the burst at once."""

import pytest

from audit_event_operator.pacing.token_bucket import TokenBucket


def test_it_allows_a_burst_and_then_its_rate():
    bucket = TokenBucket(10, burst=3)
    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_seconds(0.0) == pytest.approx(0.1)
    assert bucket.take(0.11)
    assert not bucket.take(0.11)


def test_it_does_not_save_more_than_its_burst():
    bucket = TokenBucket(10, burst=2)
    assert bucket.take(0.0)
    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]


def test_asking_how_long_to_wait_takes_nothing():
    bucket = TokenBucket(1)
    assert [bucket.wait_seconds(0.0) for _ in range(3)] == [0, 0, 0]
    assert bucket.take(0.0)


def test_a_clock_that_goes_back_neither_fills_nor_empties_it():
    bucket = TokenBucket(1, burst=2)
    assert bucket.take(100.0)
    assert bucket.take(50.0)
    assert not bucket.take(50.0)
    assert bucket.take(51.0)


def test_a_rounding_error_is_worth_a_millisecond():
    bucket = TokenBucket(10, burst=1)
    assert bucket.take(0.0)
    assert bucket.wait_seconds(0.1 - 1e-12) == 0.001
