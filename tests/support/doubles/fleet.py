"""A fleet that runs nothing and remembers what it was told; snapshots say what a test wants them to say."""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

from audit_event_operator.engine.snapshot import Counts, Ref, Snapshot
from audit_event_operator.resource.conditions import Ready, Reason
from audit_event_operator.resource.status import Facts, Progress

DEMO = Ref("default", "demo")


def make_snapshot(
    ref=DEMO, uid="uid-1", reason=Reason.PUBLISHING, message="Events are confirmed.", **changes
) -> Snapshot:
    """One generator that publishes, unless told otherwise; `changes` are counts, facts, progress, or of scenarios."""
    facts = Facts(
        generation=1, ready=Ready(reason, message), destination="audit_events", queue="audit_events",
        broker="broker:5672/%2F", connected=True,
        interval_seconds=5.0, target_rate=Fraction(1, 5), observed_rate=0.2, random_seed=42,
        progress=Progress(events_published=3),
    )  # fmt: skip
    return changed(Snapshot(ref, uid, Counts(generated=3, published=3), facts), **changes)


class Still:
    """A generator of which nothing changes: what readers take a snapshot of."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.ref, self.uid = snapshot.ref, snapshot.uid
        self._snapshot = snapshot

    def snapshot(self) -> Snapshot:
        return self._snapshot


def series(fleet: Any) -> list[Snapshot]:
    """What `/metrics` shows of a fleet now."""
    return [each.snapshot() for each in fleet.series()]


def changed(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """The same generator with other counts, facts or progress; `scenario_counts` and `truth` are about its scenarios."""
    scenarios = changes.pop("scenario_counts", snapshot.scenarios)
    truth = changes.pop("truth", snapshot.truth)
    counts = {name: changes.pop(name) for name in Counts._fields if name in changes}
    done = {each.name: changes.pop(each.name) for each in fields(Progress) if each.name in changes}
    progress = replace(snapshot.facts.progress, **done)
    facts = replace(snapshot.facts, progress=progress, **changes)
    return replace(snapshot, counts=snapshot.counts._replace(**counts), facts=facts, scenarios=scenarios, truth=truth)


class FakeFleet:
    """Has one snapshot per UID, which tests change by `become`."""

    def __init__(self, *, running: bool = True) -> None:
        self.running = running
        self.known: dict[str, Snapshot] = {}
        self.told: list[tuple[Any, ...]] = []
        self.listeners: list[Callable[[str], None]] = []
        self.departure_listeners: list[Callable[[str], None]] = []
        self.spreads: list[float | None] = []
        self.members = 1
        self.drain_seconds = 0.0
        self.woken = 0
        self.first_reason = Reason.PUBLISHING

    # what sources ask of it

    def start(self) -> None:
        self.running = True
        self.told.append(("start",))

    def apply(self, ref, uid, generation, spec, progress, *, preexisting=False, spread_seconds=None) -> None:
        if not self.running:  # as the real one: a take-over starts what was told of before
            return
        self.told.append(("apply", ref.name, generation, preexisting))
        self.spreads.append(spread_seconds)
        self.known[uid] = make_snapshot(
            ref, uid, self.first_reason, generation=generation, events_published=progress.events_published,
            destination=spec.destination_label, queue=spec.queue,
        )  # fmt: skip
        self._notify(uid)

    def reject(self, ref, uid, generation, message, progress=None) -> None:
        if not self.running:
            return
        self.told.append(("reject", ref.name, generation, message))
        ready = Ready(Reason.INVALID_SPEC, message)
        self.known[uid] = make_snapshot(ref, uid, generation=generation, ready=ready)
        self._notify(uid)

    def discard(self, uid: str) -> None:
        if self.known.pop(uid, None) is not None:
            self.told.append(("discard", uid))
            for listener in self.departure_listeners:
                listener(uid)

    def release(self, uid: str) -> None:
        if (snapshot := self.known.pop(uid, None)) is not None:
            self.told.append(("release", snapshot.ref.name))

    async def hand_over(self, uids: Collection[str]) -> list[Snapshot]:
        ended = [self.known[uid] for uid in uids if uid in self.known]
        for uid in uids:
            self.release(uid)
        await asyncio.sleep(self.drain_seconds)
        return ended

    def stop(self, uids: Collection[str]) -> None:
        for uid in uids:
            if (snapshot := self.known.pop(uid, None)) is not None:
                self.told.append(("stop", snapshot.ref.name))

    def share_caps(self, members: int) -> None:
        self.members = members

    async def stop_all(self) -> None:
        self.told.append(("stop_all",))
        self.known.clear()

    def wake(self) -> None:
        self.woken += 1

    def on_change(self, callback: Callable[[str], None]) -> None:
        self.listeners.append(callback)

    def on_departure(self, callback: Callable[[str], None]) -> None:
        self.departure_listeners.append(callback)

    # what readers ask of it

    def uids(self) -> frozenset[str]:
        return frozenset(self.known)

    def snapshot(self, uid: str) -> Snapshot | None:
        return self.known.get(uid)

    def snapshots(self) -> list[Snapshot]:
        return list(self.known.values())

    # what tests do with it

    def become(self, uid: str, **changes: Any) -> None:
        self.known[uid] = changed(self.known[uid], **changes)
        self._notify(uid)

    def names(self) -> set[str]:
        return {snapshot.ref.name for snapshot in self.known.values()}

    def _notify(self, uid: str) -> None:
        for listener in self.listeners:
            listener(uid)
