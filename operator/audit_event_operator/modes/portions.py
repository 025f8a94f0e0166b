"""What `generate` was asked for, and the making of it: portions of a few thousand events, ready to be written.

One process makes all portions, or each of several makes some and lets the others pass. Writes nothing anywhere.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import orjson

from audit_event_operator.files.collection import Found
from audit_event_operator.files.source import uid_of
from audit_event_operator.modes.output import STDOUT, Part, arrangement
from audit_event_operator.modes.summary import Summary
from audit_event_operator.timeline.play import Play
from audit_event_operator.timeline.replay import Replay
from audit_event_operator.world.scenarios.ending import Ending

PORTION_EVENTS: Final = 4_096
"""About so many of each stream are in a portion."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate: the events of `streams` from `from_ns` on and before `to_ns`, at most `count`.

    Moments are nanoseconds since 1970; `start_ns` is when the runs begin. `split`: `host`, `hour`, or the most bytes of a file.
    """

    streams: Sequence[Found]
    start_ns: int
    from_ns: int
    to_ns: int
    count: int | None = None
    out: str = STDOUT
    truth: str | None = None
    split: str | int | None = None
    workers: int = 1


class Portion(NamedTuple):
    """Some events in the order of their times, what they were, and records of the ground truth, one a line.

    `unix_seconds`: the time of the last event, 0 where there is none.
    """

    parts: list[Part]
    records: list[bytes]
    summary: Summary
    unix_seconds: int = 0


def replays_of(streams: Sequence[Found], start_ns: int) -> list[Replay]:
    """The streams on a synthetic clock, by name, so that the order of files does not matter."""
    found = sorted(streams, key=lambda each: str(each.ref))
    return [Replay(str(each.ref), uid_of(each.ref), each.spec, start_ns=start_ns) for each in found]


class Work:
    """Makes the portions of a request, all of them or the share of one of `among` that take turns: its `number`-th.

    Who takes turns passes over what the others make, which costs nothing where events are independent, and only there.
    """

    def __init__(self, request: Request, number: int = 0, among: int = 1) -> None:
        self._request = request
        self._number, self._among = number, among
        self._replays = replays_of(request.streams, request.start_ns)
        self._arranged = arrangement(request.split)

    @property
    def divisible(self) -> bool:
        """Several can take turns without doing each other's work."""
        return all(replay.independent for replay in self._replays)

    def portions(self, stopped: Callable[[], bool] = lambda: False) -> Iterator[Portion]:
        """Its own ones. `stopped` is asked now and then: True ends it."""
        request, number = self._request, 0
        for replay in self._replays:
            replay.skip(request.from_ns, stopped)
        play = Play(self._replays, to_ns=request.to_ns, count=request.count)
        while not stopped() and (end_ns := play.end_of(PORTION_EVENTS)) is not None:
            if number % self._among == self._number:
                yield self._made(play, end_ns)
            else:
                play.pass_over(end_ns)
            number += 1

    def end(self, ending: Ending) -> Portion:
        """Nothing more is made; the records that are left."""
        for replay in self._replays:
            replay.end(ending)
        summary = Summary()
        return Portion([], self._records(summary), summary)

    def _made(self, play: Play, end_ns: int) -> Portion:
        parts, summary, unix_seconds = list[Part](), Summary(), 0
        for events in play.say(end_ns):
            parts += self._arranged(events)
            summary.count(events)
            unix_seconds = events[-1].unix_seconds
        return Portion(parts, self._records(summary), summary, unix_seconds)

    def _records(self, summary: Summary) -> list[bytes]:
        """The records of episodes that have ended since."""
        lines: list[bytes] = []
        for replay in self._replays:
            for record in replay.records():
                summary.add(record)
                lines.append(orjson.dumps(record.document(replay.name), option=orjson.OPT_APPEND_NEWLINE))
        return lines
