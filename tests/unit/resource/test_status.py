"""The status: which conditions appear, when their times move, and that progress can be read back."""

import dataclasses
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.advice import Advice, AdviceReason
from audit_event_operator.resource.conditions import Completion, CompletionReason, Ready, Reason
from audit_event_operator.resource.status import (
    MAX_MESSAGE_LENGTH,
    Contested,
    Facts,
    Progress,
    ScenarioStatus,
    build_status,
    format_rate,
    parse_progress,
    transition_key,
)
from audit_event_operator.resource.status_schema import status_schema

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
BLANKS = Advice(AdviceReason.BLANKS_IN_NAME, "spec.queue", "queue ends with a blank.")
GROWTH = Advice(AdviceReason.QUEUE_MAY_GROW, "spec.interval", "It grows.")
LATER = NOW + timedelta(minutes=1)
EPISODE = "0b9a4f7e-6b0c-5c1d-9a51-0f3f6f1f2a77"
BRUTE = ScenarioStatus("brute", 4, 1, EPISODE, EPISODE, NOW, 72)
PUBLISHING = Facts(
    generation=3,
    ready=Ready(Reason.PUBLISHING, "Events are flowing."),
    events_per_interval=0,
    target_rate=Fraction(1, 5),
    observed_rate=0.199,
    destination="audit_events",
    queue="audit_events",
    broker="rabbitmq-service:5672/%2F",
    random_seed=-7,
    progress=Progress(42, 1, "first", start_time=NOW, last_publish_time=LATER),
)


def conditions(status):
    return {condition["type"]: condition for condition in status["conditions"]}


def replace(facts, **changes):
    ready = {part: changes.pop(part) for part in ("reason", "message", "early") if part in changes}
    if "complete" in changes:
        changes["complete"] = Completion(changes["complete"], facts.ready.message)
    done = {each.name: changes.pop(each.name) for each in dataclasses.fields(Progress) if each.name in changes}
    return dataclasses.replace(
        facts,
        ready=dataclasses.replace(facts.ready, **ready),
        progress=dataclasses.replace(facts.progress, **done),
        **changes,
    )


def test_a_publishing_generator_is_ready_and_nothing_else():
    assert build_status(PUBLISHING, None, NOW, uid="0b9a", owner="pod-a") == {
        "observedGeneration": 3,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "observedGeneration": 3,
                "lastTransitionTime": "2026-01-02T03:04:05Z",
                "reason": "Publishing",
                "message": "Events are flowing.",
            }
        ],
        "eventsPublished": 42,
        "eventsDropped": 1,
        "eventsPerInterval": 0,
        "selector": "auditflow.jojees.net/generator-uid=0b9a",
        "targetRate": "0.2/s",
        "observedRate": "0.199/s",
        "destination": "audit_events",
        "queue": "audit_events",
        "broker": "rabbitmq-service:5672/%2F",
        "randomSeed": -7,
        "owner": "pod-a",
        "startTime": "2026-01-02T03:04:05.678Z",
        "lastPublishTime": "2026-01-02T03:05:05.678Z",
        "runId": "first",
    }


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"reason": Reason.STARTING}, {"Ready": "Unknown", "Reconciling": "True"}),
        ({"reason": Reason.BROKER_UNREACHABLE, "early": True}, {"Ready": "Unknown", "Reconciling": "True"}),
        ({"reason": Reason.BROKER_UNREACHABLE}, {"Ready": "False", "Reconciling": "True"}),
        ({"reason": Reason.SECRET_NOT_FOUND}, {"Ready": "False", "Stalled": "True"}),
        ({"reason": Reason.SUSPENDED}, {"Ready": "True"}),
        ({"rate_limited": "Cut to 5000/s."}, {"Ready": "True", "RateLimited": "True"}),
        ({"truth_undelivered": "The queue is gone."}, {"Ready": "True", "GroundTruthUndelivered": "True"}),
        (
            {"reason": Reason.COMPLETED, "complete": CompletionReason.MAX_EVENTS_REACHED},
            {"Ready": "True", "Complete": "True"},
        ),
        ({"advice": (BLANKS,)}, {"Ready": "True", "ConfigurationWarning": "True"}),
        (
            {"reason": Reason.SECRET_NOT_FOUND, "advice": (BLANKS,)},
            {"Ready": "False", "Stalled": "True", "ConfigurationWarning": "True"},
        ),
    ],
)
def test_conditions_beside_ready_are_there_only_while_they_are_true(changes, expected):
    found = conditions(build_status(replace(PUBLISHING, **changes), None, NOW))
    assert {kind: condition["status"] for kind, condition in found.items()} == expected


def test_the_reason_of_completion_says_which_bound_was_reached():
    facts = replace(PUBLISHING, reason=Reason.COMPLETED, complete=CompletionReason.DURATION_ELAPSED)
    assert conditions(build_status(facts, None, NOW))["Complete"]["reason"] == "DurationElapsed"


def test_a_warning_about_the_spec_tells_all_of_it_under_the_gravest_reason_and_leaves_the_others_alone():
    warned = build_status(replace(PUBLISHING, advice=(BLANKS, GROWTH)), None, NOW)
    warning = warned["conditions"].pop()
    assert warned == build_status(PUBLISHING, None, NOW)
    assert (warning["type"], warning["status"], warning["reason"]) == ("ConfigurationWarning", "True", "BlanksInName")
    assert warning["message"] == "queue ends with a blank. It grows."
    assert warning["observedGeneration"] == 3


def test_a_transition_time_moves_only_with_the_status():
    first = build_status(PUBLISHING, None, NOW)
    other_reason = build_status(replace(PUBLISHING, reason=Reason.SUSPENDED), first, LATER)
    assert conditions(other_reason)["Ready"]["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    lost = build_status(replace(PUBLISHING, reason=Reason.BROKER_UNREACHABLE), other_reason, LATER)
    assert {one["lastTransitionTime"] for one in lost["conditions"]} == {"2026-01-02T03:05:05Z"}


def test_a_condition_that_comes_back_has_a_new_time():
    stalled = build_status(replace(PUBLISHING, reason=Reason.NO_BROKER), None, NOW)
    well = build_status(PUBLISHING, stalled, NOW)
    again = build_status(replace(PUBLISHING, reason=Reason.NO_BROKER), well, LATER)
    assert conditions(again)["Stalled"]["lastTransitionTime"] == "2026-01-02T03:05:05Z"


def test_a_long_message_is_cut():
    message = conditions(build_status(replace(PUBLISHING, message="x" * 5000), None, NOW))["Ready"]["message"]
    assert len(message) == MAX_MESSAGE_LENGTH
    assert message.endswith("…")


def test_progress_is_read_back_from_what_was_written():
    status = build_status(replace(PUBLISHING, completion_time=LATER), None, NOW)
    assert parse_progress(status) == Progress(42, 1, "first", NOW, LATER, LATER)


def test_scenarios_are_told_without_what_there_is_not():
    told = build_status(replace(PUBLISHING, scenarios=(BRUTE, ScenarioStatus("spray", missed=2))), None, NOW)
    assert told["scenarios"] == [
        {
            "name": "brute",
            "episodes": 4,
            "missed": 1,
            "open": EPISODE,
            "lastEpisode": EPISODE,
            "lastTime": "2026-01-02T03:04:05.678Z",
            "expectedAlerts": 72,
        },
        {"name": "spray", "episodes": 0, "missed": 2, "expectedAlerts": 0},
    ]


def test_scenarios_are_read_back_from_what_was_written():
    scenarios = BRUTE, ScenarioStatus("spray", missed=2)
    assert parse_progress(build_status(replace(PUBLISHING, scenarios=scenarios), None, NOW)).scenarios == scenarios


@pytest.mark.parametrize(
    "scenarios",
    [
        None,
        7,
        {"name": "brute"},
        [None, "brute", 3, [], {}],
        [{"name": ""}, {"name": 5}, {"name": ["brute"]}, {"name": "n" * 64}, {"open": EPISODE}],
    ],
)
def test_what_is_no_scenario_counts_as_not_there(scenarios):
    assert parse_progress({"scenarios": scenarios}).scenarios == ()


def test_what_cannot_be_read_of_a_scenario_counts_as_not_done_and_the_rest_is_kept():
    bad = {"episodes": 3, "missed": -1, "open": "x" * 65, "lastEpisode": "", "lastTime": "soon", "expectedAlerts": "2"}
    assert parse_progress({"scenarios": [{"name": "a", **bad}]}).scenarios == (ScenarioStatus("a", episodes=3),)


def test_an_id_of_an_episode_may_have_sixty_four_characters():
    (read,) = parse_progress({"scenarios": [{"name": "a", "open": "x" * 64}]}).scenarios
    assert read.open == "x" * 64


def test_at_most_eight_scenarios_are_read_and_written_and_one_of_each_name():
    many = [{"name": f"s{number // 2}", "episodes": number} for number in range(40)]
    scenarios = parse_progress({"scenarios": many}).scenarios
    assert scenarios == tuple(ScenarioStatus(f"s{number}", episodes=2 * number) for number in range(8))
    told = build_status(replace(PUBLISHING, scenarios=(*scenarios, BRUTE)), None, NOW)
    assert len(told["scenarios"]) == status_schema()["properties"]["scenarios"]["maxItems"] == 8


def test_without_a_status_nothing_was_done():
    assert parse_progress(None) == parse_progress({}) == parse_progress({"observedGeneration": -1}) == Progress()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=6,
)
hostile_statuses = json_values | st.dictionaries(
    st.sampled_from(
        ["eventsPublished", "eventsDropped", "runId", "startTime", "completionTime", "lastPublishTime", "conditions"]
        + ["scenarios"] * 3
    ),
    json_values
    | st.sampled_from(
        ["2026-01-01T00:00:00Z", "2026-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", ""]
    )
    | st.just([{"type": "Ready", "status": "True", "lastTransitionTime": 5}])
    | st.lists(
        st.dictionaries(st.sampled_from(["name", "open", "lastTime", "episodes"]), json_values | st.just("a")),
        max_size=3,
    ),
)


@given(hostile_statuses)
def test_no_previous_status_is_so_broken_that_it_stops_us(previous):
    progress = parse_progress(previous)
    assert progress.events_published >= 0
    assert progress.events_dropped >= 0
    transition_key(previous)
    assert build_status(PUBLISHING, previous, NOW)["conditions"][0]["lastTransitionTime"]


def test_counters_alone_are_no_transition():
    before = build_status(PUBLISHING, None, NOW)
    after = build_status(replace(PUBLISHING, events_published=99, last_publish_time=LATER), before, LATER)
    assert before != after
    assert transition_key(before) == transition_key(after)


def test_an_episode_that_begins_or_ends_is_a_transition_and_its_counters_are_none():
    def told(*scenarios):
        return transition_key(build_status(replace(PUBLISHING, scenarios=scenarios), None, NOW))

    closed = BRUTE._replace(open=None)
    assert len({told(), told(closed), told(BRUTE), told(BRUTE._replace(open="another"))}) == 4
    assert told(closed) == told(closed._replace(episodes=5, missed=2, expected_alerts=90, last_time=LATER))
    assert told(closed, BRUTE._replace(name="b")) == told(BRUTE._replace(name="b"), closed)


@pytest.mark.parametrize(
    "changes",
    [
        {"generation": 4},
        {"reason": Reason.SUSPENDED},
        {"message": "Something else."},
        {"rate_limited": "Cut."},
        {"truth_undelivered": "Gone."},
        {"advice": (GROWTH,)},
        {"reason": Reason.COMPLETED, "complete": CompletionReason.MAX_EVENTS_REACHED},
    ],
)
def test_what_the_user_waits_for_is_a_transition(changes):
    before = build_status(PUBLISHING, None, NOW)
    assert transition_key(before) != transition_key(build_status(replace(PUBLISHING, **changes), before, LATER))


def test_another_installation_has_a_condition_and_signs_of_life_that_are_written_at_once():
    before = build_status(PUBLISHING, None, NOW)
    told = build_status(PUBLISHING, before, NOW, contested=Contested("Another one is there.", NOW))
    assert [(each["type"], each["status"], each["message"]) for each in told["conditions"]] == [
        ("Ready", "True", "Events are flowing."),
        ("ForeignOwner", "True", "Another one is there."),
    ]
    renewed = build_status(PUBLISHING, told, LATER, contested=Contested("Another one is there.", LATER))
    asking = build_status(PUBLISHING, told, LATER, contested=Contested("Another one is there.", None))
    assert len({transition_key(each) for each in (before, told, renewed, asking)}) == 4
    assert told["conditions"] == renewed["conditions"] == asking["conditions"]


def test_a_new_resource_differs_from_everything():
    assert transition_key(None) != transition_key(build_status(PUBLISHING, None, NOW))


def test_every_field_that_is_written_is_declared_and_the_other_way_round():
    contested = Contested("Another one.", NOW)
    facts = replace(PUBLISHING, completion_time=LATER, scenarios=(BRUTE,))
    written = build_status(facts, None, NOW, uid="0b9a", owner="a/b/pod", contested=contested)
    declared = status_schema()["properties"]
    assert set(written) == set(declared)
    for one_of in ("conditions", "scenarios"):
        assert set(written[one_of][0]) == set(declared[one_of]["items"]["properties"])


@pytest.mark.parametrize(
    "rate, text",
    [
        (Fraction(0), "0/s"),
        (Fraction(1, 5), "0.2/s"),
        (Fraction(1, 86400), "0.00001157/s"),
        (Fraction(1, 3), "0.3333/s"),
        (Fraction(100_000), "100000/s"),
        (Fraction(12_345), "12345/s"),
        (Fraction(123_456, 10), "12346/s"),
    ],
)
def test_a_rate_is_written_for_people(rate, text):
    assert format_rate(rate) == text
