"""Who is there and who holds what, as one reader sees it over time."""

import pytest

from audit_event_operator.cluster.leadership.buckets import BUCKETS
from audit_event_operator.cluster.leadership.lease import BucketRecord, LeaseTiming, MemberRecord
from audit_event_operator.cluster.leadership.roster import Roster

FREE = dict.fromkeys(range(BUCKETS), BucketRecord(version="1"))


def member(who, sign, *, stays=True):
    return MemberRecord(who, stays, sign, "1")


def held(bucket, who):
    return FREE | {bucket: BucketRecord(who, 1, "1")}


@pytest.fixture
def look():
    """What "me" sees: of the others, one sign each; a look takes `seconds`."""
    roster = Roster("me", LeaseTiming())

    def look(at, members=(), buckets=FREE, *, seconds=0.0):
        return roster.look(members, buckets, at, at + seconds)

    return look


def watch(look, begin, end, *others, buckets=FREE):
    """Look every two seconds; returns what the last look saw."""
    for at in range(begin, end + 1, 2):
        seen = look(at, others, buckets)
    return seen


def test_the_reader_is_always_there(look):
    assert look(0).members == {"me"}
    assert not look(0).company


def test_a_member_lives_while_its_lease_changes(look):
    for at in range(0, 60, 2):
        assert look(at, [member("b", str(at))], held(0, "b")).holders[0] == "b"


def test_a_bucket_is_free_once_its_holder_has_not_changed_its_lease_for_as_long_as_that_counts(look):
    assert watch(look, 0, 8, member("b", "x"), buckets=held(0, "b")).holders[0] == "b"
    dead = look(10, [member("b", "x")], held(0, "b"))
    assert (dead.holders[0], dead.members, dead.company) == ("", {"me"}, False)


def test_slow_answers_only_make_others_wait_longer(look):
    look(0, [member("b", "x")], held(0, "b"), seconds=4)
    assert watch(look, 2, 12, member("b", "x"), buckets=held(0, "b")).holders[0] == "b"
    assert look(14, [member("b", "x")], held(0, "b")).holders[0] == ""


def test_who_did_not_watch_for_a_while_starts_to_count_again(look):
    look(0, [member("b", "x")], held(0, "b"))
    assert look(30, [member("b", "x")], held(0, "b")).holders[0] == "b"


def test_a_holder_without_a_lease_of_its_own_is_judged_as_one_that_does_not_renew(look):
    assert watch(look, 0, 8, buckets=held(0, "b")).holders[0] == "b"
    assert look(10, [], held(0, "b")).holders[0] == ""


def test_who_is_about_to_leave_is_company_and_holds_but_is_no_member(look):
    seen = look(0, [member("b", "x", stays=False)], held(0, "b"))
    assert (seen.members, seen.holders[0], seen.company) == ({"me"}, "b", True)


def test_a_deleted_bucket_lease_stays_with_its_holder_for_as_long_as_a_lease_counts(look):
    look(0, [member("b", "0")], held(0, "b"))
    gone = FREE | {0: BucketRecord()}
    for at in range(2, 10, 2):
        assert look(at, [member("b", str(at))], gone).holders[0] == "b"
    assert look(10, [member("b", "10")], gone).holders[0] == ""


def test_how_long_a_bucket_has_been_free_is_counted_from_the_first_sight(look):
    assert look(0).free_seconds[0] == 0
    assert look(2).free_seconds[0] == 2
    assert 0 not in look(4, [member("b", "x")], held(0, "b")).free_seconds
    assert look(6).free_seconds[0] == 0


def test_it_tells_when_the_next_holder_dies(look):
    assert look(0).next_death is None
    assert look(2, [member("b", "x")], held(0, "b"), seconds=0.5).next_death == 12.5


def test_the_lease_of_a_member_that_died_long_ago_may_be_buried(look):
    assert not watch(look, 0, 58, member("b", "x")).buried
    assert look(60, [member("b", "x")]).buried.keys() == {"b"}
