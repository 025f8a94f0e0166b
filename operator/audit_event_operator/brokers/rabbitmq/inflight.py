"""What is written on one channel and not yet confirmed: delivery tags to parcels, in the runs in which they were written.

A broker answers for many tags at once, so a run costs little more than one event. Knows no broker and decides no outcome.
"""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from audit_event_operator.engine.outbox import Parcel

Owner = TypeVar("Owner")


@dataclass(slots=True, eq=False)
class Batch(Generic[Owner]):
    """Parcels of one owner with consecutive tags, written in one turn; None where the outcome is known already."""

    owner: Owner
    first: int
    parcels: list[Parcel | None]
    written: float
    begin: int = 0


class InFlight(Generic[Owner]):
    """The unconfirmed of one channel. Unknown and repeated tags are nothing; tags count from 1."""

    def __init__(self) -> None:
        self._batches: deque[Batch[Owner]] = deque()
        self._next_tag = 1

    @property
    def empty(self) -> bool:
        """Whether every outcome is known."""
        return not self._batches

    @property
    def oldest(self) -> float | None:
        """When the oldest open one was written."""
        return self._batches[0].written if self._batches else None

    def add(self, owner: Owner, parcels: list[Parcel], written: float) -> None:
        """Note parcels that were just written, in this order."""
        self._batches.append(Batch(owner, self._next_tag, list(parcels), written))
        self._next_tag += len(parcels)

    def settle(self, tag: int, *, multiple: bool) -> list[tuple[Owner, float, list[Parcel]]]:
        """Take out what an answer is about: owner, time of writing, parcels. Tag 0 with `multiple` means all."""
        if not multiple:
            return self._settle_one(tag)
        runs = []
        batches = self._batches
        while batches:
            batch = batches[0]
            end = len(batch.parcels) if tag == 0 else min(len(batch.parcels), tag - batch.first + 1)
            if end <= batch.begin:
                break
            runs.append((batch.owner, batch.written, [parcel for parcel in batch.parcels[batch.begin : end] if parcel]))
            batch.begin = end
            self._trim()
        return runs

    def abandon(self, owner: Owner) -> list[Parcel]:
        """Take out everything of one owner; later answers for it are nothing."""
        taken: list[Parcel] = []
        for batch in self._batches:
            if batch.owner is owner:
                taken += [parcel for parcel in batch.parcels[batch.begin :] if parcel]
                batch.parcels[batch.begin :] = [None] * (len(batch.parcels) - batch.begin)
        self._trim()
        return taken

    def take_all(self) -> list[tuple[Owner, list[Parcel]]]:
        """Take out everything."""
        taken = [(batch.owner, [p for p in batch.parcels[batch.begin :] if p]) for batch in self._batches]
        self._batches.clear()
        return taken

    def shift(self, seconds: float) -> None:
        """Let time not count that passed while the broker had asked for silence."""
        for batch in self._batches:
            batch.written += seconds

    def _settle_one(self, tag: int) -> list[tuple[Owner, float, list[Parcel]]]:
        for batch in self._batches:
            if tag < batch.first + len(batch.parcels):
                index = tag - batch.first
                parcel = batch.parcels[index] if index >= batch.begin else None
                if parcel is None:
                    return []
                batch.parcels[index] = None
                self._trim()
                return [(batch.owner, batch.written, [parcel])]
        return []

    def _trim(self) -> None:
        """Drop what is settled from the front, so that the oldest is an open one."""
        batches = self._batches
        while batches:
            batch = batches[0]
            parcels, count = batch.parcels, len(batch.parcels)
            while batch.begin < count and parcels[batch.begin] is None:
                batch.begin += 1
            if batch.begin < count:
                return
            batches.popleft()
