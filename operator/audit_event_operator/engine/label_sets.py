"""Counts of generated events by the seed's three labels, bounded: no namespace's labels keep those of the others out.

A set of labels belongs to the namespace that used it first. A namespace may have more while it holds less than three times
what is free; what finds no place is counted as `other`. Sets that no stream uses any more keep their place until it is
needed; their count then moves to `other`, where it stays, because a counter that begins anew would look like a restart.
Counts never fall. Knows no Prometheus.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, TypeAlias

LABEL_SET_LIMIT: Final = 2_000
OTHER: Final = "other"

EVICTIONS_OF_A_NAMESPACE: Final = 10_000
"""So often a namespace's new labels may take the place of unused ones; each of these is remembered until the end."""

_SHARE: Final = 3


Labels: TypeAlias = tuple[str, str, str]
"""Event type, host and action result."""

_OTHER: Final[Labels] = (OTHER, OTHER, OTHER)


class _Set:
    """One set of labels: its count, and how many streams use it."""

    __slots__ = ("count", "namespace", "users")

    def __init__(self, namespace: str) -> None:
        self.count = 0
        self.users = 0
        self.namespace = namespace


class LabelSets:
    """All sets of one process, at most `limit` and the one of `other`."""

    def __init__(self, limit: int = LABEL_SET_LIMIT) -> None:
        self.overflow = 0
        """Events that were counted as `other` from the beginning."""
        self._limit = limit
        self._sets: dict[Labels, _Set] = {}
        self._other = _Set("")
        self._used: Counter[str] = Counter()
        self._unused: dict[Labels, _Set] = {}
        self._evicted: set[int] = set()
        self._evictions: Counter[str] = Counter()

    def counts(self) -> dict[Labels, int]:
        """Events by label set."""
        counts = {labels: each.count for labels, each in self._sets.items()}
        if self._other.count:
            counts[_OTHER] = counts.get(_OTHER, 0) + self._other.count
        return counts

    def stream(self, namespace: str) -> "StreamLabels":
        """What counts the events of one stream."""
        return StreamLabels(namespace, self._take_up, self._leave)

    def _take_up(self, namespace: str, labels: Labels) -> _Set | None:
        """The set of these labels for one more stream; None when the event counts as `other`."""
        found = self._sets.get(labels)
        if found is None or not found.users:
            if not self._may_have_one_more(namespace) or (found is None and not self._make_place(namespace, labels)):
                self._other.count += 1
                self.overflow += 1
                return None
            if found is None:
                found = self._sets[labels] = _Set(namespace)
            else:
                del self._unused[labels]
                found.namespace = namespace
            self._used[namespace] += 1
        found.users += 1
        return found

    def _leave(self, labels: Labels, which: _Set) -> None:
        """One stream uses it no more."""
        which.users -= 1
        if not which.users:
            self._used[which.namespace] -= 1
            self._unused[labels] = which

    def _may_have_one_more(self, namespace: str) -> bool:
        free = self._limit - (len(self._sets) - len(self._unused))
        return self._used[namespace] < _SHARE * free

    def _make_place(self, namespace: str, labels: Labels) -> bool:
        if hash(labels) in self._evicted:
            return False
        if len(self._sets) < self._limit:
            return True
        if self._evictions[namespace] >= EVICTIONS_OF_A_NAMESPACE:
            return False
        own = (each for each, which in self._unused.items() if which.namespace == namespace)
        oldest = next(own, None) or next(iter(self._unused))
        self._other.count += self._sets.pop(oldest).count
        del self._unused[oldest]
        self._evicted.add(hash(oldest))
        self._evictions[namespace] += 1
        return True


class StreamLabels:
    """Counts the events of one stream; a look-up for each that was seen before."""

    __slots__ = ("_leave", "_namespace", "_sets", "_take_up")

    def __init__(
        self,
        namespace: str,
        take_up: Callable[[str, Labels], _Set | None],
        leave: Callable[[Labels, _Set], None],
    ) -> None:
        self._namespace = namespace
        self._take_up = take_up
        self._leave = leave
        self._sets: dict[Labels, _Set] = {}

    def count(self, event_type: str, server_hostname: str, action_result: str) -> None:
        """Count one generated event."""
        labels = (event_type, server_hostname, action_result)
        known = self._sets.get(labels)
        if known is None:
            known = self._take_up(self._namespace, labels)
            if known is None:
                return
            self._sets[labels] = known
        known.count += 1

    def leave(self) -> None:
        """The stream has ended. Idempotent; what it counts nevertheless is counted."""
        for labels, which in self._sets.items():
            self._leave(labels, which)
        self._sets.clear()
