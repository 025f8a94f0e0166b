"""Events to feed a judge with, written as the seed writes them."""

import itertools
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from support.judges.consistency import ConsistencyChecker
from support.judges.counting import Judge, Raised
from support.judges.event import Seen, read

START: Final = datetime(2026, 1, 5, 8, 13, tzinfo=UTC)
"""When a window of 1,860 s of UTC begins."""

_numbers = itertools.count()


def event(
    at: float,
    kind: str = "user_login FAILURE",
    *,
    user: str = "alice",
    host: str = "web",
    address: str | None = "198.51.100.7",
    resource: str | None = None,
    event_id: str | None = None,
    **details: Any,
) -> Seen:
    """An event `at` seconds after START; `kind` is its type and result. Each has an id of its own unless one is given."""
    event_type, action_result = kind.split()
    more = {"ip_address": address, "resource": resource}
    top = {"client_ip": address, "resource": resource}
    body = {
        "event_id": f"id-{next(_numbers)}" if event_id is None else event_id,
        "timestamp": f"{(START + timedelta(seconds=at)).isoformat(timespec='microseconds')[:26]}Z",
        "source_service": "audit-event-generator",
        "server_hostname": host,
        "event_type": event_type,
        "severity": "INFO",
        "user_id": user,
        "action_result": action_result,
        "details": {**{key: value for key, value in more.items() if value is not None}, **details},
        **{key: value for key, value in top.items() if value is not None},
    }
    return read(json.dumps(body).encode())


def failures(count: int, *, within: float, **facts: Any) -> Iterator[Seen]:
    """So many failed logins, evenly spread, the last one `within` seconds after the first."""
    return (event(within * number / (count - 1), **facts) for number in range(count))


def raised(judge: Judge, events: Iterable[Seen]) -> list[Raised]:
    """All that a judge says of these events."""
    return [alert for seen in events for alert in judge.feed(seen)]


def login(at: float, session: str = "s", **facts: Any) -> Seen:
    """A login that opens a session."""
    return event(at, "user_login SUCCESS", session_id=session, **facts)


def checked(*events: Seen, restart_before: Seen | None = None, **options: Any) -> list[str]:
    """The violations that a consistency checker with these options finds in these events."""
    checker = ConsistencyChecker(**options)
    for seen in events:
        if seen is restart_before:
            checker.restart()
        checker.feed(seen)
    return checker.violations


def finds(violations: list[str], *words: str) -> bool:
    """Whether there are as many violations as words, and each says its word."""
    assert len(violations) == len(words), violations
    return all(word in violation for word, violation in zip(words, violations, strict=True))
