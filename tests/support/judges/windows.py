"""What detectors count with: sliding windows and leaking buckets, one for each key. Neither remembers what it no longer needs.

Times are whole microseconds, so that what lies exactly on a limit is judged exactly.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from support.judges.event import MICROSECONDS

Key = TypeVar("Key", bound=Hashable)


class Windows(Generic[Key]):
    """Whether `count` things of one key lie within `seconds`, both ends included."""

    def __init__(self, count: int, seconds: int) -> None:
        self._count = count
        self._span = seconds * MICROSECONDS
        self._times: OrderedDict[Key, deque[int]] = OrderedDict()  # the key that was added to last is the last

    def add(self, key: Key, now: int) -> bool:
        """Count one more; whether the window is full with it."""
        times = self._times.setdefault(key, deque(maxlen=self._count))
        self._times.move_to_end(key)
        times.append(now)
        while next(iter(self._times.values()))[-1] < now - self._span:
            self._times.popitem(last=False)
        return self.full(key, now)

    def full(self, key: Key, now: int) -> bool:
        """Whether `count` of them lie within the time that ends now."""
        times = self._times.get(key)
        return times is not None and len(times) == self._count and now - times[0] <= self._span

    def clear(self, key: Key) -> None:
        """Count from zero."""
        self._times.pop(key, None)

    def __len__(self) -> int:
        return len(self._times)


class _Bucket:
    __slots__ = ("empty_at", "names")

    def __init__(self) -> None:
        self.empty_at = 0
        self.names: set[str] = set()


class Buckets(Generic[Key]):
    """Buckets that hold `capacity` and lose one every `leak_seconds`, steadily; what no longer fits makes one overflow.

    A bucket that has run empty is gone, like one that has overflowed, and with it the names that it has seen.
    """

    def __init__(self, capacity: int, leak_seconds: int) -> None:
        self._leak = leak_seconds * MICROSECONDS
        self._full = capacity * self._leak
        self._buckets: OrderedDict[Key, _Bucket] = OrderedDict()

    def pour(self, key: Key, now: int, name: str | None = None) -> bool:
        """Pour one more into the bucket of the key, and tell whether it overflows. A name is poured only once."""
        while self._buckets and next(iter(self._buckets.values())).empty_at <= now:
            self._buckets.popitem(last=False)
        bucket = self._buckets.get(key)
        if bucket is None or bucket.empty_at <= now:
            bucket = self._buckets[key] = _Bucket()
        if name is not None:
            if name in bucket.names:
                return False
            bucket.names.add(name)
        self._buckets.move_to_end(key)
        # Its level is told by the time at which it would be empty.
        bucket.empty_at = max(bucket.empty_at, now) + self._leak
        if bucket.empty_at - now <= self._full:
            return False
        del self._buckets[key]
        return True

    def __len__(self) -> int:
        return len(self._buckets)
