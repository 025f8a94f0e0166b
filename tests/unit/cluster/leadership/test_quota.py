"""Which buckets to take and which to give."""

from hypothesis import given
from hypothesis import strategies as st

from audit_event_operator.cluster.leadership.buckets import BUCKETS
from audit_event_operator.cluster.leadership.lease import BucketRecord
from audit_event_operator.cluster.leadership.quota import plan
from audit_event_operator.cluster.leadership.roster import Look

PATIENCE = 4.0


def look_at(holders, members, *, free_seconds=0.0):
    return Look(
        members=frozenset(members),
        holders=holders,
        free_seconds={bucket: free_seconds for bucket, holder in holders.items() if not holder},
        buckets=dict.fromkeys(range(BUCKETS), BucketRecord()),
        company=len(members) > 1,
        next_death=None,
        buried={},
    )


def owned_by(*holders):
    """Bucket 0 is of the first one, and so on; the rest is free."""
    return dict.fromkeys(range(BUCKETS), "") | dict(enumerate(holders))


@st.composite
def distributions(draw):
    """Who holds what, between one member and more members than buckets."""
    members = [f"m{number:02}" for number in range(draw(st.integers(1, 20)))]
    return members, {bucket: draw(st.sampled_from(["", *members])) for bucket in range(BUCKETS)}


@given(distributions())
def test_from_any_distribution_the_plans_lead_to_fair_shares_with_nothing_free_in_as_many_looks_as_members(scene):
    members, holders = scene
    for _ in range(len(members)):
        for who in members:  # each acts on a look of its own, one after the other
            todo = plan(who, look_at(holders, members), PATIENCE)
            assert not set(todo.give) - {bucket for bucket, holder in holders.items() if holder == who}
            assert all(holders[bucket] == "" for bucket in todo.take), "nobody takes from the living"
            holders = holders | dict.fromkeys(todo.give, "") | dict.fromkeys(todo.take, who)
    counts = [sum(holder == who for holder in holders.values()) for who in members]
    assert "" not in holders.values()
    assert max(counts) - min(counts) <= 1
    for who in members:
        assert plan(who, look_at(holders, members), PATIENCE) == ([], [], False), "and there it stays"


@given(distributions())
def test_nobody_gives_what_it_must_take_back(scene):
    members, holders = scene
    for who in members:
        todo = plan(who, look_at(holders, members), PATIENCE)
        assert not (todo.give and todo.take)


def test_a_lone_member_takes_everything():
    assert sorted(plan("a", look_at(owned_by(), "a"), PATIENCE).take) == list(range(BUCKETS))


def test_two_that_look_at_the_same_time_begin_at_different_places():
    takes = [plan(who, look_at(owned_by(), "ab"), PATIENCE).take for who in "ab"]
    assert not set(takes[0]) & set(takes[1])


def test_what_stays_free_anybody_takes():
    holders = owned_by(*"aaaaaaaabbbbbbb")
    assert plan("a", look_at(holders, "ab"), PATIENCE).take == []
    assert plan("a", look_at(holders, "ab", free_seconds=PATIENCE), PATIENCE).take == [15]


def test_who_has_too_few_waits_for_what_others_are_about_to_give():
    holders = owned_by(*"a" * BUCKETS)
    assert plan("b", look_at(holders, "ab"), PATIENCE) == ([], [], True)
    assert len(plan("a", look_at(holders, "ab"), PATIENCE).give) == 8


def test_what_is_being_given_already_counts_as_given():
    holders = owned_by(*"a" * BUCKETS)
    assert plan("a", look_at(holders, "ab"), PATIENCE, giving=range(8)).give == []


def test_members_beyond_sixteen_have_nothing_to_do():
    members = [f"m{number:02}" for number in range(20)]
    holders = owned_by(*members[:BUCKETS])
    for who in members:
        assert plan(who, look_at(holders, members), PATIENCE) == ([], [], False)
