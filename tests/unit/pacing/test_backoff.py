"""Pauses grow, jitter and stay within bounds."""

import random

import pytest

from audit_event_operator.pacing.backoff import Backoff


def pauses(backoff, count):
    return [backoff.next_seconds() for _ in range(count)]


def test_without_jitter_pauses_double_up_to_the_longest():
    assert pauses(Backoff(1.0, 30.0), 7) == [1, 2, 4, 8, 16, 30, 30]


def test_with_jitter_each_pause_lies_between_the_shortest_and_twice_the_plain_one():
    backoff = Backoff(1.0, 30.0, random.Random(1))
    seen = pauses(backoff, 200)
    for pause, longest in zip(seen, [2, 4, 8, 16, *[30] * 196], strict=True):
        assert 1.0 <= pause <= longest
    assert max(seen) > 25.0


@pytest.mark.parametrize("rng", [None, random.Random(1)])
def test_after_a_success_pauses_are_short_again(rng):
    backoff = Backoff(1.0, 30.0, rng)
    pauses(backoff, 50)
    backoff.reset()
    assert 1.0 <= backoff.next_seconds() <= 2.0


@pytest.mark.parametrize("rng", [None, random.Random(1)])
def test_a_longest_pause_below_the_shortest_is_the_shortest(rng):
    assert pauses(Backoff(5.0, 1.0, rng), 3) == [5, 5, 5]
