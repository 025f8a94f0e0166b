"""Rule by rule, what a stream of users who behave promises: judged by readers of the published stream alone."""

import itertools
import json
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit_event_operator.events.catalogue import CATALOGUE, Need
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES
from audit_event_operator.timeline.makers import Makers
from support.judges.consistency import ConsistencyChecker
from support.judges.counting import all_judges
from support.judges.quiet import WINDOW_SECONDS
from support.worlds import LARGE, MONDAY, SMALL, made, maker, seen

WORLDS = pytest.mark.parametrize("entities", [SMALL, {}, LARGE], ids=["5/4", "200/40", "100,000/10,000"])
RATES = pytest.mark.parametrize(
    "per_second, count", [(0.1, 8_640), (5, 15_000), (100, 15_000), (1_000, 15_000)], ids=["0.1", "5", "100", "1000"]
)


def alerts(events):
    judges = all_judges()
    return [alert for event in events for judge in judges for alert in judge.feed(event)]


@WORLDS
@RATES
def test_no_judge_raises_an_alert_and_no_checker_finds_a_violation(entities, per_second, count):
    checker, judges, raised = ConsistencyChecker(), all_judges(), []
    for event in seen(made(maker(entities=entities), count, per_second=per_second)):
        checker.feed(event)
        raised += [alert for judge in judges for alert in judge.feed(event)]
    assert raised == []
    assert checker.violations == []


def test_at_independent_draws_the_same_judges_do_raise_alerts():
    assert alerts(seen(made(maker(activity="Independent"), 500, per_second=5)))


def test_nothing_of_a_session_goes_on_after_a_restart_and_nobody_fails_in_the_window_in_progress():
    checker = ConsistencyChecker()
    judges, raised = all_judges(), []
    end = 0
    for restart in range(6):
        if restart:
            checker.restart(MONDAY + end)
        stream = maker(fresh=not restart)
        # SIGKILL: the sequence goes back to what the status told last.
        for event in seen(made(stream, 2_000, per_second=5, start=MONDAY + end, first=max(0, restart * 2_000 - 150))):
            checker.feed(event)
            raised += [alert for judge in judges for alert in judge.feed(event)]
        end += 2_000 / 5
    assert checker.violations == []
    assert raised == []


def test_a_new_mix_keeps_whoever_is_logged_in():
    makers = Makers()
    checker = ConsistencyChecker()
    before = maker(makers=makers)
    for event in seen(made(before, 3_000, per_second=5)):
        checker.feed(event)
    open_before = checker.open_sessions
    mix = {"sudo_command": 10, "user_login_success": 1, "user_logout": 1, "backup_finished": 1}
    after = maker(makers=makers, eventMix=mix)
    for event in seen(made(after, 3_000, per_second=5, start=MONDAY + 600, first=3_000)):
        checker.feed(event)
    assert checker.violations == []
    assert open_before > 40
    assert checker.open_sessions > 40


def test_other_people_come_with_another_count_and_nothing_of_the_old_ones_goes_on():
    makers = Makers()
    checker = ConsistencyChecker()
    for event in seen(made(maker(makers=makers), 2_000, per_second=5)):
        checker.feed(event)
    checker.restart(MONDAY + 400)
    other = maker(makers=makers, fresh=False, entities={"users": {"count": 50}})
    for event in seen(made(other, 2_000, per_second=5, start=MONDAY + 400, first=2_000)):
        checker.feed(event)
    assert checker.violations == []


@pytest.mark.parametrize("entities, target", [(SMALL, 1), ({}, 50), (LARGE, 1_024)])
def test_open_sessions_are_bounded(entities, target):
    checker = ConsistencyChecker(target=target)
    for event in seen(made(maker(entities=entities), 12_000, per_second=50)):
        checker.feed(event)
    assert checker.violations == []
    assert checker.open_sessions >= target // 2


def test_where_the_mix_has_no_logins_sessions_were_opened_before_the_stream():
    checker = ConsistencyChecker(opened_before=True)
    events = list(seen(made(maker(eventMix={"sudo_command": 1}), 3_000, per_second=5)))
    assert {event.event_type for event in events} == {"sudo_command"}
    assert all(event.session and event.address for event in events)
    assert not [sentence for event in events for sentence in checker.feed(event)]


DEFAULT = {
    "sudo_command SUCCESS": 44, "file_modified MODIFIED": 20, "user_login SUCCESS": 12, "user_logout SUCCESS": 12,
    "service_status_change STARTED": 5, "service_status_change STOPPED": 5, "user_account_management CREATED": 1,
}  # fmt: skip


@pytest.mark.parametrize("per_second", [5, 100])
def test_every_kind_has_its_share(per_second):
    found = Counter(f"{e.event_type} {e.action_result}" for e in made(maker(), 100_000, per_second=per_second))
    for kind, weight in DEFAULT.items():
        assert found[kind] / 1_000 == pytest.approx(weight, abs=0.5), kind
    assert found["user_login FAILURE"] <= 1_000


@pytest.mark.parametrize("entities", [SMALL, {}])
def test_no_kind_falls_behind_its_draws_by_more_than_its_limit(entities):
    mix = {"sudo_command": 3, "service_started": 1, "user_login_success": 2, "user_logout": 2, "cron_job": 1}
    events = made(maker(entities=entities, eventMix=mix), 30_000, per_second=20)
    found, limit = Counter(), 50 + 4
    kinds = {"sudo_command": 3, "service_status_change": 1, "user_login": 2, "user_logout": 2, "scheduled_job": 1}
    for number, event in enumerate(events, start=1):
        found[event.event_type] += 1
        if number % 500 == 0:
            assert all(found[kind] >= number * weight / 9 - limit for kind, weight in kinds.items()), number


def test_failures_that_do_not_fit_become_successes():
    events = list(seen(made(maker(entities=SMALL, eventMix={"user_login_failure": 1}), 3_000, per_second=5)))
    failed = [event for event in events if event.failed_login]
    assert {event.event_type for event in events} == {"user_login"}
    assert 1 <= len(failed) <= 5 * (600 // WINDOW_SECONDS + 1)


def test_failed_logins_are_followed_by_a_success_within_seconds():
    checker = ConsistencyChecker(follow_up_within_seconds=26)
    for event in seen(made(maker(), 60_000, per_second=5)):
        checker.feed(event)
    assert checker.failures > 100
    assert 75 <= checker.followed_percent <= 100


def test_at_a_slow_rate_the_success_comes_with_the_next_event():
    events = list(seen(made(maker(), 5_000, per_second=1 / 60)))
    following = [after for before, after in itertools.pairwise(events) if before.failed_login]
    same = [event for event in following if event.event_type in {"user_login", "user_logout"}]
    assert len(following) > 20
    assert len(same) >= 0.7 * len(following)


def test_files_are_harmless_and_severity_follows_the_file():
    by_file = {}
    for event in made(
        maker(eventMix={"file_modified": 1, "user_login_success": 1, "user_logout": 1}), 3_000, per_second=5
    ):
        if event.event_type == "file_modified":
            body = json.loads(event.body)
            by_file.setdefault(body["resource"], set()).add(body["severity"])
    assert len(by_file) >= 8
    assert all(len(severities) == 1 for severities in by_file.values())
    assert {"INFO", "WARNING"} == set().union(*by_file.values())


def test_the_same_seed_start_and_moments_give_the_same_bytes_and_other_seeds_others():
    bodies = [[event.body for event in made(maker(seed), 3_000, per_second=5)] for seed in (1, 1, 2)]
    assert bodies[0] == bodies[1]
    assert bodies[0] != bodies[2]


def test_the_same_seed_has_the_same_people_and_another_resource_others():
    people = [{event.user for event in seen(made(maker(seed), 20_000, per_second=100))} for seed in (1, 1, 2)]
    assert people[0] == people[1]
    assert len(people[0] & people[2]) < len(people[0]) / 10


def test_made_up_hosts_share_one_label_and_named_ones_have_their_own():
    entities = {"hosts": {"names": ["web-01"], "count": 5}}
    events = list(made(maker(entities=entities), 2_000, per_second=5))
    assert {event.server_hostname for event in events} == {"web-01", "generated"}
    assert len({event.host for event in seen(events)}) == 5


OWN_RESULTS = {"user_login SUCCESS", "user_logout SUCCESS"}
"""What may also happen where logins fail: they succeed instead, and somebody makes room."""


def results(names):
    return {f"{CATALOGUE[name].event.event_type} {CATALOGUE[name].event.action_result}" for name in names}


@settings(deadline=None, max_examples=80)
@given(
    mix=st.dictionaries(st.sampled_from(BUILT_IN_TEMPLATES), st.integers(1, 5), min_size=1, max_size=5),
    users=st.integers(1, 40),
    hosts=st.integers(1, 5),
    cidr=st.sampled_from(["10.0.0.0/8", "10.0.0.1/8", "192.0.2.0/30", "192.0.2.7/32"]),
    per_second=st.sampled_from([0.01, 1, 100]),
    seed=st.integers(-(2**53) + 1, 2**53 - 1),
)
@example({"service_stopped": 1}, 5, 1, "10.0.0.0/8", 1, 1)
@example({"service_failed": 1, "sudo_command": 1}, 5, 2, "10.0.0.0/8", 1, 1)
def test_every_mix_happens_in_every_world_and_nothing_else_does(mix, users, hosts, cidr, per_second, seed):
    entities = {"users": {"count": users}, "hosts": {"count": hosts}, "clients": {"cidrs": [cidr]}}
    stream = maker(seed, eventMix=mix, entities=entities)
    events = list(made(stream, 700, per_second=per_second))
    assert all(len(event.body) <= stream.largest_body_bytes for event in events)
    found = {f"{event.event_type} {event.action_result}" for event in events}
    failing = any(CATALOGUE[name].need is Need.FAILED_LOGIN for name in mix)
    assert found <= results(mix) | (OWN_RESULTS if failing else set())
    raised = alerts(seen(events))
    assert raised == []
