"""Fair shares: what is drawn is even, weights are exact, and one draw says nothing about another."""

import json
from collections import Counter
from functools import cache
from itertools import pairwise
from operator import itemgetter
from typing import Any

import pytest

from audit_event_operator.events.factory import EventFactory
from audit_event_operator.events.mix import weights_of
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.templates import SEED_TEMPLATES
from support.doubles.events import slots
from support.statistics import fairness, p_value

EVENTS = 5_000
SEEDS = (1, 2, -3)
LEAST_P = 0.001

Bodies = list[dict[str, Any]]


@cache
def bodies_of(seed, template=None):
    spec = parse_spec({} if template is None else {"eventMix": {template: 1}})
    return [json.loads(event.body) for event in EventFactory(spec, seed=seed).make(slots(0, EVENTS))]


def detail(name):
    return lambda body: body["details"][name]


def test_the_p_value_agrees_with_the_tables():
    for chi_square, degrees in ((3.841, 1), (5.991, 2), (12.592, 6), (124.342, 100)):
        assert p_value(chi_square, degrees) == pytest.approx(0.05, rel=2e-3)
    assert p_value(0, 5) == 1


def kind(body):
    """Two templates share an event type, so the kind is told by the result as well."""
    return body["event_type"], body["action_result"]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_event_says_nothing_about_the_next_one(seed):
    hosts = [(body["server_hostname"], body["user_id"]) for body in bodies_of(seed)]
    seen = Counter(pairwise(hosts))
    assert fairness(seen, {(one, two): 1 for one in set(hosts) for two in set(hosts)}) >= LEAST_P


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "template, read, values",
    [
        (None, kind, 7),
        (None, itemgetter("server_hostname"), 4),
        (None, itemgetter("user_id"), 5),
        (None, lambda body: (kind(body), body["server_hostname"], body["user_id"]), 7 * 4 * 5),
        ("user_login_failure", detail("ip_address"), 101),
        ("user_login_success", detail("ip_address"), 101),
        ("user_login_success", detail("protocol"), 2),
        ("sudo_command", detail("command"), 4),
        ("file_modified", detail("resource"), 5),
        ("file_modified", lambda body: body["details"]["old_checksum"][0], 16),
        ("file_modified", lambda body: body["details"]["new_checksum"][-1], 16),
        ("file_modified", lambda body: (body["details"]["old_checksum"][-1], body["details"]["new_checksum"][0]), 256),
        ("service_started", detail("resource"), 3),
        ("service_started", lambda body: (body["details"]["resource"], body["details"]["previous_state"]), 6),
        ("service_stopped", detail("resource"), 3),
        ("user_account_created", detail("group"), 3),
        ("user_account_created", lambda body: body["details"]["resource"][-1], 16),
        ("user_login_failure", lambda body: (body["details"]["protocol"], body["user_id"]), 10),
    ],
)
def test_what_is_drawn_is_even_also_together(template, read, values, seed):
    seen = Counter(map(read, bodies_of(seed, template)))
    assert len(seen) == values
    assert fairness(seen, dict.fromkeys(seen, 1)) >= LEAST_P


@pytest.mark.parametrize("seed", SEEDS)
def test_changes_of_size_are_even_over_their_whole_range(seed):
    tenths = Counter(
        (body["details"]["size_change_bytes"] + 1000) * 10 // 2001 for body in bodies_of(seed, "file_modified")
    )
    sizes = Counter((number * 10) // 2001 for number in range(2001))
    assert fairness(tenths, sizes) >= LEAST_P


@pytest.mark.parametrize("seed", SEEDS)
def test_weights_are_the_shares_of_events(seed):
    mix = {"sudo_command": 1, "mine": 9, "file_modified": 0, "user_login": 30}
    spec = parse_spec({"eventMix": mix, "eventTypes": [{"name": "mine"}]})
    events = EventFactory(spec, seed=seed).make(slots(0, EVENTS))
    seen = Counter((event.event_type, event.action_result) for event in events)
    logins = {("user_login", "FAILURE"): 15, ("user_login", "SUCCESS"): 15}
    assert fairness(seen, {("sudo_command", "SUCCESS"): 1, ("mine", "SUCCESS"): 9, **logins}) >= LEAST_P


def test_without_a_mix_all_seven_weigh_the_same():
    assert weights_of(None) == dict.fromkeys(SEED_TEMPLATES, 1)


@pytest.mark.parametrize(
    "mix, weights",
    [
        ({"user_login": 2}, {"user_login_failure": 1, "user_login_success": 1}),
        ({"user_account_management": 5}, {"user_account_created": 5}),
        ({"user_login": 1, "sudo_command": 1}, {"user_login_failure": 1, "user_login_success": 1, "sudo_command": 2}),
        ({"user_login": 1, "user_login_failure": 1}, {"user_login_failure": 3, "user_login_success": 1}),
        ({"service_status_change": 3, "service_started": 0}, {"service_started": 3, "service_stopped": 3}),
        ({"sudo_command": 4, "file_modified": 0}, {"sudo_command": 4}),
        ({"mine": 1_000_000, "user_login": 1}, {"user_login_failure": 1, "user_login_success": 1, "mine": 2_000_000}),
    ],
)
def test_an_alias_shares_its_weight_evenly_and_exactly(mix, weights):
    found = weights_of(mix)
    ratio = sum(weights.values()) / sum(found.values())
    assert {name: weight * ratio for name, weight in found.items()} == weights


def test_the_order_of_the_mix_changes_nothing():
    # JSON objects have no order: the API server sorts them, a file does not, and both tell the same story.
    names = ["sudo_command", "mine", "user_login", "a_type", "file_modified"]
    event_types = [{"name": "mine"}, {"name": "a_type"}]
    stories = []
    for ordered in (names, sorted(names), sorted(names, reverse=True)):
        spec = parse_spec({"eventMix": dict.fromkeys(ordered, 3), "eventTypes": event_types})
        stories.append([event.event_type for event in EventFactory(spec, seed=4).make(slots(0, 200))])
    assert stories[0] == stories[1] == stories[2]
