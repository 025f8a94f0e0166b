"""When a stream that was there before begins again."""

from audit_event_operator.timeline.start import first_tick_ns

SECOND = 1_000_000_000


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
