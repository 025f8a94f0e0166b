"""The platform's two rules, exactly at their thresholds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.judges.platform import SENSITIVE_PATHS, Alert, PlatformRules
from support.judges.samples import event, failures, raised

BURST = Alert("ANLY-SEC-001", "alice", "web")


def test_two_failures_raise_nothing_and_each_from_the_third_on_alerts():
    assert raised(PlatformRules(), failures(2, within=1)) == []
    assert raised(PlatformRules(), failures(7, within=10)) == [BURST] * 5


@pytest.mark.parametrize(("within", "alerts"), [(59.999999, [BURST]), (60, [])])
def test_three_failures_alert_only_if_less_than_60_seconds_lie_between_them(within, alerts):
    assert raised(PlatformRules(), failures(3, within=within)) == alerts


def test_a_repeated_event_id_counts_once():
    again = [event(at, event_id="same") for at in (0, 1, 2, 3)]
    assert raised(PlatformRules(), [*again, event(4)]) == []
    assert raised(PlatformRules(), [*again, event(4), event(5)]) == [BURST]


@pytest.mark.parametrize(
    "facts", [{"user": "bob"}, {"host": "db"}, {"kind": "user_login SUCCESS"}, {"kind": "su FAILURE"}]
)
def test_only_failed_logins_of_one_user_on_one_host_count(facts):
    assert raised(PlatformRules(), [event(0), event(1, **facts), event(2)]) == []


@pytest.mark.parametrize("path", [*SENSITIVE_PATHS, "/backup/etc/passwd.bak"])
def test_a_modified_sensitive_file_alerts_each_time(path):
    modified = [event(at, "file_modified MODIFIED", resource=path) for at in (0, 1)]
    assert raised(PlatformRules(), modified) == [Alert("ANLY-SEC-002", "alice", "web")] * 2


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("file_modified MODIFIED", "/etc/passw"),
        ("file_modified MODIFIED", None),
        ("file_modified FAILURE", "/etc/passwd"),
        ("file_read MODIFIED", "/etc/passwd"),
    ],
)
def test_other_files_and_other_things_done_to_a_file_raise_nothing(kind, path):
    assert raised(PlatformRules(), [event(0, kind, resource=path)]) == []


def test_only_the_failures_of_one_window_are_remembered():
    rules = PlatformRules()
    raised(rules, (event(at, user=f"user-{at}") for at in range(1_000)))
    assert len(rules) == 60


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5), st.sampled_from("ab")), max_size=40))
def test_any_stream_of_failures_is_counted_as_the_rule_says(steps):
    rules, at, latest = PlatformRules(), 0, {}
    for gap, event_id, user in steps:
        at += gap
        latest[user, event_id] = at
        in_window = sum(who == user and time > at - 60 for (who, _), time in latest.items())
        alerts = rules.feed(event(at, user=user, event_id=str(event_id)))
        assert [alert.user for alert in alerts] == [user] * (in_window >= 3)
