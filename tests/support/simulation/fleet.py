"""All processes of a simulation and the judge: who may work on what at every moment, and how long nobody serves a bucket."""

from collections import Counter
from typing import NamedTuple, Self

from audit_event_operator.cluster.leadership.buckets import BUCKETS
from support.simulation.api_server import ApiServer, Weather
from support.simulation.process import Process
from support.simulation.world import World

GRID_SECONDS = 0.04
_NOTHING: dict[int, bool] = {}


class Overlap(NamedTuple):
    """Two that may work on one bucket at one moment; `lone`: one of them saw nobody else at its last look."""

    at: float
    bucket: int
    who: frozenset[str]
    lone: bool


class Gap(NamedTuple):
    """How long nobody served a bucket."""

    begin: float
    end: float
    bucket: int

    @property
    def seconds(self) -> float:
        return self.end - self.begin


class SimulatedFleet:
    """Starts processes and watches them; close it at the end."""

    def __init__(self, seed: int, weather: Weather | None = None, *, strict: bool = False) -> None:
        self.world = World(seed)
        self.server = ApiServer(self.world, weather or Weather())
        self.processes: list[Process] = []
        self.overlaps: list[Overlap] = []
        self.gaps: list[Gap] = []
        self._strict = strict
        self._working: dict[str, dict[int, bool]] = {}
        self._servers = [0] * BUCKETS
        self._unserved_since: dict[int, float | None] = dict.fromkeys(range(BUCKETS), 0.0)
        self._watch()

    # -- the story -----------------------------------------------------------------------------------------------------

    def start(self, identity: str = "", drain_seconds: tuple[float, float] = (0.05, 1.5)) -> Process:
        """Start a process."""
        # Names in no order, as those of pods are.
        identity = identity or f"{self.world.random.randrange(16**5):05x}-{len(self.processes)}"
        process = Process(
            self.server, identity, strict=self._strict, drain_seconds=drain_seconds, on_change=self._see
        )  # fmt: skip
        self.processes.append(process)
        return process

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run_until(self.world.now + seconds)

    def close(self) -> None:
        """End all processes."""
        for process in self.processes:
            if not process.loop.is_closed():
                process.loop.end()
        for process in self.processes:
            process.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- what is seen --------------------------------------------------------------------------------------------------

    def living(self) -> list[Process]:
        """Those that exist and do not leave."""
        return [each for each in self.processes if each.alive and not each.leaving]

    def shares(self) -> list[int]:
        """How many buckets each of the living serves; empty while any bucket is not served."""
        counts = Counter(
            process.identity for process in self.living() for begins in process.may_work().values() if begins
        )  # fmt: skip
        return [counts[each.identity] for each in self.living()] if counts.total() == BUCKETS else []

    def settled(self) -> bool:
        """Whether every bucket is served, and nobody has more than one more than any other."""
        shares = self.shares()
        return bool(shares) and max(shares) - min(shares) <= 1

    def settle(self, at_most_seconds: float) -> float | None:
        """Let time pass until all is settled; returns how long that took, or None when it did not come to that."""
        begin = self.world.now
        while not self.settled():
            if self.world.now - begin >= at_most_seconds:
                return None
            self.run(0.05)
        return self.world.now - begin

    def worst_gap(self, since: float) -> float:
        """The longest time without service of any bucket from a moment on, gaps that last included."""
        ended = [each.seconds for each in self.gaps if each.end > since]
        lasting = [self.world.now - begin for begin in self._unserved_since.values() if begin is not None]
        return max([*ended, *lasting], default=0.0)

    # -- the judge -----------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        for process in self.processes:
            if process.alive or process.identity in self._working:
                self._see(process)
        self.world.at(self.world.now + GRID_SECONDS, self._watch)

    def _see(self, process: Process) -> None:
        before, now = self._working.get(process.identity, _NOTHING), process.may_work()
        if now:
            self._working[process.identity] = now
        else:
            self._working.pop(process.identity, None)
        if now == before:
            return
        for bucket in now.keys() - before.keys():
            self._judge(bucket)
        for bucket in now.keys() | before.keys():
            if now.get(bucket, False) != before.get(bucket, False):
                self._count(bucket, 1 if now.get(bucket) else -1)

    def _judge(self, bucket: int) -> None:
        workers = [each for each in self.processes if each.alive and bucket in each.may_work()]
        if len(workers) > 1:
            lone = any(not each.gate.company for each in workers)
            self.overlaps.append(Overlap(self.world.now, bucket, frozenset(each.identity for each in workers), lone))

    def _count(self, bucket: int, difference: int) -> None:
        self._servers[bucket] += difference
        begin = self._unserved_since[bucket]
        if self._servers[bucket] and begin is not None:
            self.gaps.append(Gap(begin, self.world.now, bucket))
            self._unserved_since[bucket] = None
        elif not self._servers[bucket] and begin is None:
            self._unserved_since[bucket] = self.world.now
