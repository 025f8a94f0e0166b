"""Sessions of a stream: each violation is found, and the same story without it is silent."""

import pytest

from support.judges.consistency import ConsistencyChecker
from support.judges.samples import checked, event, finds, login


def sudo(at, session="s", **facts):
    return event(at, "sudo_command SUCCESS", session_id=session, **facts)


def logout(at, session="s", **facts):
    return event(at, "user_logout SUCCESS", session_id=session, **facts)


def test_a_session_that_is_opened_used_and_closed_is_in_order():
    assert checked(login(0), sudo(1), sudo(2), logout(3), login(4, "t"), event(5, "sudo_command SUCCESS")) == []


def test_a_session_that_was_never_opened_is_found():
    assert finds(checked(sudo(0)), "never opened")
    assert finds(checked(event(0, session_id="s"), sudo(1)), "never opened", "never opened")


def test_a_session_that_goes_on_after_its_logout_is_found():
    assert finds(checked(login(0), logout(1), sudo(2)), "not open any more")
    assert finds(checked(login(0), logout(1), logout(2)), "not open any more")


def test_a_logout_without_a_session_is_found_and_other_events_need_one_on_demand():
    assert finds(checked(event(0, "user_logout SUCCESS")), "no session id")
    assert finds(checked(event(0, "sudo_command SUCCESS"), needing=["sudo_command"]), "no session id")


@pytest.mark.parametrize("other", [{"host": "db"}, {"address": "198.51.100.8"}, {"address": None}])
def test_a_session_that_changes_its_host_or_address_is_found(other):
    assert finds(checked(login(0), sudo(1, **other), logout(2)), "goes on with session s of alice on web")


def test_a_session_that_changes_its_user_is_found_and_so_is_the_address_of_two_users():
    assert finds(checked(login(0), sudo(1, user="bob"), logout(2)), "goes on with session", "has the address")


@pytest.mark.parametrize("between", [[], [logout(1)]])
def test_a_session_that_is_opened_twice_is_found(between):
    assert finds(checked(login(0), *between, login(2)), "second time")


@pytest.mark.parametrize("opened_before", [False, True])
def test_nothing_of_an_earlier_session_goes_on_after_a_restart(opened_before):
    after = sudo(2)
    assert finds(
        checked(login(0), sudo(1), after, restart_before=after, opened_before=opened_before), "not open any more"
    )
    fresh = login(2, "t")
    assert checked(login(0), fresh, sudo(3, "t"), restart_before=fresh) == []


def test_sessions_may_count_as_opened_before_but_stay_with_their_user_and_end_with_their_logout():
    assert checked(sudo(0), sudo(1), logout(2), opened_before=True) == []
    assert finds(checked(sudo(0), sudo(1, host="db"), opened_before=True), "goes on with session")
    assert finds(checked(sudo(0), logout(1), sudo(2), opened_before=True), "not open any more")


def test_more_open_sessions_than_the_target_are_found():
    assert checked(login(0, "s"), login(1, "t"), logout(2, "t"), login(3, "u"), target=2) == []
    assert finds(checked(login(0, "s"), login(1, "t"), login(2, "u"), target=2), "3 sessions are open")
    checker = ConsistencyChecker()
    for seen in (login(0, "s"), login(1, "t"), logout(2, "s")):
        checker.feed(seen)
    assert checker.open_sessions == 1


def test_only_the_first_hundred_violations_are_kept_and_all_are_counted():
    checker = ConsistencyChecker()
    for at in range(150):
        assert len(checker.feed(sudo(at))) == 1
    assert (len(checker.violations), checker.violation_count) == (100, 150)
