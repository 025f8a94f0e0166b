"""What is allowed but unwise: each case is told with a way out, its neighbour that is right for somebody is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.advice import AdviceReason, advice_on
from audit_event_operator.resource.spec import parse_spec

DOOR = {"name": "door_opened"}
FIVEFOLD = {"every": "1m", "duration": "1s", "multiplierPercent": 500}
QUORUM = {"type": "Quorum"}
THOUSAND = {"interval": "100ms", "eventsPerInterval": 100}

SESSIONS = {"activity": "Sessions"}
BRUTE = {"name": "a", "type": "BruteForce"}
PINNED = {"users": ["alice", "bob"], "hosts": ["web"]}
STEPS = {"name": "a", "type": "Steps", "steps": [{"event": "door_opened"}]}

UNWISE = [
    (
        SESSIONS | {"interval": "10ms", "entities": {"users": {"count": 1_999}}},
        AdviceReason.MORE_FAILURES_THAN_QUIET_ALLOWS,
        "spec.eventMix",
    ),
    (
        SESSIONS | {"eventMix": {"user_login": 2, "user_logout": 1}, "interval": "1s"},
        AdviceReason.MORE_FAILURES_THAN_QUIET_ALLOWS,
        "spec.eventMix",
    ),
    (
        SESSIONS | {"interval": "10ms", "eventMix": {"user_login_success": 1, "user_logout": 1}},
        AdviceReason.SHORT_SESSIONS,
        "spec.entities.users.count",
    ),
    ({"queue": "audit "}, AdviceReason.BLANKS_IN_NAME, "spec.queue"),
    ({"queue": "\u00a0audit"}, AdviceReason.BLANKS_IN_NAME, "spec.queue"),
    ({"rabbitmq": {"secretRef": {"name": "a"}, "vhost": " /"}}, AdviceReason.BLANKS_IN_NAME, "spec.rabbitmq.vhost"),
    ({"eventTypes": [DOOR]}, AdviceReason.UNUSED_EVENT_TYPE, "spec.eventTypes"),
    ({"eventTypes": [DOOR], "eventMix": {"sudo_command": 1}}, AdviceReason.UNUSED_EVENT_TYPE, "spec.eventTypes"),
    ({"eventMix": {"user_login": 20, "user_login_failure": 60}}, AdviceReason.ALIAS_ADDS_UP, "spec.eventMix"),
    ({"eventMix": {"user_login": 1, "user_login_failure": 0}}, AdviceReason.ALIAS_ADDS_UP, "spec.eventMix"),
    ({"interval": "10s", "runDuration": "10s"}, AdviceReason.ENDS_AFTER_ONE_TICK, "spec.runDuration"),
    (
        {"interval": "1h", "runDuration": "1m", "eventsPerInterval": 5, "maxEvents": 6},
        AdviceReason.ENDS_AFTER_ONE_TICK,
        "spec.runDuration",
    ),
    ({"interval": "1s", "runDuration": "10s", "maxEvents": 11}, AdviceReason.MAX_EVENTS_OUT_OF_REACH, "spec.maxEvents"),
    ({"delivery": "AtMostOnce", "queueDeclaration": QUORUM}, AdviceReason.AT_MOST_ONCE_TO_QUORUM, "spec.delivery"),
    (
        {"queueDeclaration": QUORUM | {"mode": "MustExist"}},
        AdviceReason.TYPE_WITHOUT_EFFECT,
        "spec.queueDeclaration.type",
    ),
    (THOUSAND, AdviceReason.QUEUE_MAY_GROW, "spec.interval"),
    ({"scenarios": [BRUTE]}, AdviceReason.SCENARIOS_WITH_INDEPENDENT, "spec.activity"),
    (
        SESSIONS | {"scenarios": [BRUTE | {"pace": {"min": "30s", "max": "1m"}}]},
        AdviceReason.PACE_SLOWER_THAN_RULE,
        "spec.scenarios[0].pace",
    ),
    (
        SESSIONS | {"scenarios": [BRUTE | PINNED, BRUTE | PINNED | {"name": "b"}]},
        AdviceReason.SCENARIO_OVERLAP,
        "spec.scenarios[1].users",
    ),
    (SESSIONS | {"groundTruth": {}}, AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT, "spec.groundTruth"),
    *(
        (SESSIONS | {"scenarios": [scenario]}, AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT, "spec.scenarios")
        for scenario in (
            BRUTE | {"techniques": ["T1110"]},
            BRUTE | {"malicious": False},
            {"name": "a", "type": "LogTampering", "attempts": {"min": 1, "max": 2}},
            {"name": "a", "type": "PasswordSpray", "successPercent": 50},
            {**STEPS, "steps": [{"event": "sudo_denied"}], "pace": {"min": "1s", "max": "2s"}},
        )
    ),
]

WISE = [
    {},
    SESSIONS,
    SESSIONS | {"scenarios": [BRUTE], "groundTruth": {"queue": "truth"}},
    SESSIONS | {"scenarios": [BRUTE | {"pace": {"min": "29s", "max": "1m"}}]},
    SESSIONS | {"scenarios": [BRUTE, BRUTE | {"name": "b"}]},
    SESSIONS | {"scenarios": [BRUTE | PINNED, BRUTE | PINNED | {"name": "b", "hosts": ["db"]}]},
    SESSIONS | {"scenarios": [BRUTE | PINNED, BRUTE | PINNED | {"name": "b", "suspend": True}]},
    SESSIONS | {"scenarios": [BRUTE | PINNED, {"name": "b", "type": "LateralMovement", **PINNED}]},
    SESSIONS | {"eventTypes": [DOOR], "scenarios": [STEPS | {"malicious": False, "techniques": ["T1110"]}]},
    {"scenarios": [BRUTE | {"suspend": True}]},
    SESSIONS | {"interval": "200ms", "entities": {"users": {"count": 2_000}}},
    SESSIONS | {"eventMix": {"sudo_command": 1}, "interval": "10ms"},
    {"interval": "10ms"},
    {"queue": "audit events"},
    {"rabbitmq": {"secretRef": {"name": "a"}, "vhost": "/"}},
    {"eventTypes": [DOOR], "eventMix": {"door_opened": 0, "sudo_command": 1}},
    {"eventMix": {"user_login": 0, "user_login_failure": 60}},
    {"eventMix": {"user_login": 20, "service_started": 60}},
    {"interval": "10s", "runDuration": "10.001s"},
    {"interval": "1h", "runDuration": "1m", "eventsPerInterval": 5, "maxEvents": 5},
    {"interval": "1s", "runDuration": "10s", "maxEvents": 10},
    {"delivery": "AtMostOnce"},
    {"queueDeclaration": QUORUM},
    {"queueDeclaration": {"mode": "MustExist"}},
    {"interval": "100ms", "eventsPerInterval": 99},
    THOUSAND | {"maxEvents": 1_000_000},
    {"eventsPerInterval": 0, "runDuration": "1h", "maxEvents": 5},
    {"interval": "1m", "runDuration": "1m", "traffic": {"bursts": [FIVEFOLD]}},
    THOUSAND | {"runDuration": "1h"},
    THOUSAND | {"queueDeclaration": {"mode": "MustExist"}},
]


@pytest.mark.parametrize(
    "spec, reason, field", UNWISE, ids=[f"{case[1]}-{number}" for number, case in enumerate(UNWISE)]
)
def test_what_is_unwise_is_said_with_its_field_and_a_way_out(spec, reason, field):
    (advice,) = advice_on(parse_spec(spec))
    assert (advice.reason, advice.field) == (reason, field)
    assert field.rsplit(".", 1)[-1] in advice.message or reason is AdviceReason.QUEUE_MAY_GROW
    assert advice.message.endswith(".")


@pytest.mark.parametrize("spec", WISE, ids=repr)
def test_what_is_right_for_somebody_is_not_talked_about(spec):
    assert advice_on(parse_spec(spec)) == ()


def test_every_reason_has_a_case():
    assert {reason for _, reason, _ in UNWISE} == set(AdviceReason) - {AdviceReason.ASKS_FOR_NOTHING}, (
        "which depends on the time"
    )


def test_the_gravest_comes_first():
    spec = THOUSAND | {"queue": "q ", "eventTypes": [DOOR], "delivery": "AtMostOnce", "queueDeclaration": QUORUM}
    reasons = [advice.reason.name for advice in advice_on(parse_spec(spec))]
    assert reasons == ["BLANKS_IN_NAME", "UNUSED_EVENT_TYPE", "AT_MOST_ONCE_TO_QUORUM", "QUEUE_MAY_GROW"]


def test_numbers_are_the_ones_that_will_be_seen():
    (sums,) = advice_on(parse_spec({"eventMix": {"user_login": 21, "user_login_failure": 60}}))
    assert "user_login_failure has 70.5 in total" in sums.message
    (reach,) = advice_on(parse_spec({"interval": "3s", "eventsPerInterval": 2, "runDuration": "10s", "maxEvents": 100}))
    assert "after at most 8 events" in reach.message, "ticks at 0, 3, 6 and 9 s"
    (growth,) = advice_on(parse_spec({"interval": "1ms"}))
    assert "3.6 million events an hour" in growth.message


@given(st.integers(1, 86_400_000), st.integers(1, 100), st.integers(1_000, 10_000_000), st.integers(1, 10_000))
def test_a_run_that_can_publish_all_its_events_in_time_is_never_called_too_short(
    interval_ms, count, duration_ms, max_events
):
    spec = {"interval": f"{interval_ms}ms", "eventsPerInterval": count, "runDuration": f"{duration_ms}ms"}
    reasons = {advice.reason for advice in advice_on(parse_spec(spec | {"maxEvents": max_events}))}
    due = len(range(0, duration_ms, interval_ms)) * count  # an event of every tick before the end
    short = {AdviceReason.ENDS_AFTER_ONE_TICK, AdviceReason.MAX_EVENTS_OUT_OF_REACH}
    assert bool(reasons & short) == (due < max_events)


def test_many_names_are_not_all_listed():
    names = [{"name": f"kind_{letter}"} for letter in "abcdefgh"]
    (advice,) = advice_on(parse_spec({"eventTypes": names}))
    assert "kind_a, kind_b, kind_c and 5 more" in advice.message
    assert len(advice.message) < 400


def test_more_failures_than_any_number_of_users_may_have_can_only_become_fewer():
    advice, *_ = advice_on(
        parse_spec(SESSIONS | {"interval": "1ms", "eventMix": {"user_login_failure": 1, "user_login_success": 1}})
    )
    assert advice.message.startswith("eventMix asks for 500 failed logins a second.")
    assert advice.message.endswith(" Lower the weight.")
