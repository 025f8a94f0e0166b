"""What was generated, in one short table for people, and how far it is meanwhile. Reads no clock: seconds are passed in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.world.scenarios.truth import Record

_BUSIEST: Final = 3
_kind: Final = itemgetter(AuditEvent._fields.index("event_type"), AuditEvent._fields.index("action_result"))
_user: Final = itemgetter(AuditEvent._fields.index("user"))
_host: Final = itemgetter(AuditEvent._fields.index("host"))


class Summary:
    """Counts of events and of the ground truth."""

    def __init__(self) -> None:
        self.events = 0
        self.kinds: Counter[tuple[str, str]] = Counter()
        self.users: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.episodes = self.incomplete = 0

    def count(self, events: Sequence[AuditEvent]) -> None:
        """These were written."""
        self.events += len(events)
        self.kinds.update(map(_kind, events))
        self.users.update(map(_user, events))
        self.hosts.update(map(_host, events))

    def add(self, record: Record) -> None:
        """This episode is over."""
        self.episodes += 1
        self.incomplete += not record.complete
        for alert in record.expected():
            self.alerts[alert.rule] += alert.times

    def merge(self, other: "Summary") -> None:
        """What somebody else counted belongs to it, too."""
        self.events += other.events
        self.kinds.update(other.kinds)
        self.users.update(other.users)
        self.hosts.update(other.hosts)
        self.alerts.update(other.alerts)
        self.episodes += other.episodes
        self.incomplete += other.incomplete

    def rows(self, size_bytes: int, seconds: float) -> Iterator[tuple[str, str]]:
        """The table: what, and how many."""
        rate = f" in {seconds:.1f} s, {self.events / seconds:,.0f}/s" if seconds else ""
        yield "events", f"{self.events:,} ({size_bytes / 1e6:,.1f} MB{rate})"
        types: dict[str, list[tuple[str, int]]] = {}
        for (event_type, result), count in sorted(self.kinds.items()):
            types.setdefault(event_type, []).append((result, count))
        for event_type, results in types.items():
            yield f"  {event_type}", _listed(results)
        if self.episodes:
            incomplete = f", {self.incomplete} of them incomplete" if self.incomplete else ""
            yield "episodes", f"{self.episodes:,}{incomplete}"
            yield "expected alerts", _listed(sorted(self.alerts.items())) or "none"
        if self.events:
            yield "busiest users", _listed(_most(self.users))
            yield "busiest hosts", _listed(_most(self.hosts))


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {what}" for name, what in rows)


def progress_line(done: float, events: int, seconds: float) -> str:
    """How far it is; `done` of 1."""
    rate = events / seconds if seconds else 0
    left = f", {seconds / done - seconds:,.0f} s left" if done else ""
    return f"{done:4.0%}  {events:,} events, {rate:,.0f}/s{left}"


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    """The largest; those that are equal by name, so that the same events give the same table."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_BUSIEST]


def _listed(counts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts)
