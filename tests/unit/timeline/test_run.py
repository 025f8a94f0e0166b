"""Which run a stream is in, and when it is over."""

from datetime import UTC, datetime, timedelta

from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from audit_event_operator.timeline.run import Run, completion

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def taken_up(spec, progress):
    run = Run()
    done = run.take_up(parse_spec(spec), progress)
    return done.events_published, done.events_dropped, run.start_time, run.completion_time


def test_a_run_goes_on_only_under_the_same_run_id():
    progress = Progress(events_published=7, events_dropped=1, run_id="a", start_time=NOW, completion_time=NOW)
    assert taken_up({"runId": "a"}, progress) == (7, 1, NOW, NOW)
    assert taken_up({"runId": "b"}, progress) == (0, 0, None, None)
    assert taken_up({}, Progress(events_published=3)) == (3, 0, None, None)


def test_a_run_is_over_by_count_or_by_time_whichever_comes_first():
    spec = parse_spec({"maxEvents": 10, "runDuration": "1m"})
    assert completion(spec, 9, NOW, NOW) is None
    assert completion(spec, 10, NOW, NOW).reason == "MaxEventsReached"
    assert completion(spec, 9, NOW, NOW + timedelta(seconds=60)).reason == "DurationElapsed"
    assert completion(spec, 9, None, NOW + timedelta(days=1)) is None, "it has not begun"
    assert completion(parse_spec({}), 10**9, NOW, NOW + timedelta(days=999)) is None
