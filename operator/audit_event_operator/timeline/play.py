"""Several streams on one synthetic clock: their events merged by time and cut at a count; some may be left to somebody else.

What is said does not depend on how long the stretches are in which it is made. Pure.
"""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Final

from audit_event_operator.events.event import AuditEvent
from audit_event_operator.timeline.replay import BATCH, Batch, Replay

_ENDLESS: Final = 2**62


class Play:
    """Streams that go on together, from where each of them is. At most `count` events are said, and none at `to_ns` or later.

    What is said counts as published. Where two events coincide, that of the earlier of `replays` comes first.
    """

    def __init__(self, replays: Sequence[Replay], *, to_ns: int, count: int | None = None) -> None:
        self._replays = replays
        self._to_ns = to_ns
        self._left = _ENDLESS if count is None else count

    def end_of(self, events: int, before_ns: int | None = None) -> int | None:
        """A moment before which about so many events are due in one of the streams; None where none is due any more.

        The same whether what is before was said or passed over. `before_ns`: it is at most that.
        """
        end_ns = self._to_ns if before_ns is None else before_ns
        awake = self._awake(end_ns) if self._left > 0 else []
        return min((replay.stretch_ns(events, end_ns) for replay in awake), default=None)

    def say(self, end_ns: int) -> Iterator[list[AuditEvent]]:
        """All that is due before a moment, in stretches, in the order of their times."""
        while (stretch_ns := self.end_of(BATCH, end_ns)) is not None:
            awake = self._awake(stretch_ns)
            if events := self._cut([batch for replay in awake for batch in replay.until(stretch_ns)]):
                yield events

    def pass_over(self, end_ns: int) -> None:
        """Somebody else says it. Only where all streams are independent."""
        self._left -= sum(replay.leave_out(end_ns) for replay in self._awake(end_ns))

    def _awake(self, end_ns: int) -> list[Replay]:
        return [replay for replay in self._replays if replay.next_ns is not None and replay.next_ns < end_ns]

    def _cut(self, batches: Sequence[Batch]) -> list[AuditEvent]:
        """The events in the order of their times, as many as are left to be said; the others are taken back."""
        events = batches[0].events if len(batches) == 1 else _in_order(batches)
        if len(events) > self._left:
            surplus = {event.event_id for event in events[self._left :]}
            for replay in self._replays:
                replay.retract(surplus)
            events = events[: self._left]
        self._left -= len(events)
        return events


def play(
    replays: Sequence[Replay],
    *,
    from_ns: int,
    to_ns: int,
    count: int | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[list[AuditEvent]]:
    """What several streams say from a moment on and before another, at most `count` events; see `Play`.

    `stopped` is asked now and then: True ends it.
    """
    for replay in replays:
        replay.skip(from_ns, stopped)
    if stopped():
        return
    for events in Play(replays, to_ns=to_ns, count=count).say(to_ns):
        yield events
        if stopped():
            return


def _in_order(batches: Sequence[Batch]) -> list[AuditEvent]:
    """Events of one stretch of time by time; those of one stream stay in their order."""
    timed = [(slot.unix_ns, event) for batch in batches for slot, event in zip(batch.slots, batch.events, strict=True)]
    timed.sort(key=itemgetter(0))
    return [event for _, event in timed]
