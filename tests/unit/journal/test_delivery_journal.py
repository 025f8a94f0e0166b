"""The delivery journal has one line for every outcome, and none of them costs the loop more than a queue entry."""

import json
import logging
from pathlib import Path

from audit_event_operator import journal
from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.ledger import DropReason, Ledger, Outcome, Totals
from audit_event_operator.engine.outbox import EVENT_LIMIT_BYTES, Outbox
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.journal import DeliveryJournal
from support.doubles.events import make_event


def events(count, body=b"{}"):
    return [make_event(f"id-{number}", body) for number in range(count)]


def outbox_of(kept, *, resend=True):
    note = kept.keep(Ref("team-a", "stream"))
    return Outbox(
        Ledger(Totals()), Budget().open("default", "broker"), window=10, resend=resend, wall_ns=lambda: 7, note=note
    )


def lines(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_every_attempt_and_every_drop_has_its_line(tmp_path):
    kept = DeliveryJournal(tmp_path / "journal", wall_ns=lambda: 42)
    outbox = outbox_of(kept)
    outbox.epoch = 1
    outbox.put(events(3))
    first, second = outbox.take(), outbox.take()
    outbox.ack(first)
    outbox.fail(second, Outcome.UNKNOWN)
    outbox.epoch = 2
    again = outbox.take()
    assert again is second
    outbox.fail(again, Outcome.RETURNED)
    outbox.close(DropReason.SHUTDOWN_DEADLINE)
    kept.close()
    told = lines(tmp_path / "journal")
    place = {"time_unix_ns": 42, "generator": "team-a/stream", "message_id": "id-0", "sequence": 1}
    assert told[0] == place | {"epoch": 1, "attempt": 1, "outcome": "ack"}
    assert [(each["message_id"], each["epoch"], each["attempt"], each["outcome"]) for each in told[1:]] == [
        ("id-1", 1, 1, "unknown"),
        ("id-1", 2, 2, "returned"),
        ("id-1", 2, 2, "dropped"),
        ("id-2", 2, 0, "dropped"),
    ]
    assert {each["reason"] for each in told if each["outcome"] == "dropped"} == {"shutdown_deadline"}


def test_what_is_never_sent_again_and_what_is_too_large_is_told_as_dropped(tmp_path):
    kept = DeliveryJournal(tmp_path / "journal")
    outbox = outbox_of(kept, resend=False)
    outbox.put(events(1))
    outbox.fail(outbox.take(), Outcome.NACK)
    outbox.put(events(1, b" " * (EVENT_LIMIT_BYTES + 1)))
    kept.close()
    told = sorted(each.get("reason", each["outcome"]) for each in lines(tmp_path / "journal"))
    assert told == ["nack", "not_confirmed", "oversize"]


def test_a_journal_goes_on_where_the_last_process_ended(tmp_path):
    for _ in range(2):
        kept = DeliveryJournal(tmp_path / "journal")
        outbox = outbox_of(kept)
        outbox.put(events(1))
        outbox.ack(outbox.take())
        kept.close()
    assert len(lines(tmp_path / "journal")) == 2


def test_what_a_slow_disk_cannot_take_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "BACKLOG", 2)
    monkeypatch.setattr(journal, "EVERY_SECONDS", 3600)
    kept = DeliveryJournal(tmp_path / "journal")
    outbox = outbox_of(kept)
    outbox.put(events(5))
    for _ in range(5):
        outbox.ack(outbox.take())
    kept.close()
    assert lines(tmp_path / "journal")[-1] == {"left_out": 3}


def test_a_full_disk_ends_the_journal_and_nothing_else(caplog):
    kept = DeliveryJournal(Path("/dev/full"))
    outbox = outbox_of(kept)
    outbox.put(events(2))
    outbox.ack(outbox.take())
    with caplog.at_level(logging.ERROR):
        kept.close()
    outbox.ack(outbox.take())
    assert outbox.ledger.published == 2
    assert "Cannot write the delivery journal any more" in caplog.text
