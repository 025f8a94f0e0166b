"""A list against what was known."""

import pytest

from audit_event_operator.cluster.resources.view import compare
from support.doubles.kubernetes import make_resource

NOBODY = frozenset()
STRAY = make_resource("a")


def test_who_ran_and_is_not_listed_is_gone():
    found = compare(frozenset({"uid-a", "uid-b"}), [make_resource("a")], NOBODY)
    assert found.gone == {"uid-b"}
    assert [each["metadata"]["name"] for each in found.living] == ["a"]


def test_who_is_being_deleted_is_gone():
    assert compare(frozenset({"uid-a"}), [make_resource("a", deleting=True)], NOBODY).gone == {"uid-a"}


@pytest.mark.parametrize(
    ("lists", "revived"),
    [
        pytest.param([[STRAY], [STRAY]], [STRAY], id="it is started when it is there twice in a row"),
        pytest.param([[STRAY]], [], id="and not before"),
        pytest.param([[STRAY], [], [STRAY]], [], id="nor when it went meanwhile"),
    ],
)
def test_a_stray(lists, revived):
    strays = NOBODY
    for listed in lists:
        found = compare(NOBODY, listed, strays)
        strays = found.strays
        assert found.gone == NOBODY, "who was born after the count is not gone"
    assert found.revived == revived
