"""Namespaces in which we may not write statuses for now: rights may be given by namespace, so the others need not wait.

Pure bookkeeping; the caller waits and writes.
"""

from typing import Final

_FIRST_SECONDS: Final = 2.0
"""An API server that has just started answers 403 until it has read its own rules, so the first pause is short."""
_LONGEST_SECONDS: Final = 30.0
_GROWTH: Final = 4.0


class ForbiddenNamespaces:
    """Which namespaces rest after a 403, with the resources that wait for the end of it."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[str]] = {}
        self._next_pause_seconds: dict[str, float] = {}

    def holds_back(self, namespace: str, uid: str) -> bool:
        """Whether the namespace rests; if so, the resource waits with it."""
        if namespace not in self._waiting:
            return False
        self._waiting[namespace].add(uid)
        return True

    def refused(self, namespace: str, uid: str) -> float | None:
        """The API server answered 403. Returns after how many seconds to `reopen`; None when the namespace rests already."""
        if self.holds_back(namespace, uid):
            return None
        pause = self._next_pause_seconds.get(namespace, _FIRST_SECONDS)
        self._next_pause_seconds[namespace] = min(_LONGEST_SECONDS, pause * _GROWTH)
        self._waiting[namespace] = {uid}
        return pause

    def allowed(self, namespace: str) -> None:
        """A write succeeded: the next pause is short again."""
        self._next_pause_seconds.pop(namespace, None)

    def reopen(self, namespace: str) -> set[str]:
        """The rest is over; returns who waited."""
        return self._waiting.pop(namespace, set())
