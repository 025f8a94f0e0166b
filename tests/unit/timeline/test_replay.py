"""Streams on a synthetic clock that goes in long steps: the same as step by step, in windows, merged, and their truth."""

from collections import Counter
from itertools import pairwise

import pytest

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.timeline.entropy import KeyedEntropy
from audit_event_operator.timeline.play import Play, play
from audit_event_operator.timeline.replay import Replay
from audit_event_operator.world.scenarios.ending import Ending
from support.episodes import Stage
from support.judges.event import read
from support.judges.platform import PlatformRules
from support.worlds import MONDAY

NS = 1_000_000_000
START = (MONDAY + 36_000) * NS
HOUR = 3_600 * NS
QUIET = {"activity": "Sessions", "randomSeed": 4}
STAGED = QUIET | {
    "interval": "2s",
    "scenarios": [
        {"name": "guess", "type": "BruteForce", "every": "10m"},
        {"name": "take", "type": "AccountTakeover", "every": "15m", "startAfter": "1m"},
        {"name": "typo", "type": "MistypedPassword", "every": "7m", "startAfter": "2m"},
        {"name": "spray", "type": "PasswordSpray", "startAfter": "20m"},
    ],
}
SHAPED = {
    "randomSeed": 2,
    "interval": "100ms",
    "eventsPerInterval": 3,
    "traffic": {
        "arrival": "Poisson",
        "profile": {"timeZone": "Europe/Berlin", "hourly": [0] * 8 + [100] * 16},
        "bursts": [{"every": "20m", "duration": "1m", "multiplierPercent": 300}],
    },
}


def replay(spec, name="default/stream", start_ns=START):
    return Replay(name, name, parse_spec(spec), start_ns=start_ns)


def said(*specs, from_ns=START, to_ns=START + HOUR, start_ns=START, **options) -> list[AuditEvent]:
    replays = [replay(spec, f"default/{number}", start_ns) for number, spec in enumerate(specs)]
    return [event for events in play(replays, from_ns=from_ns, to_ns=to_ns, **options) for event in events]


def without_ids(events):
    """An event's id is the only thing of its body that has this length and these dashes at this place."""
    return [event.body[50:] for event in events]


@pytest.mark.parametrize(
    "spec",
    [
        {"randomSeed": 1},
        {"randomSeed": 1, "eventsPerInterval": 7, "interval": "700ms"},
        {"randomSeed": 1, "traffic": {"stages": [{"duration": "50m", "targetPercent": 300}]}},
        {"randomSeed": 1, "maxEvents": 333},
        {"randomSeed": 1, "runDuration": "17m"},
        QUIET,
        STAGED,
        STAGED | {"maxEvents": 1_000},
        STAGED | {"runDuration": "31m"},
    ],
    ids=str,
)
def test_long_steps_say_the_same_as_step_by_step(spec):
    stage = Stage(**{"activity": "Independent"} | spec, start_seconds=START / NS)
    stepwise = stage.until(3_600 - 1e-6).told.events
    assert without_ids(said(spec)) == without_ids(stepwise)
    assert len(stepwise) > 200


def test_times_never_fall():
    times = [
        read(event.body).microseconds for event in said(STAGED, SHAPED, {"randomSeed": 1}, to_ns=START + HOUR // 2)
    ]
    assert len(times) > 5_000
    assert all(before <= after for before, after in pairwise(times))


@pytest.mark.parametrize("spec", [{}, SHAPED, {"maxEvents": 500}, STAGED], ids=["seed", "shaped", "bounded", "staged"])
def test_a_window_that_is_cut_in_two_says_the_same(spec):
    whole = said(spec)
    cut = START + 1_234_567_891_000
    halves = [*said(spec, to_ns=cut), *said(spec, from_ns=cut)]
    assert [event.body for event in halves] == [event.body for event in whole]


def test_a_window_begins_with_its_first_moment_and_ends_before_its_last():
    spec = {"interval": "10s"}
    times = [read(event.body).time_seconds for event in said(spec, from_ns=START + 20 * NS, to_ns=START + 40 * NS)]
    assert times == [START / NS + 20, START / NS + 30]


def test_what_comes_before_the_window_of_independent_events_is_not_made(monkeypatch):
    stream = replay({"interval": "1ms"})
    made = []
    monkeypatch.setattr(type(stream.timeline), "take", lambda *_: made.append(1))
    stream.skip(START + 1_000 * HOUR)
    assert not made
    assert stream.timeline.sequence == 3_600_000_000


def test_a_count_is_exact_over_several_streams():
    some = said({"randomSeed": 1}, STAGED, QUIET, count=1_001)
    assert len(some) == 1_001
    assert [event.body for event in said({"randomSeed": 1}, STAGED, QUIET)[:1_001]] == [event.body for event in some]


def test_ids_follow_from_seed_name_and_start_and_are_never_used_twice():
    ids = [event.event_id for event in said(STAGED, STAGED)]
    assert len(set(ids)) == len(ids)
    assert ids == [event.event_id for event in said(STAGED, STAGED)]
    assert not {*ids} & {event.event_id for event in said(STAGED, start_ns=START - HOUR)}
    assert not {*ids} & {event.event_id for event in said(STAGED | {"randomSeed": 5})}


def test_a_suspended_stream_and_one_that_asks_for_nothing_say_nothing():
    assert not said({"suspend": True}, {"eventsPerInterval": 0})


def test_what_scenarios_say_at_the_first_moment_is_not_held_back():
    spec = QUIET | {"scenarios": [{"name": f"s{number}", "type": "MistypedPassword"} for number in range(5)]}
    first = said(spec, to_ns=START + 1)
    assert sum(event.mark is not None for event in first) == 5


@pytest.mark.parametrize(
    "specs",
    [({"randomSeed": 1},), (SHAPED,), ({"randomSeed": 1, "maxEvents": 2_000}, SHAPED, {"interval": "700ms"})],
    ids=["seed", "shaped", "three"],
)
@pytest.mark.parametrize("count", [None, 1_111])
def test_what_somebody_else_says_is_passed_over_without_a_trace(specs, count):
    def shared(number, among):
        play = Play(
            [replay(spec, f"default/{name}") for name, spec in enumerate(specs)], to_ns=START + HOUR, count=count
        )
        said, turn = {}, 0
        while (end_ns := play.end_of(300)) is not None:
            if turn % among == number:
                said[turn] = [event for events in play.say(end_ns) for event in events]
            else:
                play.pass_over(end_ns)
            turn += 1
        return said

    parts = shared(0, 3) | shared(1, 3) | shared(2, 3)
    assert [event for turn in range(len(parts)) for event in parts[turn]] == said(*specs, count=count)


# --- the truth --------------------------------------------------------------------------------------------------------


def told(spec, ending=Ending.RUN_COMPLETE, **window):
    stream = replay(spec)
    events, records = [], []
    for some in play([stream], **{"from_ns": START, "to_ns": START + HOUR} | window):
        events += some
        records += stream.records()
    stream.end(ending)
    return events, [*records, *stream.records()]


def raised(events):
    rules = PlatformRules()
    return Counter(alert for event in events for alert in rules.feed(read(event.body)))


def expected(records):
    return Counter(
        {(alert.rule, alert.user, alert.host): alert.times for record in records for alert in record.expected()}
    )


def total(records):
    sums = Counter()
    for record in records:
        sums += expected([record])
    return sums


@pytest.mark.parametrize(
    "window",
    [{}, {"count": 700}, {"count": 1_500}, {"from_ns": START + 603 * NS}, {"to_ns": START + 605 * NS}],
    ids=str,
)
def test_the_platforms_rules_raise_exactly_what_the_truth_expects(window):
    events, records = told(STAGED, **window)
    assert raised(events) == total(records)
    assert sum(total(records).values()) > 10
    ids = {event.event_id for event in events if event.mark is not None}
    assert {said.event_id for record in records for said in record.said} == ids


def test_an_episode_that_the_window_cuts_off_is_not_complete():
    spec = QUIET | {"scenarios": [{"name": "guess", "type": "BruteForce", "attempts": {"min": 20, "max": 20}}]}
    events, _ = told(spec)
    second, third = (
        index for index, event in enumerate(events) if event.mark is not None and event.mark.place in (1, 2)
    )
    (record,) = told(spec, count=second + 1)[1]
    assert (record.complete, record.end_reason, len(record.said)) == (False, Ending.RUN_COMPLETE, 2)
    (record,) = told(spec, to_ns=START + 2 * NS, ending=Ending.OPERATOR_STOPPED)[1]
    assert (record.complete, record.end_reason) == (False, Ending.OPERATOR_STOPPED)
    (record,) = told(spec, from_ns=START + 4 * NS)[1]
    assert (record.complete, record.end_reason) == (False, Ending.EVENTS_LOST)
    assert third > second


def test_episodes_before_the_window_are_not_told_of():
    _, records = told(STAGED, from_ns=START + HOUR // 2)
    assert records
    assert all(record.said[0].unix_ns >= START + HOUR // 2 for record in records)


# --- entropy ----------------------------------------------------------------------------------------------------------


def test_entropy_is_one_stream_however_it_is_asked_for():
    whole = KeyedEntropy(b"a")(200_000)
    parts = KeyedEntropy(b"a")
    assert b"".join(parts(size) for size in (16, 32_752, 1, 65_535, 100_000 - 98_304, 100_000)) == whole[:200_000]
    skipping = KeyedEntropy(b"a")
    skipping.skip(123_456)
    assert skipping(50) == whole[123_456:123_506]
    assert KeyedEntropy(b"b")(16) != whole[:16]


def test_entropy_is_the_same_everywhere():
    assert KeyedEntropy(b"key")(8).hex() == "3020329bdca5eee6"
