"""The delivery report of the fault tests finds each kind of loss; otherwise a green row would mean nothing."""

import json

import pika
import pytest

from support.faults.delivery_report import compare, read_journal
from support.parts.rabbitmq import Message


def message(event_id):
    return Message(pika.BasicProperties(message_id=event_id), b"{}")


def account_of(tmp_path, *entries):
    """(message id, outcome or reason of a drop, attempt)."""
    file = tmp_path / "journal"
    outcomes = {"ack", "nack", "returned", "unknown"}
    with file.open("w") as journal:
        for event_id, what, attempt in entries:
            entry = {"generator": "a/b", "message_id": event_id, "attempt": attempt}
            entry |= {"outcome": what} if what in outcomes else {"outcome": "dropped", "reason": what}
            journal.write(json.dumps(entry) + "\n")
    return read_journal(file)


def test_a_delivery_that_went_well_holds(tmp_path):
    account = account_of(tmp_path, ("1", "ack", 1), ("2", "unknown", 1), ("2", "ack", 2))
    delivery = compare(account, [message("1"), message("2"), message("2")]).must_hold()
    assert (delivery.published, delivery.copies, delivery.retried) == (2, 1, 1)


def test_a_published_event_that_is_not_in_the_queue_is_found(tmp_path):
    delivery = compare(account_of(tmp_path, ("1", "ack", 1)), [])
    with pytest.raises(AssertionError, match="1 published events are not in the queue"):
        delivery.must_hold()
    delivery.must_hold(broker_discards=True)


def test_a_copy_of_an_event_that_was_sent_once_is_found(tmp_path):
    account = account_of(tmp_path, ("1", "ack", 1), ("2", "unknown", 1), ("2", "unknown", 2), ("2", "ack", 3))
    with pytest.raises(AssertionError, match="more copies than attempts"):
        compare(account, [message("1"), message("1"), message("2")]).must_hold()


def test_an_event_in_the_queue_that_nobody_counted_is_found(tmp_path):
    account = account_of(tmp_path, ("1", "ack", 1), ("2", "nack", 1), ("2", "shutdown_deadline", 1))
    with pytest.raises(AssertionError, match="in the queue without a reason"):
        compare(account, [message("1"), message("2")]).must_hold()
    compare(account, [message("1"), message("2")]).must_hold(open_at_the_end=1)


def test_an_event_that_ends_twice_is_found(tmp_path):
    with pytest.raises(AssertionError, match="1 events ended twice"):
        compare(account_of(tmp_path, ("1", "ack", 1), ("1", "ack", 1)), [message("1")]).must_hold()


def test_a_line_that_was_not_finished_is_left_out(tmp_path):
    file = tmp_path / "journal"
    file.write_text(
        '{"generator": "a/b", "message_id": "1", "attempt": 1, "outcome": "ack"}\n{"generator": "a/b", "mess'
    )
    assert read_journal(file).published == {"1"}
    assert read_journal(file, "a/other").published == set()
