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

EVENTS: Final = 4_096
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
    """Some events in the order of their times, and records of the ground truth, one a line.

    `events`: how many. `unix_seconds`: the time of the last one, 0 where there is none.
    """

    parts: list[Part]
    records: list[bytes]
    events: int = 0
    unix_seconds: int = 0


def replays_of(streams: Sequence[Found], start_ns: int) -> list[Replay]:
    """The streams on a synthetic clock, by name, so that the order of files does not matter."""
    found = sorted(streams, key=lambda each: str(each.ref))
    return [Replay(str(each.ref), uid_of(each.ref), each.spec, start_ns=start_ns) for each in found]


class Work:
    """One of `among` that make the portions of a request in turns; the first of them tells the ground truth.

    All live through the whole of it, so each knows where its portions begin; only what is its own is written.
    """

    def __init__(self, request: Request, number: int = 0, among: int = 1) -> None:
        self.summary = Summary()
        self._request = request
        self._number, self._among = number, among
        self._replays = replays_of(request.streams, request.start_ns)
        self._arranged = arrangement(request.split)

    def portions(
        self, granted: Callable[[], bool], interrupted: Callable[[], bool] = lambda: False
    ) -> Iterator[Portion]:
        """Its own ones. `granted` is asked before every portion of anybody: False ends it.

        `interrupted` is asked on the way to the first one.
        """
        request, number = self._request, 0
        for replay in self._replays:
            replay.skip(request.from_ns, interrupted)
        play = Play(self._replays, to_ns=request.to_ns, count=request.count)
        records: list[bytes] = []
        while (end_ns := play.end_of(EVENTS)) is not None and granted():
            if number % self._among == self._number:
                parts, events, unix_seconds = self._made(play, end_ns)
                yield Portion(parts, [*records, *self.records()], events, unix_seconds)
                records = []
            else:
                play.pass_over(end_ns)
                records += self.records()
            number += 1
        self._records_left = records

    def _made(self, play: Play, end_ns: int) -> tuple[list[Part], int, int]:
        parts: list[Part] = []
        count = unix_seconds = 0
        for events in play.say(end_ns):
            parts += self._arranged(events)
            self.summary.count(events)
            count, unix_seconds = count + len(events), events[-1].unix_seconds
        return parts, count, unix_seconds

    def end(self, ending: Ending) -> list[bytes]:
        """Nothing more is made; returns the records that are left."""
        for replay in self._replays:
            replay.end(ending)
        return [*self._records_left, *self.records()]

    def records(self) -> list[bytes]:
        """The records of episodes that have ended since."""
        lines: list[bytes] = []
        for replay in self._replays:
            for record in replay.records():
                if not self._number:
                    self.summary.add(record)
                    lines.append(orjson.dumps(record.document(replay.name), option=orjson.OPT_APPEND_NEWLINE))
        return lines
