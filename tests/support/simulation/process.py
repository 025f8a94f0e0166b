"""One process of the operator as far as buckets go: `Membership` and its gates, and a source that takes its time."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

from audit_event_operator.cluster.leadership.buckets import BUCKETS, bucket_of
from audit_event_operator.cluster.leadership.gate import BucketAssignment, BucketGate, MemberGate
from audit_event_operator.cluster.leadership.membership import Hands, Membership
from support.simulation.api_server import ApiServer, Wire
from support.simulation.world import ProcessLoop

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def _one_of_each_bucket() -> list[str]:
    found: dict[int, str] = {}
    number = 0
    while len(found) < BUCKETS:
        found.setdefault(bucket_of(f"uid-{number}"), f"uid-{number}")
        number += 1
    return [found[bucket] for bucket in range(BUCKETS)]


UIDS = _one_of_each_bucket()
"""A resource of each bucket."""


def _nothing() -> None:
    return


class Process:
    """A process from its start to its end; signals are methods.

    Args:
        server: the API server that it asks.
        identity: who it is.
        strict: as the setting of that name.
        drain_seconds: the least and the most that a bucket, or the process, needs to drain and to write its statuses.
        on_change: called after each turn of its event loop.
    """

    def __init__(
        self,
        server: ApiServer,
        identity: str,
        *,
        strict: bool = False,
        drain_seconds: tuple[float, float] = (0.05, 1.5),
        on_change: Callable[["Process"], None] = lambda _: None,
    ) -> None:
        self.identity = identity
        self.alive = True
        """Whether the process exists, stopped or not."""
        self.leaving = False
        self.trap = 0
        """How many more requests and answers until it is stopped; 0 for never."""
        self._world = server.world
        self._dice = Random(self._world.random.random())
        self._drain_seconds = drain_seconds
        self.loop = ProcessLoop(self._world, lambda: on_change(self))
        self.gate = MemberGate(clock=lambda: self._world.now, strict=strict)
        self.assignment = BucketAssignment(self.gate)
        self._bucket_gates = [gate for uid in UIDS if isinstance(gate := self.assignment.gate(uid), BucketGate)]
        wire = Wire(server, identity, self.loop)
        wire.on_traffic = self._trapped
        self.membership = Membership(
            cluster=wire,  # type: ignore[arg-type]
            gate=self.gate,
            namespace="ops",
            name="operator",
            identity=identity,
            hands=Hands(self._taken, self._lost, self._give),
            wall=lambda: _BEGIN + timedelta(seconds=self._world.now),
        )
        self.gate.on_doubt = self.membership.hurry
        self._arriving: set[int] = set()
        self._pause_seconds = 0.0
        self._on_resume: Callable[[], None] = lambda: None
        self._run = self.loop.create_task(self.membership.run())
        self._errors: list[BaseException] = []
        self._tasks = [self._run, self.loop.create_task(self._tick())]

    # -- signals -------------------------------------------------------------------------------------------------------

    def pause(self, seconds: float) -> None:
        """SIGSTOP now, SIGCONT later."""
        if self.alive and not self.loop.stopped:
            self.loop.stopped = True
            self._world.at(self._world.now + seconds, self._resume)

    def pause_in_traffic(self, requests: int, seconds: float) -> None:
        """SIGSTOP just when it has sent a request, or when an answer has come that it has not read."""
        self.trap, self._pause_seconds = requests, seconds

    def kill(self) -> None:
        """SIGKILL."""
        if self.alive:
            self.alive = False
            self.loop.end()

    def terminate(self) -> None:
        """SIGTERM: retire, drain, give everything back, end."""
        if self.alive and not self.leaving:
            self.leaving = True
            self.loop.call_soon(lambda: self._tasks.append(self.loop.create_task(self._leave())))

    # -- what is seen from outside -------------------------------------------------------------------------------------

    def may_work(self) -> dict[int, bool]:
        """The buckets of which it would write something now, if it came to that, and whether it would begin new work.

        It does not notice the question.
        """
        if not self.alive or self.loop.stopped:
            return {}
        gate = object.__new__(MemberGate)
        gate.__dict__.update(self.gate.__dict__)
        gate.on_doubt = _nothing
        if not gate.is_open():
            return {}
        return {bucket: gate.is_ours for bucket, gate in enumerate(self._bucket_gates) if gate.works}

    def check(self) -> None:
        """Raise what a task of the process ended with, if it did."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _trapped(self) -> None:
        if self.trap:
            self.trap -= 1
            if not self.trap:
                self.pause(self._pause_seconds)

    def _resume(self) -> None:
        if self.alive:
            self.loop.resume()

    async def _tick(self) -> None:
        """Some processes have streams that ask often, some have none."""
        pause = self._dice.choice([0.1, 0.5, 3.0])
        while True:
            self.gate.is_open()
            await asyncio.sleep(pause)

    def _taken(self, bucket: int, _statuses_until: str) -> None:
        self._arriving.add(bucket)
        self.loop.call_later(self._dice.uniform(0, 0.2), self._serve, bucket)

    def _serve(self, bucket: int) -> None:
        if bucket in self._arriving and bucket in self.membership.held:
            self.assignment.serve(bucket)
        self._arriving.discard(bucket)

    def _lost(self, bucket: int) -> None:
        self._arriving.discard(bucket)
        self.assignment.stop(bucket)

    async def _give(self, bucket: int) -> str:
        self._arriving.discard(bucket)
        self.assignment.drain(bucket)
        await asyncio.sleep(self._dice.uniform(*self._drain_seconds))
        self.assignment.stop(bucket)
        return "1"

    async def _leave(self) -> None:
        self._arriving.clear()
        self.membership.retire()
        for bucket in range(BUCKETS):
            self.assignment.drain(bucket)
        await asyncio.sleep(self._dice.uniform(*self._drain_seconds))
        for bucket in range(BUCKETS):
            self.assignment.stop(bucket)
        self._run.cancel()
        await asyncio.wait([self._run])
        await self.membership.leave("1")
        self.alive = False
        self._world.at(self._world.now, self.loop.end)
