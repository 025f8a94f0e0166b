"""Small pure decisions of a generator: when it may begin, how large its window is."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from typing import Final

NS_PER_SECOND: Final = 1_000_000_000
WINDOW_MIN: Final = 64
WINDOW_MAX: Final = 2_048


def window_for(rate: Fraction) -> int:
    """One second of the target rate, 64 to 2048 events: the bound of the buffer and of what is unconfirmed."""
    return max(WINDOW_MIN, min(WINDOW_MAX, math.ceil(rate)))


def first_tick_ns(uid: str, interval_ns: int, last_publish_ns_ago: int | None, now_ns: int, spread_ns: int) -> int:
    """When a resource that existed before this process took over begins: its rhythm is kept, and many are spread.

    `max(now, last publish + interval) + hash(UID) mod min(interval, spread)`. A last publish in the future (a clock that
    was set back) counts as now.
    """
    wait_ns = 0 if last_publish_ns_ago is None else interval_ns - max(0, last_publish_ns_ago)
    digest = int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=8).digest(), "big")
    return now_ns + max(0, wait_ns) + digest % max(1, min(interval_ns, spread_ns))
