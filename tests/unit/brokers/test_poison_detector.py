"""Which event a broker closes on."""

from types import SimpleNamespace

from audit_event_operator.brokers.rabbitmq.poison_detector import PoisonDetector


def parcel():
    return SimpleNamespace(settled=False)


def after_two_closes():
    poison_detector, suspects = PoisonDetector(), [parcel(), parcel()]
    poison_detector.closed(suspects)
    poison_detector.closed(suspects)
    return poison_detector, suspects


def test_one_close_changes_nothing():
    poison_detector = PoisonDetector()
    assert poison_detector.closed([parcel(), parcel()]) is None
    assert not poison_detector.one_by_one


def test_after_two_closes_it_goes_one_by_one_until_all_suspects_have_an_outcome():
    poison_detector, suspects = after_two_closes()
    assert poison_detector.one_by_one
    suspects[0].settled = True
    assert poison_detector.one_by_one
    suspects[1].settled = True
    assert not poison_detector.one_by_one
    assert poison_detector.closed([parcel()]) is None
    assert not poison_detector.one_by_one, "the next one starts from nothing"


def test_the_same_sole_event_twice_more_is_named():
    poison_detector, (bad, _) = after_two_closes()
    assert poison_detector.closed([bad]) is None
    assert poison_detector.closed([bad]) is bad


def test_two_different_sole_events_are_not_named():
    poison_detector, (one, other) = after_two_closes()
    assert poison_detector.closed([one]) is None
    assert poison_detector.closed([other]) is None
    assert poison_detector.closed([other]) is other


def test_outcomes_of_others_do_not_clear_a_suspect():
    poison_detector, bad = PoisonDetector(), parcel()
    for _ in range(2):
        innocent = parcel()
        poison_detector.closed([innocent, bad])
        innocent.settled = True
    assert poison_detector.one_by_one
