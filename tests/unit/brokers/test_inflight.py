"""Delivery tags and parcels, beside a plain dictionary that knows the same."""

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from audit_event_operator.brokers.rabbitmq.inflight import InFlight


def parcels(count):
    return [SimpleNamespace() for _ in range(count)]


step = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("ab"), st.integers(1, 5)),
    st.tuples(st.just("settle"), st.integers(0, 30), st.booleans()),
    st.tuples(st.just("abandon"), st.sampled_from("ab"), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(step, max_size=25))
def test_it_agrees_with_a_dictionary(steps):
    flight = InFlight()
    model = {}
    tag = 0
    for name, one, other in steps:
        if name == "add":
            new = parcels(other)
            flight.add(one, new, float(tag))
            for parcel in new:
                tag += 1
                model[tag] = (one, parcel)
        elif name == "settle":
            known = [each for each in model if (each <= one or one == 0 if other else each == one)]
            expected = [model.pop(each) for each in sorted(known)]
            got = [(owner, parcel) for owner, _, settled in flight.settle(one, multiple=other) for parcel in settled]
            assert got == expected
        else:
            expected_parcels = [parcel for _, (owner, parcel) in sorted(model.items()) if owner == one]
            model = {each: value for each, value in model.items() if value[0] != one}
            assert flight.abandon(one) == expected_parcels
        assert flight.empty == (not model)
    left = [(owner, parcel) for owner, some in flight.take_all() for parcel in some]
    assert left == [model[each] for each in sorted(model)]
    assert flight.empty


def test_the_oldest_is_the_oldest_open_one_and_moves_with_the_clock():
    flight = InFlight()
    assert flight.oldest is None
    flight.add("a", parcels(2), 10.0)
    flight.add("a", parcels(1), 20.0)
    flight.settle(1, multiple=False)
    assert flight.oldest == 10.0
    flight.settle(2, multiple=False)
    assert flight.oldest == 20.0
    flight.shift(5.0)
    assert flight.oldest == 25.0


def test_an_answer_in_the_middle_keeps_the_front_open():
    flight = InFlight()
    some = parcels(4)
    flight.add("a", some, 1.0)
    assert flight.settle(3, multiple=False) == [("a", 1.0, [some[2]])]
    assert flight.settle(3, multiple=False) == []
    assert flight.settle(4, multiple=True) == [("a", 1.0, [some[0], some[1], some[3]])]
    assert flight.settle(99, multiple=True) == []
