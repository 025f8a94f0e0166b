"""A list against what was known."""

import pytest

from audit_event_operator.cluster.resources.view import Comparison
from support.doubles.kubernetes import make_resource

NOBODY = frozenset()
STRAY = make_resource("a")


def test_who_ran_and_is_on_no_page_is_gone():
    comparison = Comparison(frozenset({"uid-a", "uid-b", "uid-c"}))
    pages = [comparison.read([make_resource(name)]) for name in "ac"]
    assert comparison.gone == {"uid-b"}
    assert comparison.listed == 2
    assert [each["metadata"]["name"] for page in pages for each in page.living] == ["a", "c"]


def test_who_is_being_deleted_is_gone():
    comparison = Comparison(frozenset({"uid-a"}))
    assert comparison.read([make_resource("a", deleting=True)]).living == []
    assert comparison.gone == {"uid-a"}


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
        comparison = Comparison(NOBODY, strays)
        found = comparison.read(listed)
        strays = comparison.strays
        assert comparison.gone == NOBODY, "who was born after the count is not gone"
    assert found.revived == revived
