"""What is allowed but unwise: each case is told with a way out, its neighbour that is right for somebody is not."""

from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.resource.advice import AdviceReason, advice_on
from audit_event_operator.resource.scenarios import ScenarioType
from audit_event_operator.resource.spec import parse_spec

DOOR = {"name": "door_opened"}
FIVEFOLD = {"every": "1m", "duration": "1s", "multiplierPercent": 500}
QUORUM = {"type": "Quorum"}
THOUSAND = {"interval": "100ms", "eventsPerInterval": 100}

SESSIONS = {"activity": "Sessions"}

GUESSING = ("BruteForce", "AccountTakeover")
PINNED = {"users": ["alice", "bob"], "hosts": ["web-01", "web-02"]}
STEPS = {"type": "Steps", "steps": [{"event": "sudo_command"}]}


def script(kind="BruteForce", name="attack", **fields):
    return {"name": name, "type": kind} | fields


def scripted(*scenarios, **fields):
    return SESSIONS | {"scenarios": list(scenarios)} | fields


def pace(shortest, longest="5m"):
    return {"min": shortest, "max": longest}


def named(each):
    return f"spec.scenarios[0].{each}"


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
    ({"scenarios": [script()]}, AdviceReason.SCENARIOS_WITH_INDEPENDENT, "spec.activity"),
    (
        {"activity": "Independent", "scenarios": [script(suspend=True), script("LogTampering", "logs")]},
        AdviceReason.SCENARIOS_WITH_INDEPENDENT,
        "spec.activity",
    ),
    (scripted(script(pace=pace("30s"))), AdviceReason.PACE_SLOWER_THAN_RULE, named("pace.min")),
    (
        scripted(script("AccountTakeover", pace=pace("1m", "1m"))),
        AdviceReason.PACE_SLOWER_THAN_RULE,
        named("pace.min"),
    ),
    *(
        (
            scripted(
                script(kind, "first", **PINNED), script(other, "second", users=["bob"], hosts=["web-02", "db-01"])
            ),
            AdviceReason.SCENARIO_OVERLAP,
            "spec.scenarios[1].users",
        )
        for kind, other in combinations_with_replacement(
            ("BruteForce", "PasswordSpray", "AccountTakeover", "MistypedPassword"), 2
        )
    ),
    *(
        (
            scripted(script(kind, attempts={"min": 1, "max": 2})),
            AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT,
            named("attempts"),
        )
        for kind in ("PrivilegeEscalation", "LogTampering", "MistypedPassword")
    ),
    *(
        (
            scripted({"name": "own"} | STEPS | {field: value}),
            AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT,
            named(field),
        )
        for field, value in (
            ("attempts", {"min": 1, "max": 2}),
            ("pace", pace("1s")),
            ("pace", pace("30s")),
            ("successPercent", 0),
        )
    ),
    *(
        (scripted(script(kind, successPercent=20)), AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT, named("successPercent"))
        for kind in ScenarioType
        if kind not in {"BruteForce", "AccountTakeover", "Steps"}
    ),
    *(
        (scripted(script(kind, **{field: value})), AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT, named(field))
        for kind in ScenarioType
        if kind != "Steps"
        for field, value in (("malicious", False), ("techniques", ["T1110"]))
    ),
    (
        scripted(script(suspend=True, malicious=False)),
        AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT,
        named("malicious"),
    ),
    ({"groundTruth": {}}, AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT, "spec.groundTruth"),
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
    (
        {"exchange": {"name": "x", "routingKey": "${user}"}, "entities": {"users": {"names": ["é" * 200]}}},
        AdviceReason.ROUTING_KEY_TOO_LONG,
        "spec.exchange.routingKey",
    ),
]

WISE = [
    {},
    SESSIONS,
    SESSIONS | {"interval": "200ms", "entities": {"users": {"count": 2_000}}},
    SESSIONS | {"eventMix": {"sudo_command": 1}, "interval": "10ms"},
    {"scenarios": [script(suspend=True)]},
    *(scripted(script(kind)) for kind in ScenarioType if kind != "Steps"),
    scripted(script(suspend=True), groundTruth={"queue": "truth", "header": True}),
    scripted(script(pace=pace("29.999s"))),
    scripted(script(pace=pace("30s"), suspend=True)),
    *(scripted(script(kind, pace=pace("30s"))) for kind in ScenarioType if kind not in {*GUESSING, "Steps"}),
    *(scripted(script(kind, attempts={"min": 1, "max": 1000}, successPercent=0)) for kind in GUESSING),
    *(
        scripted(script(kind, attempts={"min": 4, "max": 4}))
        for kind in ("PasswordSpray", "UserEnumeration", "LateralMovement", "DeploymentBurst")
    ),
    scripted({"name": "own", "malicious": False, "techniques": ["T1110.001"]} | STEPS),
    scripted(script(malicious=True, techniques=[], jitterPercent=0, startAfter="1h", every="1h")),
    scripted({"name": "own", "jitterPercent": 100, "startAfter": "0s"} | STEPS),
    scripted(script(**PINNED), script(name="second", users=["bob"], hosts=["db-01"])),
    scripted(script(**PINNED), script(name="second", users=["carol"], hosts=["web-01"])),
    scripted(script(**PINNED), script(name="second", users=["alice"])),
    scripted(script(hosts=["web-01"]), script(name="second", users=["alice"], hosts=["web-01"])),
    scripted(script(), script(name="second")),
    scripted(script(**PINNED), script(name="second", suspend=True, **PINNED)),
    scripted(script(**PINNED), script("LateralMovement", "second", **PINNED)),
    scripted(script(**PINNED), script("UserEnumeration", "second", **PINNED)),
    {"interval": "10ms"},
    {"queue": "audit events"},
    {"rabbitmq": {"secretRef": {"name": "a"}, "vhost": "/"}},
    {"eventTypes": [DOOR], "eventMix": {"door_opened": 0, "sudo_command": 1}},
    scripted({"name": "own", "type": "Steps", "steps": [{"event": "door_opened"}]}, eventTypes=[DOOR]),
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


STREAM = {"queueDeclaration": {"type": "Stream"}}


@pytest.mark.parametrize(
    ("spec", "reason", "says"),
    [
        (
            {"exchange": {"name": "x"}, "queueDeclaration": {"mode": "MustExist"}},
            AdviceReason.TYPE_WITHOUT_EFFECT,
            "while exchange is set",
        ),
        ({"exchange": {"name": "x "}}, AdviceReason.BLANKS_IN_NAME, "exchange.name starts or ends with a space"),
        (STREAM | {"delivery": "AtMostOnce"}, AdviceReason.AT_MOST_ONCE_TO_QUORUM, "a quorum queue or a stream"),
        (STREAM | {"interval": "1ms"}, AdviceReason.QUEUE_MAY_GROW, "keeps what was read"),
        (
            {
                "exchange": {"name": "x", "routingKey": "a.${user}.${host}"},
                "entities": {"users": {"names": ["u", "é" * 100]}, "hosts": {"names": ["h" * 60]}},
            },
            AdviceReason.ROUTING_KEY_TOO_LONG,
            "more than 255 bytes",
        ),
    ],
)
def test_a_destination_that_is_unwise_is_told(spec, reason, says):
    (advice,) = advice_on(parse_spec(spec))
    assert advice.reason is reason
    assert says in advice.message


@pytest.mark.parametrize(
    "spec",
    [
        {"exchange": {"name": "x"}, "interval": "1ms", "queue": "unused "},
        {
            "exchange": {"name": "x", "routingKey": "a.${user}.${host}"},
            "entities": {"users": {"names": ["é" * 96]}, "hosts": {"names": ["h" * 60]}},
        },
    ],
)
def test_of_an_exchange_nothing_is_told_that_only_a_queue_should_mind(spec):
    assert advice_on(parse_spec(spec)) == ()


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


def test_a_slow_pace_is_told_with_the_time_that_three_failures_take():
    (advice,) = advice_on(parse_spec(scripted(script(pace=pace("37.5s")))))
    assert "pace.min of scenario attack is 37.5s, so 3 failed logins take at least 75s." in advice.message
    assert "ANLY-SEC-001 counts 3 failures of a user on a host in 60s" in advice.message
    assert "below 30s" in advice.message


def test_all_fields_without_effect_of_one_scenario_are_told_in_one_sentence():
    spec = scripted(
        script(),
        script(
            "LogTampering",
            "logs",
            attempts={"min": 1, "max": 2},
            successPercent=1,
            malicious=False,
            techniques=["T1110"],
        ),
    )
    (advice,) = advice_on(parse_spec(spec))
    assert advice.field == "spec.scenarios[1].attempts"
    assert advice.message.startswith("attempts, successPercent, malicious and 1 more have no effect in scenario logs")


def test_a_scenario_that_overlaps_with_several_names_them_all():
    spec = scripted(script(name="one", **PINNED), script(name="two", **PINNED), script(name="three", **PINNED))
    messages = [advice.message for advice in advice_on(parse_spec(spec))]
    assert [message.split("those of ")[1].split(". ")[0] for message in messages] == ["one", "one and two"]


def test_reasons_come_in_the_order_of_their_gravity():
    silent = script(name="slow", pace=pace("1m"), techniques=["T1110"], **PINNED)
    spec = {"scenarios": [silent, script(**PINNED)], "queue": "q ", "queueDeclaration": QUORUM | {"mode": "MustExist"}}
    reasons = [advice.reason for advice in advice_on(parse_spec(spec))]
    assert reasons == sorted(reasons, key=list(AdviceReason).index)
    assert len(reasons) == 6
