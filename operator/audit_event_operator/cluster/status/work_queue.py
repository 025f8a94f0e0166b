"""Whose status is to be looked at next: changes first, and everybody's counters from time to time.

Pure bookkeeping on times that the caller passes; knows nothing of what is written or how.
"""

from heapq import heappop, heappush


class WorkQueue:
    """Two queues over the same UIDs: urgent ones in the order they came, and one round of counters each period.

    Args:
        period_seconds: how long after its last write a resource's counters are looked at again.
    """

    def __init__(self, period_seconds: float) -> None:
        self._period = period_seconds
        self._urgent: dict[str, None] = {}
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def mark(self, uid: str, now: float) -> None:
        """Something about it changed: look as soon as possible."""
        self._urgent[uid] = None
        if uid not in self._due:
            self.rest(uid, now)

    def rest(self, uid: str, now: float, seconds: float | None = None) -> None:
        """It was looked at: it is due again a period from now, or after `seconds`."""
        due = self._due[uid] = now + (self._period if seconds is None else seconds)
        heappush(self._heap, (due, uid))

    def forget(self, uid: str) -> None:
        """It is gone."""
        self._urgent.pop(uid, None)
        self._due.pop(uid, None)

    def take_urgent(self) -> str | None:
        """The next one that changed, or None."""
        for uid in self._urgent:
            del self._urgent[uid]
            return uid
        return None

    def take_due(self, now: float) -> str | None:
        """The next one whose counters are due, the longest waiting first, or None. It comes again only after `rest`."""
        while self._heap and self._heap[0][0] <= now:
            due, uid = heappop(self._heap)
            if self._due.get(uid) == due:
                return uid
        return None

    def next_due(self) -> float | None:
        """When counters are due next; None when the queue is empty."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def urgent(self) -> bool:
        """Whether a change waits."""
        return bool(self._urgent)
