"""The delivery report of the fault tests finds each kind of loss; otherwise a green row would mean nothing."""

import json

import pika
import pytest

from support.faults.delivery_report import compare, read_journal
from support.parts.rabbitmq import Message


def message(event_id):
    return Message(pika.BasicProperties(message_id=event_id), b"{}")


def account_of(tmp_path, *entries):
    file = tmp_path / "journal"
    outcomes = {"ack", "nack", "returned", "unknown"}
    with file.open("w") as journal:
        for event_id, what, attempt in entries:
            entry = {"generator": "a/b", "message_id": event_id, "attempt": attempt}
            entry |= {"outcome": what} if what in outcomes else {"outcome": "dropped", "reason": what}
            journal.write(json.dumps(entry) + "\n")
    return read_journal(file)


def test_a_delivery_that_went_well_holds(tmp_path):
    delivery = compare(account_of(tmp_path, ONE, TWO, ("2", "ack", 2)), map(message, "122")).must_hold()
    assert (delivery.published, delivery.copies, delivery.retried) == (2, 1, 1)


ONE = ("1", "ack", 1)
TWO = ("2", "unknown", 1)
FAULTS = {
    "1 published events are not in the queue": ([ONE], "", {"broker_discards": True}),
    "more copies than attempts": ([ONE, TWO, ("2", "unknown", 2), ("2", "ack", 3)], "112", None),
    "in the queue without a reason": (
        [ONE, ("2", "nack", 1), ("2", "shutdown_deadline", 1)],
        "12",
        {"open_at_the_end": 1},
    ),
    "1 events ended twice": ([ONE, ONE], "1", None),
}


@pytest.mark.parametrize("says", FAULTS)
def test_a_delivery_that_went_wrong_is_found_unless_that_is_allowed(tmp_path, says):
    entries, queued, allowed = FAULTS[says]
    delivery = compare(account_of(tmp_path, *entries), map(message, queued))
    with pytest.raises(AssertionError, match=says):
        delivery.must_hold()
    if allowed:
        delivery.must_hold(**allowed)


def test_a_line_that_was_not_finished_is_left_out(tmp_path):
    file = tmp_path / "journal"
    whole = '{"generator": "a/b", "message_id": "1", "attempt": 1, "outcome": "ack"}'
    file.write_text(f"{whole}\n{whole[:30]}")
    assert read_journal(file).published == {"1"}
    assert read_journal(file, "a/other").published == set()
