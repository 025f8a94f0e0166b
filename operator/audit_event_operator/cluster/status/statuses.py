"""What a snapshot says as a status, and which status the API server is known to have. Pure; times are the caller's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Final

import orjson

from audit_event_operator.engine.snapshot import Snapshot
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.kept_json import kept_json
from audit_event_operator.resource.status import (
    Contested,
    build_status,
    ready_condition,
    transition_key,
)

Status = Mapping[str, Any]

SETTLING_SECONDS: Final = 5.0
"""A watch event that is younger than this after our own write may still tell the status before it."""


def farewell_of(
    snapshot: Snapshot, previous: Status, owner: str, now: datetime, contested: Contested | None = None
) -> dict[str, Any]:
    """The last status of a process: counters as they are, conditions as they were, for the drain is nobody's trouble."""
    status = build_status(snapshot.facts, previous, now, uid=snapshot.uid, owner=owner, contested=contested)
    if snapshot.facts.complete is None and "conditions" in previous:
        status["conditions"] = previous["conditions"]
        status["observedGeneration"] = previous.get("observedGeneration", status["observedGeneration"])
    return status


def is_transition(before: Status, after: Status) -> bool:
    """Whether a change has to be written at once: more than counters, or another owner."""
    owners = {before.get("owner"), after.get("owner")} - {None}
    return transition_key(before) != transition_key(after) or len(owners) > 1


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a resource may be on its way before its status calls it Starting, in seconds."""

    first_seconds: float = 60.0
    """One that never had a status."""
    coming_back_seconds: float = 10.0
    """One that was Ready under another process."""


class KnownStatuses:
    """The status of each resource as the API server has it: what we wrote last, or another writer since."""

    def __init__(self) -> None:
        self._statuses: dict[str, bytes] = {}  # as JSON: a third of what the objects take
        self._versions: dict[str, int] = {}
        self._written_at: dict[str, float] = {}
        self._first_seen_at: dict[str, float] = {}

    def __getitem__(self, uid: str) -> Status:
        text = self._statuses.get(uid)
        return {} if text is None else orjson.loads(text)

    def write(self, uid: str, status: Status, now: float) -> None:
        """We have written it."""
        self._statuses[uid] = kept_json(status)
        self._written_at[uid] = now

    def hear(self, uid: str, status: Status, now: float, version: int = 0) -> bool:
        """Take in a watch event or list; returns whether another writer has changed what we knew.

        A list may tell what was before a watch event that came first: an earlier resourceVersion than one heard is ignored.
        """
        if version < self._versions.get(uid, 0):
            return False
        if version:
            self._versions[uid] = version
        new = uid not in self._statuses
        if new:
            self._first_seen_at[uid] = now
        elif now - self._written_at.get(uid, -inf) <= SETTLING_SECONDS or self[uid] == status:
            return False
        try:
            self._statuses[uid] = kept_json(status)
        except TypeError:  # nobody's status has no JSON text; ours will be written over it
            self._statuses[uid] = b"{}"
        return not new

    def patience_seconds(self, snapshot: Snapshot, patience: Patience, now: float) -> float:
        """For how long it is too early to call a resource Starting.

        A restart of the operator should not make every resource unready for a moment, and one that has just been created
        mostly publishes before anybody has looked. Either would double the writes.
        """
        first_seen_at = self._first_seen_at.get(snapshot.uid)
        if first_seen_at is None or snapshot.facts.ready.reason is not Reason.STARTING:
            return 0.0
        previous = self[snapshot.uid]
        ready, generation = ready_condition(previous), previous.get("observedGeneration")
        if ready is None:
            seconds = patience.first_seconds
        elif ready.status == "True" and ready.reason != Reason.SUSPENDED and generation == snapshot.facts.generation:
            seconds = patience.coming_back_seconds
        else:
            return 0.0
        # To the millisecond: a timer that ends a hair early must not be set again for what is left.
        return max(0.0, round(first_seen_at + seconds - now, 3))

    def learn(self, uid: str, status: Status) -> None:
        """The API server has this status now, whatever we have written."""
        self._statuses[uid] = kept_json(status)
        self._written_at.pop(uid, None)

    def change_hands(self, uids: Iterable[str], now: float) -> None:
        """Another process wrote until now, or does so from now on: what is heard counts at once, and patience begins anew."""
        for uid in uids:
            self._written_at.pop(uid, None)
            if uid in self._statuses:
                self._first_seen_at[uid] = now

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        for memory in (self._statuses, self._versions, self._written_at, self._first_seen_at):
            memory.pop(uid, None)

    def clear(self) -> None:
        """Forget all."""
        for memory in (self._statuses, self._versions, self._written_at, self._first_seen_at):
            memory.clear()
