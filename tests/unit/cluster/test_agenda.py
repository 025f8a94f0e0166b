"""Whose turn it is, and how fast."""

from audit_event_operator.cluster.agenda import Agenda
from audit_event_operator.cluster.limiter import Limiter


def test_changes_come_in_the_order_they_happened_and_once_each():
    agenda = Agenda(30)
    for uid in ("a", "b", "a"):
        agenda.mark(uid, 0)
    assert [agenda.take_urgent(), agenda.take_urgent(), agenda.take_urgent()] == ["a", "b", None]


def test_counters_are_due_a_period_after_the_last_look():
    agenda = Agenda(30)
    agenda.mark("a", 0)
    agenda.rest("a", 10)
    assert agenda.next_due() == 40
    assert agenda.take_due(39) is None
    assert agenda.take_due(40) == "a"
    assert agenda.take_due(100) is None
    agenda.rest("a", 100)
    assert agenda.take_due(130) == "a"


def test_the_longest_waiting_comes_first():
    agenda = Agenda(30)
    for at, uid in enumerate(("a", "b", "c")):
        agenda.mark(uid, at)
    agenda.rest("a", 5)
    assert [agenda.take_due(99), agenda.take_due(99), agenda.take_due(99)] == ["b", "c", "a"]


def test_who_is_gone_is_never_due():
    agenda = Agenda(30)
    agenda.mark("a", 0)
    agenda.forget("a")
    assert not agenda.urgent
    assert agenda.next_due() is None
    assert "a" not in agenda


def test_a_limiter_allows_a_burst_and_then_its_rate():
    limiter = Limiter(10, burst=3)
    assert [limiter.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert abs(limiter.wait_seconds(0.0) - 0.1) < 1e-9
    assert limiter.take(0.11)
    assert not limiter.take(0.11)


def test_a_limiter_does_not_save_more_than_its_burst():
    limiter = Limiter(10, burst=2)
    assert limiter.take(0.0)
    assert [limiter.take(1000.0) for _ in range(3)] == [True, True, False]
