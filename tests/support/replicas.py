"""What several replicas did with many streams, judged by the events and by the journals of all processes."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Worked:
    """One event of a stream that a process saw confirmed."""

    at_ns: int
    process: str


def confirmed_by_process(journals: Mapping[str, Path]) -> dict[str, list[Worked]]:
    """The confirmed events of each stream in the order of time, by the journals of all processes."""
    streams: dict[str, list[Worked]] = defaultdict(list)
    for process, journal in journals.items():
        for line in journal.read_bytes().decode().splitlines(keepends=True):
            entry = json.loads(line) if line.endswith("\n") else {}
            if entry.get("outcome") == "ack":
                streams[entry["generator"]].append(Worked(entry["time_unix_ns"], process))
    for worked in streams.values():
        worked.sort(key=lambda each: each.at_ns)
    return dict(streams)


def turns(worked: Iterable[Worked]) -> list[str]:
    """Who worked on a stream, one after the other. Two at once show as many turns."""
    return [process for process, _ in itertools.groupby(each.process for each in worked)]


def longest_pause_seconds(worked: list[Worked]) -> float:
    """The longest time between two confirmed events of a stream."""
    return max((later.at_ns - earlier.at_ns for earlier, later in itertools.pairwise(worked)), default=0) / 1e9
