"""Which event a broker closes on."""

from types import SimpleNamespace
from typing import cast

from audit_event_operator.brokers.rabbitmq.suspicion import Suspicion
from audit_event_operator.engine.outbox import Parcel


def parcel() -> Parcel:
    return cast(Parcel, SimpleNamespace(settled=False))


def test_one_close_changes_nothing() -> None:
    suspicion = Suspicion()
    assert suspicion.closed([parcel(), parcel()]) is None
    assert not suspicion.one_by_one


def test_after_two_closes_it_goes_one_by_one_until_all_suspects_have_an_outcome() -> None:
    suspicion, suspects = Suspicion(), [parcel(), parcel()]
    suspicion.closed(suspects)
    suspicion.closed(suspects)
    assert suspicion.one_by_one
    suspects[0].settled = True
    assert suspicion.one_by_one
    suspects[1].settled = True
    assert not suspicion.one_by_one
    assert suspicion.closed([parcel()]) is None
    assert not suspicion.one_by_one, "the next one starts from nothing"


def test_the_same_sole_event_twice_more_is_named() -> None:
    suspicion, bad, good = Suspicion(), parcel(), parcel()
    suspicion.closed([bad, good])
    suspicion.closed([bad, good])
    assert suspicion.closed([bad]) is None
    assert suspicion.closed([bad]) is bad


def test_two_different_sole_events_are_not_named() -> None:
    suspicion, one, other = Suspicion(), parcel(), parcel()
    suspicion.closed([one, other])
    suspicion.closed([one, other])
    assert suspicion.closed([one]) is None
    assert suspicion.closed([other]) is None
    assert suspicion.closed([other]) is other


def test_outcomes_of_others_do_not_clear_a_suspect() -> None:
    suspicion, bad = Suspicion(), parcel()
    for _ in range(2):
        innocent = parcel()
        suspicion.closed([innocent, bad])
        innocent.settled = True
    assert suspicion.one_by_one
