"""Attacks inside of a stream that is quiet otherwise: detectors find exactly what the ground truth tells of."""

from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit_event_operator.resource.scenarios import ScenarioType
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES
from support.episodes import Stage
from support.judges.counting import public_judges
from support.judges.event import read
from support.judges.order import Order
from support.judges.platform import PlatformRules
from support.judges.quiet import Quiet
from support.judges.sessions import Sessions
from support.worlds import LARGE, SMALL

MALICIOUS = (
    "BruteForce", "PasswordSpray", "UserEnumeration", "AccountTakeover", "PrivilegeEscalation", "LateralMovement",
    "LogTampering",
)  # fmt: skip
BENIGN = ("MistypedPassword", "DeploymentBurst")
BANNED = {"BruteForce", "PasswordSpray", "UserEnumeration", "AccountTakeover"}
STEPS = {
    "type": "Steps",
    "steps": [
        {"event": "sudo_denied", "repeat": 3},
        {"event": "user_login_failure", "address": "attacker", "repeat": 4},
        {"event": "service_started"},
        {"event": "account_deleted"},
        {"event": "opened_vault", "address": "203.0.113.9", "user": "eve", "host": "vault"},
    ],
}
OWN = [
    {
        "name": "opened_vault",
        "eventType": "file_modified",
        "actionResult": "MODIFIED",
        "resource": "/etc/shadow",
        "details": {"ip_address": "${client_ip}"},
    }
]


def named(*types, every="10m"):
    return [{"name": each.lower(), "type": each, "every": every} for each in types]


def ordered(events):
    return sorted((read(event.body) for event in events), key=lambda seen: seen.time_seconds)


def raised(judge, events):
    return Counter((alert.rule, alert.user, alert.host) for seen in events for alert in judge.feed(seen))


def expected(records):
    alerts = Counter()
    for record in records:
        for alert in record.expected():
            alerts[alert.rule, alert.user, alert.host] += alert.times
    return alerts


WORLDS = pytest.mark.parametrize(
    "entities, interval", [(SMALL, "1s"), ({}, "200ms"), (LARGE, "200ms")], ids=["5/4", "200/40", "100,000/10,000"]
)
CASTS = pytest.mark.parametrize(
    "scenarios",
    [
        named(*MALICIOUS, "MistypedPassword"),
        [*named(*MALICIOUS[:6], "DeploymentBurst"), {"name": "own", "every": "10m", **STEPS}],
    ],
    ids=["with mistyped passwords", "with deployments and steps"],
)


@WORLDS
@CASTS
def test_the_platform_raises_exactly_the_alerts_of_the_records_and_fail2ban_bans_exactly_the_attackers(
    scenarios, entities, interval
):
    told = Stage(interval=interval, entities=entities, scenarios=scenarios, eventTypes=OWN).until(10_800).told
    events = ordered(told.events)
    assert raised(PlatformRules(), events) == expected(told.records)
    assert {record.end_reason for record in told.records} == {"Completed"}
    assert len(told.records) > 60
    attackers = {said.address for record in told.records if record.type in BANNED for said in record.said}
    judges = public_judges()
    banned = {
        name: {alert.subject for seen in events for alert in judges[name].feed(seen)} for name in ("fail2ban", "ssh-bf")
    }
    assert banned == {"fail2ban": attackers, "ssh-bf": attackers}


@WORLDS
def test_what_only_looks_like_an_attack_raises_nothing(entities, interval):
    told = Stage(interval=interval, entities=entities, scenarios=named(*BENIGN)).until(14_400).told
    assert {record.type for record in told.records} == {*BENIGN}
    assert not any(record.malicious or record.expected() for record in told.records)
    judges = {"platform": PlatformRules(), **public_judges()}
    events = ordered(told.events)
    assert {name: [alert for seen in events for alert in judge.feed(seen)] for name, judge in judges.items()} == {
        name: [] for name in judges
    }


@WORLDS
@CASTS
def test_sessions_quiet_and_the_order_of_things_hold_with_attacks_in_between(scenarios, entities, interval):
    told = Stage(interval=interval, entities=entities, scenarios=scenarios, eventTypes=OWN).until(7_200).told
    sessions, order, quiet = Sessions(), Order(), Quiet()
    found = [sentence for seen in ordered(told.events) for judge in (sessions, order) for sentence in judge.feed(seen)]
    found += [sentence for seen in ordered(told.background) for sentence in quiet.feed(seen)]
    assert found == []


def test_an_attack_on_elastics_rule_and_on_crowdsecs_fires_where_the_type_says_so():
    told = Stage(interval="1s", scenarios=named("AccountTakeover", "UserEnumeration", every="20m")).until(7_200).told
    judges, events = public_judges(), ordered(told.events)
    by_type = {
        kind: {said.address for record in told.records if record.type == kind for said in record.said}
        for kind in ("AccountTakeover", "UserEnumeration")
    }
    success = {alert.subject for seen in events for alert in judges["elastic success after failures"].feed(seen)}
    unknown = {alert.subject for seen in events for alert in judges["user-enum"].feed(seen)}
    assert success == by_type["AccountTakeover"]
    assert unknown == by_type["UserEnumeration"]
    fast = {"name": "fast", "type": "BruteForce", "attempts": {"min": 65, "max": 80}}
    fast["pace"] = {"min": "250ms", "max": "400ms"}
    judge = public_judges()["elastic failures"]
    told = Stage(interval="1s", scenarios=[fast]).until(60).told
    assert len([alert for seen in ordered(told.events) for alert in judge.feed(seen)]) == 1


def test_victims_and_those_who_are_named_never_fail_by_themselves():
    scenario = {"name": "one", "type": "BruteForce", "users": ["root_admin"], "startAfter": "700h"}
    users = {"names": ["root_admin", "second", "third"], "count": 40}
    mix = {"user_login_failure": 1, "user_login_success": 2, "user_logout": 2}
    told = Stage(interval="1s", entities={"users": users}, eventMix=mix, scenarios=[scenario]).until(40_000).told
    failed = {seen.user for seen in ordered(told.background) if seen.failed_login}
    assert "root_admin" not in failed
    assert 20 <= len(failed) <= 35


def test_attackers_never_share_an_address_until_all_of_the_pool_were_used():
    scenarios = [
        {"name": name, "type": "BruteForce", "every": "1m", "attempts": {"min": 1, "max": 1}, "successPercent": 0}
        for name in ("a", "b")
    ]
    told = Stage(interval="60s", scenarios=scenarios).until(8_000).told
    addresses = [record.said[0].address for record in told.records]
    assert len(addresses) == len(set(addresses)) > 200
    few = Stage(interval="60s", scenarios=scenarios, entities={"attackers": {"cidrs": ["203.0.113.0/30"]}})
    assert {record.said[0].address for record in few.until(600).told.records} == {"203.0.113.1", "203.0.113.2"}


@pytest.mark.parametrize("kind", [*ScenarioType])
def test_the_first_half_of_a_stream_does_not_depend_on_a_scenario_that_is_added_later(kind):
    scenario = {"name": "later", "type": kind, "startAfter": "10m", **(STEPS if kind == "Steps" else {})}
    plain = Stage(interval="1s").until(599).told
    staged = Stage(interval="1s", eventTypes=OWN, scenarios=[scenario]).until(1_200).told
    assert [event.body for event in plain.events] == [event.body for event in staged.events[: len(plain.events)]]
    assert len(staged.records) == 1


def test_shares_are_exact_over_the_background_whatever_episodes_tell_in_between():
    scenario = {"name": "much", "type": "UserEnumeration", "every": "10s", "attempts": {"min": 40, "max": 50}}
    scenario["pace"] = {"min": "10ms", "max": "100ms"}
    mix = {"sudo_command": 6, "user_login_success": 2, "user_logout": 2}
    told = Stage(interval="100ms", eventMix=mix, scenarios=[scenario]).until(2_000).told
    kinds = Counter(seen.event_type for seen in map(read, (event.body for event in told.background)))
    assert sum(1 for _ in told.staged) > 5_000
    assert abs(kinds["user_login"] - kinds["user_logout"]) <= 64
    assert abs(kinds["sudo_command"] / kinds.total() - 0.6) < 0.005


def test_draws_without_sessions_can_have_scenarios_too():
    scenarios = named("BruteForce", "LateralMovement", "MistypedPassword", every="10m")
    told = Stage(interval="1s", activity="Independent", scenarios=scenarios).until(3_600).told
    assert len(told.records) >= 9
    users = {said.user for record in told.records for said in record.said}
    hosts = {said.host for record in told.records for said in record.said}
    assert users <= {"devops_admin", "app_user", "guest_user", "monitoring_agent", "attacker_bob"}
    assert hosts <= {"prod-web-01", "prod-db-02", "dev-api-03", "test-worker-04"}
    own = {said.address for record in told.records if record.type == "MistypedPassword" for said in record.said}
    assert all(address.startswith("192.168.1.") for address in own)


KINDS = st.sampled_from([*BUILT_IN_TEMPLATES, "opened_vault"])
ONE_STEP = st.fixed_dictionaries(
    {"event": KINDS},
    optional={
        "user": st.sampled_from(["victim", "eve", "mallory"]),
        "host": st.sampled_from(["victim", "vault"]),
        "address": st.sampled_from(["victim", "attacker", "203.0.113.9"]),
        "repeat": st.integers(1, 3),
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ONE_STEP, min_size=1, max_size=8), st.integers(0, 2**53 - 1))
@example([{"event": "login_unknown_user"}] * 2, 0)  # episodes a minute apart, on one host by chance
def test_any_steps_keep_sessions_and_the_order_of_things(steps, seed):
    scenario = {"name": "own", "type": "Steps", "every": "1m", "steps": steps}
    told = Stage(interval="5s", seed=seed, eventTypes=OWN, scenarios=[scenario]).until(400).told
    sessions, order = Sessions(), Order()
    found = [sentence for seen in ordered(told.events) for judge in (sessions, order) for sentence in judge.feed(seen)]
    assert found == []
    assert told.records
    alerts = raised(PlatformRules(), ordered(told.staged))
    open_at_the_end = [
        event for event in told.staged if event.mark.episode not in {each.episode for each in told.records}
    ]
    assert open_at_the_end or alerts == expected(told.records)


def test_names_that_nobody_has_are_not_tried_again_within_a_minute_however_often_somebody_tries():
    scenario = {
        "name": "names",
        "type": "UserEnumeration",
        "every": "10s",
        "hosts": ["vault"],
        "attempts": {"min": 12, "max": 12},
    }
    scenario["pace"] = {"min": "10ms", "max": "20ms"}
    told = Stage(interval="60s", scenarios=[scenario]).until(300).told
    assert len(told.records) >= 25
    assert raised(PlatformRules(), ordered(told.staged)) == expected(told.records)
