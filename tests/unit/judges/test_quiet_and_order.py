"""Quiet and the order of things: each violation is found, and the same story without it is silent. And how failures go on."""

import pytest

from support.judges.consistency import ConsistencyChecker
from support.judges.samples import START, checked, event, finds, login

WINDOW = 1_860
CREATED, DELETED = "user_account_management CREATED", "user_account_management DELETED"


def test_a_user_who_fails_twice_in_one_window_is_found():
    assert finds(checked(event(0), event(WINDOW - 0.000001)), "failed to log in twice")
    assert finds(checked(event(0), event(WINDOW), event(WINDOW + 1)), "failed to log in twice")


def test_a_failure_that_comes_late_counts_in_the_window_of_its_time():
    bob = event(WINDOW, user="bob", address="198.51.100.8")
    assert finds(checked(event(WINDOW - 2), bob, event(WINDOW - 1)), "failed to log in twice")


def test_failures_in_two_windows_or_of_two_users_are_in_order():
    assert checked(event(WINDOW - 0.000001), event(WINDOW), event(WINDOW, user="bob", address="198.51.100.8")) == []


def test_a_failure_in_the_window_of_a_restart_is_found():
    success, soon, later = event(5, "user_login SUCCESS"), event(WINDOW - 0.000001), event(WINDOW)
    assert finds(checked(success, soon, restart_before=success), "window of a restart")
    assert finds(checked(soon, restart_before=soon), "window of a restart")
    assert checked(success, later, restart_before=success) == []


def test_the_time_of_a_restart_may_be_told():
    for at, violations in ((0, 0), (WINDOW, 1)):
        checker = ConsistencyChecker()
        checker.restart(START.timestamp() + at)
        assert len(checker.feed(event(WINDOW))) == violations


def test_an_address_of_two_users_is_found():
    others = event(1, "sudo_command SUCCESS", user="bob")
    assert finds(checked(event(0, "sudo_command SUCCESS"), others), "bob has the address 198.51.100.7 of alice")
    assert checked(login(0, "s"), login(1, "t", address="198.51.100.8"), login(2, "u")) == []


def test_a_modified_sensitive_file_is_found():
    assert finds(checked(event(0, "file_modified MODIFIED", resource="/etc/shadow")), "sensitive /etc/shadow")
    assert checked(event(0, "file_modified MODIFIED", resource="/var/www/html/index.php")) == []


def service(at, result, **facts):
    return event(at, f"service_status_change {result}", resource="nginx.service", **facts)


@pytest.mark.parametrize("down", ["STOPPED", "FAILED"])
def test_a_service_that_was_down_may_start_once(down):
    assert checked(service(0, down), service(1, "STARTED"), service(2, down), service(3, "STARTED")) == []
    assert finds(checked(service(0, down), service(1, "STARTED"), service(2, "STARTED")), "without having stopped")


def test_a_service_that_was_down_on_another_host_only_is_found():
    assert finds(checked(service(0, "STARTED")), "without having stopped")
    assert finds(checked(service(0, "STOPPED", host="db"), service(1, "STARTED")), "without having stopped")


def test_a_new_account_logs_in_a_minute_later_at_the_earliest():
    created = event(0, CREATED, resource="new")
    mine = {"user": "new", "address": "198.51.100.8"}
    assert checked(created, login(60, **mine)) == []
    assert finds(checked(created, login(59.999999, **mine)), "less than 60 s")
    assert checked(created, event(1, **mine)) == [], "a failure is no login"


def test_a_deleted_account_that_logs_in_is_found():
    deleted = event(1, DELETED, resource="new")
    assert finds(checked(deleted, login(9_000, user="new", address="198.51.100.8")), "after having been deleted")
    assert checked(login(0, user="new", address="198.51.100.8"), deleted) == []


def test_a_name_that_is_created_twice_is_found():
    assert finds(checked(*(event(at, CREATED, resource="new") for at in (0, 1))), "created a second time")
    assert checked(*(event(at, CREATED, resource=f"new-{at}") for at in (0, 1))) == []


def followed(*events, **options):
    checker = ConsistencyChecker(**options)
    for seen in events:
        checker.feed(seen)
    return checker.failures, checker.followed_percent


def test_a_failure_is_followed_by_a_success_of_the_same_user_host_and_address():
    one_of_four = [event(at, user=user, address=user) for at, user in enumerate("abcd")]
    successes = [
        login(5, "1", user="a", address="a"),
        login(6, "2", user="b", address="b", host="db"),
        login(7, "3", user="c", address="x"),
    ]
    assert followed(*one_of_four, *successes) == (4, 25.0)
    assert followed(login(0), event(1)) == (1, 0.0), "the success came first"
    assert followed(event(0), event(WINDOW), login(WINDOW + 1)) == (2, 50.0), "one success follows one failure"
    assert followed(event(0), login(1, "s"), login(2, "t")) == (1, 100.0), "and no failure has two successes"
    assert followed() == (0, 0.0)


@pytest.mark.parametrize(("after", "percent"), [(24, 100.0), (24.000001, 0.0)])
def test_what_comes_too_late_is_no_follow_up(after, percent):
    assert followed(event(0), login(after), follow_up_within_seconds=24) == (1, percent)
    assert followed(event(0), login(after)) == (1, 100.0)
