"""What waits, in turns of namespaces, so that one namespace's many do not hold up or push out another's few."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class TurnQueue(Generic[T]):
    """At most `limit` items; one too many pushes out the oldest of the namespace that has most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._length = 0
        self._by_namespace: dict[str, deque[T]] = {}

    def __len__(self) -> int:
        return self._length

    def push(self, namespace: str, item: T) -> None:
        """Wait behind the others of this namespace."""
        self._by_namespace.setdefault(namespace, deque()).append(item)
        self._length += 1
        if self._length > self._limit:
            self._take_from(max(self._by_namespace, key=lambda each: len(self._by_namespace[each])))

    def pop(self) -> T:
        """The oldest of the namespace whose turn it is.

        Raises:
            IndexError: nothing waits.
        """
        namespace = next(iter(self._by_namespace), None)
        if namespace is None:
            raise IndexError("nothing waits")
        item = self._take_from(namespace)
        if namespace in self._by_namespace:  # its next turn comes after those of the others
            self._by_namespace[namespace] = self._by_namespace.pop(namespace)
        return item

    def clear(self) -> None:
        """Nothing waits any more."""
        self._by_namespace.clear()
        self._length = 0

    def _take_from(self, namespace: str) -> T:
        waiting = self._by_namespace[namespace]
        item = waiting.popleft()
        self._length -= 1
        if not waiting:
            del self._by_namespace[namespace]
        return item
