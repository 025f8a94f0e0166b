"""Whose turn it is."""

import pytest

from audit_event_operator.cluster.status.work_queue import WorkQueue


@pytest.fixture
def work_queue():
    return WorkQueue(30)


def test_changes_come_in_the_order_they_happened_and_once_each(work_queue):
    for uid in ("a", "b", "a"):
        work_queue.mark(uid, 0)
    assert [work_queue.take_urgent(), work_queue.take_urgent(), work_queue.take_urgent()] == ["a", "b", None]


def test_counters_are_due_a_period_after_the_last_look(work_queue):
    work_queue.mark("a", 0)
    work_queue.rest("a", 10)
    assert work_queue.next_due() == 40
    assert work_queue.take_due(39) is None
    assert work_queue.take_due(40) == "a"
    assert work_queue.take_due(100) is None
    work_queue.rest("a", 100)
    assert work_queue.take_due(130) == "a"


def test_the_longest_waiting_comes_first(work_queue):
    for at, uid in enumerate(("a", "b", "c")):
        work_queue.mark(uid, at)
    work_queue.rest("a", 5)
    assert [work_queue.take_due(99), work_queue.take_due(99), work_queue.take_due(99)] == ["b", "c", "a"]


def test_who_is_gone_is_never_due(work_queue):
    work_queue.mark("a", 0)
    work_queue.forget("a")
    assert not work_queue.urgent
    assert work_queue.next_due() is None
