"""Pauses grow, jitter and stay within bounds."""

import random

from audit_event_operator.brokers.rabbitmq.timing import Backoff, Timing


def test_pauses_grow_from_the_lower_bound_to_the_upper_one() -> None:
    backoff = Backoff(1.0, 30.0, random.Random(1))
    pauses = [backoff.next_seconds() for _ in range(200)]
    assert all(1.0 <= pause <= 30.0 for pause in pauses)
    assert pauses[0] <= 2.0
    assert max(pauses) > 25.0


def test_it_starts_anew_when_it_works_again() -> None:
    backoff = Backoff(1.0, 30.0, random.Random(1))
    for _ in range(50):
        backoff.next_seconds()
    backoff.reset()
    assert backoff.next_seconds() <= 2.0


def test_an_upper_bound_below_the_lower_one_is_the_lower_one() -> None:
    assert Backoff(5.0, 1.0, random.Random(1)).next_seconds() == 5.0


def test_the_defaults_are_the_documented_ones() -> None:
    timing = Timing()
    assert (timing.connect_seconds, timing.rpc_seconds, timing.confirm_seconds, timing.heartbeat_seconds) == (
        20,
        20,
        60,
        15,
    )
    assert (timing.slow_retry_min_seconds, timing.slow_retry_max_seconds) == (30, 300)
