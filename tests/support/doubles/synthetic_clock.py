"""A stream without a process: its timeline on a clock that is only counted, over a broker that takes everything at once."""

from collections.abc import Iterator

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.timeline.reading import Reading
from audit_event_operator.timeline.timeline import Timeline

SECOND = 1_000_000_000
START_UNIX_NS = 1_700_000_000 * SECOND
ALL = 1_000_000


def at(seconds: float) -> Reading:
    """The clocks so many seconds after the start."""
    return Reading(round(seconds * SECOND), START_UNIX_NS + round(seconds * SECOND))


def no_entropy(count: int) -> bytes:
    """Ids that are all the same, so that events can be compared."""
    return bytes(count)


def said_until(seconds: float, stream: Timeline) -> Iterator[tuple[int, AuditEvent]]:
    """Every event before the end, with its moment in nanoseconds."""
    now, end, arrived = at(0), at(seconds), stream.progress.events_published
    stream.begin(now)
    while now.ns < end.ns:
        stream.check(now, arrived)
        if not stream.resting:
            stream.advance(now)
            events = stream.take(ALL, arrived, now)
            arrived += len(events)
            yield from ((now.ns, event) for event in events)
            stream.check(now, arrived)
        wait_ns = stream.wait_ns(now)
        if wait_ns is None:
            return
        now = Reading(now.ns + wait_ns, now.unix_ns + wait_ns)
