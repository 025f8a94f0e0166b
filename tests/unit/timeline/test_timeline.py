"""What a stream has to say, read along a synthetic clock."""

import json
import time
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.change import Change
from audit_event_operator.timeline.timeline import Timeline
from support.doubles.synthetic_clock import SECOND, at, no_entropy, said_until


def timeline(cap=5_000, progress=None, **spec):
    return Timeline("uid", parse_spec(spec), progress or Progress(), cap=Fraction(cap), entropy=no_entropy, now=at(0))


def test_a_synthetic_day_is_read_in_less_than_a_second():
    began = time.process_time()
    events = list(said_until(86_400, timeline(interval="5s", randomSeed=1)))
    assert time.process_time() - began < 1
    assert len(events) == 17_280
    assert [moment for moment, _ in events[:3]] == [0, 5 * SECOND, 10 * SECOND]
    assert len({event.body for _, event in events}) > 10_000


def test_the_same_spec_seed_and_clock_tell_the_same_story():
    spec = {"interval": "100ms", "eventsPerInterval": 7, "randomSeed": 7}
    assert list(said_until(60, timeline(**spec))) == list(said_until(60, timeline(**spec)))


@given(
    interval_ms=st.integers(1, 5_000),
    events=st.integers(1, 100),
    most=st.none() | st.integers(1, 500),
    before=st.integers(0, 600),
)
def test_a_run_says_exactly_what_its_bounds_leave(interval_ms, events, most, before):
    interval_ms = max(interval_ms, 100)
    stream = timeline(
        progress=Progress(events_published=before), interval=f"{interval_ms}ms", eventsPerInterval=events,
        **({} if most is None else {"maxEvents": most}),
    )  # fmt: skip
    found = list(said_until(20, stream))
    asked = -(-20_000 // interval_ms) * events
    assert len(found) == (asked if most is None else max(0, min(asked, most - before)))
    assert stream.sequence == before + len(found)


def test_a_run_is_over_after_its_duration_and_goes_on_when_that_is_raised():
    stream = timeline(interval="1s", runDuration="10s")
    assert len(list(said_until(60, stream))) == 10
    assert stream.complete is not None
    assert (stream.rates, stream.wait_ns(at(11))) == ((0, 0), None)
    stream.adopt(parse_spec({"interval": "1s", "runDuration": "20s"}), Change.RETIMED, at(11))
    assert stream.check(at(11), 10)
    assert (stream.complete, stream.rates[0]) == (None, 1)


def test_what_found_no_room_stays_pending_until_the_next_tick():
    stream = timeline(interval="1s", eventsPerInterval=10)
    stream.begin(at(0))
    stream.advance(at(0))
    assert [len(stream.take(room, 0, at(0))) for room in (4, 0, 3)] == [4, 0, 3]
    assert stream.pending == 3
    stream.advance(at(1))
    assert stream.pending == 10


def times_of(events):
    return [json.loads(event.body)["timestamp"][17:26] for event in events]


def test_an_event_carries_the_time_at_which_it_was_due_not_the_time_of_making():
    stream = timeline(interval="100ms", eventsPerInterval=2)
    stream.begin(at(0))
    stream.advance(at(0.24))
    assert times_of(stream.take(3, 0, at(0.24))) == ["20.000000", "20.000000", "20.100000"]
    assert times_of(stream.take(3, 0, at(0.3))) == ["20.100000", "20.200000", "20.200000"]


@pytest.mark.parametrize(
    "traffic",
    [
        {"arrival": "Poisson"},
        {"jitterPercent": 50},
        {"bursts": [{"every": "10s", "duration": "1s", "multiplierPercent": 300}]},
    ],
)
def test_events_of_a_shaped_stream_carry_their_own_times_in_order(traffic):
    stream, found = timeline(interval="20ms", traffic=traffic), []
    stream.begin(at(0))
    for quarter in range(1, 200):
        now = at(quarter / 5)
        if stream.advance(now) is not None:
            for event in stream.take(1_000, 0, now):
                written = datetime.fromisoformat(json.loads(event.body)["timestamp"])
                late = now.wall - written
                assert timedelta(0) <= late <= timedelta(seconds=0.45), "at most the step and what is made up for"
                found.append(written)
    assert found == sorted(found)
    assert len(set(found)) > 1_000


def test_after_a_change_what_is_still_pending_carries_the_present():
    stream = timeline(interval="100ms", eventsPerInterval=4)
    stream.begin(at(0))
    stream.advance(at(0.1))
    stream.take(2, 0, at(0.1))
    stream.adopt(parse_spec({"interval": "50ms", "eventsPerInterval": 4}), Change.RETIMED, at(0.12))
    assert set(times_of(stream.take(6, 0, at(0.12)))) == {"20.120000"}


@pytest.mark.parametrize("progress_kept, fails", [(True, True), (False, False)])
def test_where_nobody_knows_what_was_done_before_nobody_fails_in_the_window_in_progress(progress_kept, fails):
    spec = parse_spec({"interval": "100ms", "activity": "Sessions"})
    stream = Timeline(
        "uid", spec, Progress(), cap=Fraction(5_000), entropy=no_entropy, progress_kept=progress_kept, now=at(0)
    )
    assert any(event.action_result == "FAILURE" for _, event in said_until(120, stream)) is fails


def test_a_new_run_tells_the_same_story_from_its_beginning():
    stream = timeline(interval="1s", randomSeed=7)
    first = [event for _, event in said_until(5, stream)]
    stream.adopt(parse_spec({"interval": "1s", "randomSeed": 7, "runId": "again"}), Change.NEW_RUN, at(5))
    again = [event for _, event in said_until(5, stream)]
    assert [event[1:4] for event in first] == [event[1:4] for event in again]


def test_another_destination_keeps_the_rhythm_and_begins_only_when_told():
    stream = timeline(interval="10s")
    stream.begin(at(0))
    stream.advance(at(0))
    stream.adopt(parse_spec({"interval": "10s", "queue": "other"}), Change.MOVED, at(3))
    assert (stream.ticking, stream.pending, stream.wait_ns(at(3))) == (False, 0, None)
    stream.begin(at(4))
    assert stream.wait_ns(at(4)) == 6 * SECOND


def test_a_cap_cuts_the_rate_and_what_it_cuts_is_told():
    stream = timeline(cap=10, interval="1s", eventsPerInterval=100)
    stream.begin(at(0))
    due = stream.advance(at(0))
    assert (due.events, due.limited, stream.rates) == (10, 90, (100, 10))
    stream.cap_at(Fraction(50), at(0.5))
    due = stream.advance(at(1))
    assert (due.events, due.limited) == (50, 50)
