"""A list against what was known."""

from audit_event_operator.cluster.resources.view import compare
from support.doubles.kubernetes import make_resource

NOBODY = frozenset()


def test_who_ran_and_is_not_listed_is_gone():
    found = compare(frozenset({"uid-a", "uid-b"}), [make_resource("a")], NOBODY)
    assert found.gone == {"uid-b"}
    assert [each["metadata"]["name"] for each in found.living] == ["a"]


def test_who_is_being_deleted_is_gone():
    assert compare(frozenset({"uid-a"}), [make_resource("a", deleting=True)], NOBODY).gone == {"uid-a"}


def test_a_stray_is_started_when_it_is_there_twice_in_a_row():
    first = compare(NOBODY, [make_resource("a")], NOBODY)
    assert (first.strays, first.revived) == ({"uid-a"}, [])
    second = compare(NOBODY, [make_resource("a")], first.strays)
    assert [each["metadata"]["name"] for each in second.revived] == ["a"]


def test_a_stray_that_went_meanwhile_is_not_started():
    first = compare(NOBODY, [make_resource("a")], NOBODY)
    second = compare(NOBODY, [], first.strays)
    third = compare(NOBODY, [make_resource("a")], second.strays)
    assert third.revived == []


def test_who_was_born_after_the_count_is_not_gone():
    assert compare(frozenset(), [], NOBODY).gone == frozenset()
