"""Streams of users who behave, without clock and broker: what is said at given moments."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.factory import Slot
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.timeline.makers import Maker, Makers
from support.judges.event import Seen, read

MONDAY: Final = 1_767_571_200
"""Monday, 5 January 2026, 00:00 UTC, in seconds since 1970."""
SMALL: Final = {"users": {"count": 5}, "hosts": {"count": 4}}
LARGE: Final = {"users": {"count": 100_000}, "hosts": {"count": 10_000}}
_BATCH: Final = 500


def counted() -> Any:
    """Ids that are all different, and the same in each run."""
    left = iter(range(1, 2**60))
    return lambda count: b"".join(next(left).to_bytes(16, "big") for _ in range(count // 16))


def maker(seed: int = 1, *, fresh: bool = True, makers: Makers | None = None, **spec: Any) -> Maker:
    """What makes the events of a spec with activity Sessions."""
    parsed = parse_spec({"activity": "Sessions", **spec})
    return (makers or Makers()).maker(parsed, seed, fresh=fresh, entropy=counted())


def made(
    stream: Maker, count: int, *, per_second: float, start: float = MONDAY, first: int = 0
) -> Iterator[AuditEvent]:
    """So many events at even distances."""
    for begin in range(0, count, _BATCH):
        numbers = range(begin, min(count, begin + _BATCH))
        yield from stream.make([Slot(first + number, round((start + number / per_second) * 1e9)) for number in numbers])


def seen(events: Iterable[AuditEvent]) -> Iterator[Seen]:
    """The same as a consumer reads them."""
    return (read(event.body) for event in events)
