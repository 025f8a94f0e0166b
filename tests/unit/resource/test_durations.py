"""Durations: exactly Go's, down to the nanosecond, because the API server judges with Go's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.durations import parse_duration

MS, S, M, H = 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000


@pytest.mark.parametrize(
    "text, nanoseconds",
    [
        ("5s", 5 * S),
        ("250ms", 250 * MS),
        ("1h30m", H + 30 * M),
        ("1.5h", H + 30 * M),
        ("0.3s", 300 * MS),
        ("0.1ms", 100_000),
        ("1ms1ms", 2 * MS),
        ("0s", 0),
        ("0000000000000000000000000005s", 5 * S),
        ("24h0.0000000001s", 24 * H),  # less than a nanosecond is cut off
        ("0.999999999999ms", 999_999),
        ("0.9999999999999999999ms", MS),  # Go multiplies doubles, and so many nines are one
        ("9223372036854775807ms", None),
        ("9223372036854ms", 9_223_372_036_854 * MS),
        ("9223372036855ms", None),
        ("0.9223372036854775808s", 922_337_203),
        ("0.9223372036854775809s", 922_337_203),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text, nanoseconds):
    if nanoseconds is None:
        with pytest.raises(ValueError, match="292 years"):
            parse_duration(text)
    else:
        assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", ".5s", "5.s", "-1s", "+1s", "1e3s", "5 s", "5s\n", "٥s", "1d", "5us", "1m1", "5S"]
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="is not a duration; write numbers with the units"):
        parse_duration(text)


@given(st.text(max_size=40))
def test_every_text_is_either_read_or_refused(text):
    try:
        nanoseconds = parse_duration(text)
    except ValueError:
        return
    assert nanoseconds >= 0
