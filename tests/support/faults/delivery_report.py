"""Compares the delivery journal (what the operator says became of each event) with what is in the queues.

The four rules of every fault: a published event is in its queue; copies are of events that were sent again; what is in a queue
and does not count as published had an attempt with an unknown outcome; each event ends once. Knows no fault.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.parts.rabbitmq import Message


@dataclass
class Account:
    """What a journal says, by message id."""

    published: set[str] = field(default_factory=set)
    attempts: Counter[str] = field(default_factory=Counter)
    """The number of the last attempt whose outcome is known."""
    unknown: set[str] = field(default_factory=set)
    dropped: dict[str, str] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    ended_twice: list[str] = field(default_factory=list)
    left_out: int = 0
    generators: dict[str, str] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """How many events are published or dropped."""
        return len(self.published) + len(self.dropped)


def read_journal(file: Path, generator: str | None = None) -> Account:
    """What became of the events of one generator (`namespace/name`), or of all.

    A last line that was not written to its end (the process was killed) is left out.
    """
    account = Account()
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            continue
        entry = json.loads(line)
        if "left_out" in entry:
            account.left_out += entry["left_out"]
        elif generator in (None, entry["generator"]):
            _take_in(account, entry)
    return account


def _take_in(account: Account, entry: Mapping[str, object]) -> None:
    event_id, outcome = str(entry["message_id"]), str(entry["outcome"])
    account.generators[event_id] = str(entry["generator"])
    if outcome != "dropped":
        account.attempts[event_id] = max(account.attempts[event_id], int(str(entry["attempt"])))
        account.outcomes[outcome] += 1
    if outcome in ("ack", "dropped") and (event_id in account.published or event_id in account.dropped):
        account.ended_twice.append(event_id)
    if outcome == "ack":
        account.published.add(event_id)
    elif outcome == "unknown":
        account.unknown.add(event_id)
    elif outcome == "dropped":
        account.dropped[event_id] = str(entry["reason"])
        account.outcomes[f"dropped ({entry['reason']})"] += 1


@dataclass(frozen=True)
class DeliveryReport:
    """The comparison in numbers; `missing`, `surplus` and `unexplained` are what must not be."""

    published: int
    in_queue: int
    missing: frozenset[str]
    """Published and not in the queue."""
    surplus: frozenset[str]
    """More copies in the queue than attempts that could have left one."""
    unexplained: frozenset[str]
    """In the queue, not published, and no attempt of unknown outcome."""
    copies: int
    """Messages beyond the first of each id."""
    retried: int
    """Attempts beyond the first."""
    uncounted: int
    """Ids in the queue that do not count as published."""
    unknown: int
    ended_twice: int

    def must_hold(self, *, broker_discards: bool = False, open_at_the_end: int = 0) -> "DeliveryReport":
        """Raise AssertionError unless all rules hold.

        Args:
            broker_discards: the broker was made to throw confirmed messages away (queue deleted, drop-head).
            open_at_the_end: events that may have been in flight, or whose lines were not written, when the process was killed.
        """
        assert broker_discards or not self.missing, f"{len(self.missing)} published events are not in the queue: {self}"
        assert not self.ended_twice, f"{self.ended_twice} events ended twice: {self}"
        assert len(self.unexplained) <= open_at_the_end, f"in the queue without a reason: {self}"
        assert len(self.surplus) <= open_at_the_end, f"more copies than attempts: {self}"
        assert self.copies <= self.retried + open_at_the_end, str(self)
        return self

    def __str__(self) -> str:
        return (
            f"published {self.published}, missing {len(self.missing)}, copies {self.copies} of {self.retried} retried, "
            f"uncounted {self.uncounted} of {self.unknown} unknown"
        )


def compare(account: Account, messages: Iterable[Message]) -> DeliveryReport:
    """What the journal says against what was in the queues."""
    found = Counter(str(message.properties.message_id) for message in messages)
    uncounted = set(found) - account.published
    return DeliveryReport(
        published=len(account.published),
        in_queue=found.total(),
        missing=frozenset(account.published - set(found)),
        surplus=frozenset(each for each, count in found.items() if count > max(1, account.attempts[each])),
        unexplained=frozenset(uncounted - account.unknown),
        copies=found.total() - len(found),
        retried=sum(count - 1 for count in account.attempts.values() if count > 1),
        uncounted=len(uncounted),
        unknown=len(account.unknown - account.published),
        ended_twice=len(account.ended_twice),
    )
