"""The supervisor of all generators, keyed by UID: a re-created name is another generator.

Callable only on the event loop. It never raises for what a resource says; a generator that crashes is logged, counted,
shown and started again. It knows neither Kubernetes nor files, only what they ask of it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from audit_event_operator.engine.activity_log import SUMMARY_SECONDS
from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.default_stream import DefaultStream
from audit_event_operator.engine.generator import Generator
from audit_event_operator.engine.ledger import DropReason
from audit_event_operator.engine.snapshot import Readable, Ref, Snapshot
from audit_event_operator.pacing.backoff import Backoff
from audit_event_operator.pacing.caps import fair_shares
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.resource.status import Progress
from audit_event_operator.world.scenarios.ending import Ending

logger = logging.getLogger(__name__)

SWEEP_SECONDS: Final = 1.0
_SWEEP_CHUNK: Final = 200
_BACKOFF_SECONDS: Final = (1.0, 30.0)
_LIVED_LONG_SECONDS: Final = 60.0
"""A generator that ran this long starts again after the shortest pause."""


@dataclass(slots=True, eq=False)
class _Departed:
    """A generator that went: itself while something of it is on its way, then its last snapshot, shown until `until`."""

    ref: Ref
    uid: str
    until: float
    left: Generator | Snapshot

    def snapshot(self) -> Snapshot:
        """Its counts; it asks for nothing any more, or its rate would count twice where another process serves it now."""
        snapshot = self.left.snapshot() if isinstance(self.left, Generator) else self.left
        return replace(snapshot, facts=replace(snapshot.facts, target_rate=Fraction(0)))

    def thin_out(self) -> None:
        generator = self.left
        if isinstance(generator, Generator) and generator.settled_for_good:
            self.left = generator.snapshot()
            generator.forget()


class Fleet:
    """All generators of this process, and the default target of posted events if there is one."""

    def __init__(self, context: EngineContext, default_stream: DefaultStream | None = None) -> None:
        self._context = context
        self.default_stream = default_stream
        self.totals = context.totals
        self.truth_totals = context.truth_totals
        self.budget = context.budget
        self.running = False
        self._ending = False
        self._members = 1
        self._generators: dict[str, Generator] = {}
        self._by_ref: dict[Ref, Generator] = {}
        self._restless: dict[str, Generator] = {}
        """Those that have to be looked at once a second. Of all others, only what happens to them makes work."""
        self._to_share_out: set[str] = set()
        """Namespaces whose cap is about to be divided anew."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._leaving: dict[str, tuple[Generator, asyncio.Task[Snapshot]]] = {}
        self._departed: list[_Departed] = []
        self._listeners: list[Callable[[str], None]] = []
        self._departure_listeners: list[Callable[[str], None]] = []
        self._sweeper: asyncio.Task[None] | None = None

    # -- what sources ask of it ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Accept resources and posts. Idempotent; without effect once `shutdown` has begun."""
        if self._ending:
            return
        self.running = True
        if self.default_stream is not None:
            self.default_stream.open()
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().create_task(self._sweep_forever(), name="fleet-sweep")

    def apply(
        self,
        ref: Ref,
        uid: str,
        generation: int,
        spec: GeneratorSpec,
        progress: Progress,
        *,
        preexisting: bool = False,
        spread_seconds: float | None = None,
    ) -> None:
        """Have a generator run this spec from now on. Ignored while the fleet is not running.

        The source passes each generation on once and in order. `progress`, what the status says was done, is used only when
        the UID is new. `preexisting`: the resource existed before this process took over; its first tick is spread over
        `spread_seconds`, if given, else as at the start of the process.
        """
        if not self.running:
            return
        generator = self._generators.get(uid) or self._add(
            ref, uid, progress, preexisting=preexisting, spread_seconds=spread_seconds
        )
        generator.apply(generation, spec)
        self._share_out(ref.namespace)

    def reject(self, ref: Ref, uid: str, generation: int, message: str, progress: Progress | None = None) -> None:
        """The resource's spec is invalid: stop its generator and say so."""
        if not self.running:
            return
        generator = self._generators.get(uid) or self._add(ref, uid, progress or Progress(), preexisting=False)
        generator.reject(generation, message)
        self._share_out(ref.namespace)

    def discard(self, uid: str) -> None:
        """The resource is gone: nothing of it is written any more. Unknown UIDs are fine."""
        self._end_leaving(uid, DropReason.RESOURCE_DELETED, self._context.timing.deletion_grace_seconds)
        if uid not in self._generators:
            return
        generator = self._end(uid, DropReason.RESOURCE_DELETED, self._context.timing.deletion_grace_seconds)
        self._share_out(generator.ref.namespace)
        for listener in self._departure_listeners:
            listener(uid)
        counts = generator.snapshot().counts
        logger.info(
            "Stopped generator %s: its resource is gone (generated %d, published %d, dropped %d, in flight %d)",
            generator.ref, counts.generated, counts.published, counts.dropped, counts.in_flight,
        )  # fmt: skip

    def release(self, uid: str) -> None:
        """Another process serves the resource: generate nothing more of it here, and deliver what is buffered.

        That has as long as before a change of the target. `apply` takes the resource up again. Unknown UIDs are fine.
        """
        if uid not in self._generators:
            return
        self._end_leaving(uid, DropReason.SHUTDOWN_DEADLINE, 0.0)
        generator, task = self._take_out(uid)
        letting_go = asyncio.get_running_loop().create_task(
            self._let_go(uid, generator, task), name=f"let go {generator.ref}"
        )
        self._leaving[uid] = generator, letting_go
        self._share_out(generator.ref.namespace)

    async def hand_over(self, uids: Collection[str]) -> list[Snapshot]:
        """Release these resources; returns how they ended, once nothing of them is on its way any more."""
        for uid in uids:
            self.release(uid)
        leaving = [self._leaving[uid][1] for uid in uids if uid in self._leaving]
        if leaving:
            await asyncio.wait(leaving)
        return [task.result() for task in leaving if not task.cancelled()]

    def stop(self, uids: Iterable[str]) -> None:
        """Another process serves these resources already: end at once, without draining. Unknown UIDs are fine."""
        for uid in uids:
            self._end_leaving(uid, DropReason.SHUTDOWN_DEADLINE, 0.0)
            if uid in self._generators:
                self._share_out(self._end(uid, DropReason.SHUTDOWN_DEADLINE, 0.0).ref.namespace)

    def share_caps(self, members: int) -> None:
        """So many processes serve each namespace: take no more of its cap than this one's part."""
        if members == self._members:
            return
        self._members = members
        for namespace in {generator.ref.namespace for generator in self._generators.values()}:
            self._share_out(namespace)

    async def stop_all(self) -> None:
        """End everything at once without draining: their kind has gone (CRD deleted)."""
        tasks = list(self._tasks.values())
        for uid in list(self._leaving):
            self._end_leaving(uid, DropReason.SHUTDOWN_DEADLINE, 0.0)
        for uid in list(self._generators):
            self._end(uid, DropReason.SHUTDOWN_DEADLINE, 0.0)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def shutdown(self, drain_seconds: float) -> None:
        """Stop all ticks, deliver what is buffered within `drain_seconds`, drop the rest as `shutdown_deadline`."""
        self.running, self._ending = False, True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        tasks, streams = list(self._tasks.values()), self._streams()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for generator in self._generators.values():
            generator.end_episodes(Ending.OPERATOR_STOPPED)
        await asyncio.gather(*(each.drained(drain_seconds) for each in streams))
        if self._leaving:
            await asyncio.wait(
                [task for _, task in self._leaving.values()]
            )  # their time is short, and most of it is over
        for each in streams:
            each.stop(DropReason.SHUTDOWN_DEADLINE, 0.0)

    # -- what readers ask of it ----------------------------------------------------------------------------------------

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Have `callback` called with a UID whenever something worth a status write may have happened."""
        self._listeners.append(callback)

    def on_departure(self, callback: Callable[[str], None]) -> None:
        """Have `callback` called with the UID of each resource that is discarded."""
        self._departure_listeners.append(callback)

    def uids(self) -> frozenset[str]:
        """The resources that are known now."""
        return frozenset(self._generators)

    def generators(self) -> list[Readable]:
        """All live resources, for readers who take their time."""
        return list(self._generators.values())

    def snapshots(self) -> list[Snapshot]:
        """All live resources, read at once."""
        return [generator.snapshot() for generator in self._generators.values()]

    def series(self) -> list[Readable]:
        """What `/metrics` shows: live resources, the default target's row, and the ones that went within the last minute."""
        now, named = self._context.now(), self._by_ref
        # One per name, the last one wins: a metric must not have the same labels twice.
        departed = {each.ref: each for each in self._departed if each.until > now and each.ref not in named}
        return [*self._streams(), *departed.values()]

    def snapshot(self, uid: str) -> Snapshot | None:
        """One resource by its identity."""
        generator = self._generators.get(uid)
        return None if generator is None else generator.snapshot()

    def generator(self, ref: Ref) -> Generator | None:
        """The live generator of that name."""
        return self._by_ref.get(ref)

    def find(self, ref: Ref) -> Snapshot | None:
        """One resource by its name."""
        generator = self.generator(ref)
        return None if generator is None else generator.snapshot()

    def wake(self) -> None:
        """Have every generator look at the gate again."""
        for generator in self._generators.values():
            generator.wake()

    @property
    def sweeping(self) -> bool:
        """Whether the supervisor is alive."""
        return self._sweeper is not None and not self._sweeper.done()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _streams(self) -> list[Generator | DefaultStream]:
        """Everything that delivers events."""
        return [*self._generators.values(), *([] if self.default_stream is None else [self.default_stream])]

    def _add(
        self, ref: Ref, uid: str, progress: Progress, *, preexisting: bool, spread_seconds: float | None = None
    ) -> Generator:
        generator = Generator(
            ref, uid, self._context, progress,
            preexisting=preexisting, spread_seconds=spread_seconds, changed=lambda: self._notify(uid),
        )  # fmt: skip
        self._generators[uid] = self._by_ref[ref] = generator
        self._tasks[uid] = asyncio.get_running_loop().create_task(self._supervise(generator), name=f"generator {ref}")
        return generator

    def _end(self, uid: str, reason: DropReason, grace_seconds: float) -> Generator:
        generator, _ = self._take_out(uid)
        generator.stop(reason, grace_seconds)
        return generator

    def _take_out(self, uid: str) -> tuple[Generator, asyncio.Task[None]]:
        generator, task = self._generators.pop(uid), self._tasks.pop(uid)
        self._restless.pop(uid, None)
        if self._by_ref.get(generator.ref) is generator:  # else a new resource has the name already
            del self._by_ref[generator.ref]
        task.cancel()
        until = self._context.now() + self._context.timing.departed_series_seconds
        self._departed.append(_Departed(generator.ref, generator.uid, until, generator))
        return generator, task

    async def _let_go(self, uid: str, generator: Generator, task: asyncio.Task[None]) -> Snapshot:
        """Drain a generator that was taken out, and end it; returns how it ended. Whoever cancels this ends it at once."""
        await asyncio.wait([task])
        generator.end_episodes(Ending.HAND_OVER)
        await generator.drained(self._context.timing.target_drain_seconds)
        del self._leaving[uid]
        generator.stop(DropReason.SHUTDOWN_DEADLINE, 0.0)
        return generator.snapshot()

    def _end_leaving(self, uid: str, reason: DropReason, grace_seconds: float) -> None:
        if uid in self._leaving:
            generator, task = self._leaving.pop(uid)
            task.cancel()
            generator.stop(reason, grace_seconds)

    async def _supervise(self, generator: Generator) -> None:
        backoff = Backoff(*_BACKOFF_SECONDS)
        while True:
            began = self._context.now()
            try:
                await generator.run()
            except Exception:  # the supervisor's whole purpose: one generator's bug must not end the others
                if self._context.now() - began >= _LIVED_LONG_SECONDS:
                    backoff.reset()
                pause = backoff.next_seconds()
                logger.exception("Generator %s crashed; restarting it in %g s", generator.ref, pause)
                self.totals.generator_crashes += 1
                generator.crashed(f"The generator crashed and restarts in {pause:g} s; see the operator's log.")
                await asyncio.sleep(pause)

    def _share_out(self, namespace: str) -> None:
        """Divide the namespace's cap anew in the next turn of the loop: once, however many resources change in this one."""
        if self._context.namespace_cap is None or namespace in self._to_share_out:
            return
        self._to_share_out.add(namespace)
        asyncio.get_running_loop().call_soon(self._share_out_now, namespace, self._context.namespace_cap)

    def _share_out_now(self, namespace: str, namespace_cap: Fraction) -> None:
        """Divide this process's part of the namespace's cap among its generators."""
        self._to_share_out.discard(namespace)
        cap = namespace_cap / self._members
        members = {uid: each for uid, each in self._generators.items() if each.ref.namespace == namespace}
        asked: dict[str, Fraction] = {uid: min(each.asked_rate, self._context.cap) for uid, each in members.items()}
        shares = fair_shares(asked, cap)
        spare = cap - sum(shares.values())
        most = max(shares.values(), default=cap)
        for uid, share in shares.items():
            if not asked[uid]:
                members[uid].set_cap(self._context.cap)
            else:  # a shape that is not cut may rise by itself until the next look
                may_rise = members[uid].shaped and share == asked[uid]
                members[uid].set_cap(max(most, share + spare) if may_rise else share)

    def _notify(self, uid: str) -> None:
        generator = self._generators.get(uid)
        if generator is None:
            return
        if generator.restless:
            self._restless[uid] = generator
        for listener in self._listeners:
            listener(uid)

    async def _sweep_forever(self) -> None:
        told = self._context.now()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if self._context.now() - told >= SUMMARY_SECONDS:
                told = self._context.now()
                self._context.lines.tell()
            shifted: set[str] = set()
            for index, (uid, generator) in enumerate(list(self._restless.items())):
                if generator.follow():
                    shifted.add(generator.ref.namespace)
                if generator.sweep():
                    self._share_out(generator.ref.namespace)
                    self._notify(uid)
                if not generator.restless:
                    self._restless.pop(uid, None)
                if index % _SWEEP_CHUNK == _SWEEP_CHUNK - 1:
                    await asyncio.sleep(0)
            for namespace in shifted:
                self._share_out(namespace)
            await self._thin_out()

    async def _thin_out(self) -> None:
        """Keep of those that went what `/metrics` still shows, and nothing of those that it does not show any more."""
        for index, each in enumerate(list(self._departed)):
            each.thin_out()
            if index % _SWEEP_CHUNK == _SWEEP_CHUNK - 1:
                await asyncio.sleep(0)
        now = self._context.now()
        self._departed = [each for each in self._departed if each.until > now or isinstance(each.left, Generator)]
