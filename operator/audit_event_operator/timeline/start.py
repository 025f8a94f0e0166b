"""When a stream that existed before this process took over ticks first. Pure."""

import hashlib


def first_tick_ns(uid: str, interval_ns: int, last_publish_ns_ago: int | None, now_ns: int, spread_ns: int) -> int:
    """Keep the rhythm of the stream, and spread many streams so that their first ticks do not coincide.

    `max(now, last publish + interval) + hash(UID) mod min(interval, spread)`. A last publish in the future (a clock that
    was set back) counts as now.
    """
    wait_ns = 0 if last_publish_ns_ago is None else interval_ns - max(0, last_publish_ns_ago)
    digest = int.from_bytes(hashlib.blake2b(uid.encode(), digest_size=8).digest(), "big")
    return now_ns + max(0, wait_ns) + digest % max(1, min(interval_ns, spread_ns))
