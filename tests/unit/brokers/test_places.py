"""Nobody can take all places: not a namespace, and not a broker of a namespace."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.brokers.rabbitmq.places import Places


@pytest.fixture
async def places():
    return Places(40)


def take(places, count, namespace, broker="mute"):
    """So many claims; the ones that were granted, and the ones that wait."""
    claims = [places.claim(namespace, broker) for _ in range(count)]
    return [each for each in claims if each.granted.done()], [each for each in claims if not each.granted.done()]


async def test_one_broker_gets_a_third_and_another_one_of_the_namespace_still_finds_a_place(places):
    granted, waiting = take(places, 100, "a")
    assert (len(granted), len(waiting)) == (14, 86)
    assert take(places, 1, "a", "another")[0]


async def test_a_namespace_with_one_wish_is_served_beside_five_that_want_everything(places):
    for number in range(5):
        take(places, 100, f"greedy-{number}")
    assert take(places, 1, "b")[0]


async def test_what_becomes_free_goes_to_who_holds_least_in_order():
    places = Places(3)
    (first, *_), (late, later) = take(places, 3, "a")
    (other,), _ = take(places, 1, "b")
    take(places, 1, "c")
    _, (waiting,) = take(places, 1, "d")
    places.release(other)
    assert (waiting.granted.done(), late.granted.done()) == (True, False)
    places.release(first)
    assert (late.granted.done(), later.granted.done()) == (True, False)


async def test_a_namespace_never_has_more_than_its_bound():
    places = Places(1_000, per_namespace=2)
    (first, _), (third,) = take(places, 3, "a")
    assert places.held("a") == 2
    places.release(first)
    assert third.granted.done()


@settings(max_examples=200, deadline=None)
@given(st.data())
async def test_whatever_is_claimed_and_released_the_places_are_enough(data):
    total = data.draw(st.integers(1, 12))
    places, claims = Places(total, data.draw(st.none() | st.integers(1, 4))), []
    for _ in range(data.draw(st.integers(1, 40))):
        if claims and data.draw(st.booleans()):
            claim = claims.pop(data.draw(st.integers(0, len(claims) - 1)))
            places.release(claim)
            places.release(claim)
        else:
            claims.append(places.claim(data.draw(st.sampled_from("abc")), data.draw(st.sampled_from("xy"))))
        held = [claim for claim in claims if claim.granted.done()]
        assert len(held) <= total
        assert places.held("a") == sum(claim.key[0] == "a" for claim in held)
        waiting = {claim.key[0] for claim in claims} - {claim.key[0] for claim in held}
        assert not waiting or len(held) == total, "nobody waits without a place while there is one"
    for claim in claims:
        places.release(claim)
    assert not any(places.held(each) for each in "abc")
