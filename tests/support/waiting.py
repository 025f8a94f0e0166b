"""Waiting for what a test means instead of sleeping: `wait_until` for a thread, `until` for an event loop."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    *,
    timeout_seconds: float = 30,
    what: str = "",
    every_seconds: float = 0.05,
    explain: Callable[[], object] | None = None,
) -> T:
    """Ask until the answer is true and return it; AssertionError (with what `explain` says) when the time is over."""
    check = _deadline(time.monotonic, timeout_seconds, what, explain)
    while not (answer := condition()):
        check()
        time.sleep(every_seconds)
    return answer


async def until(
    condition: Callable[[], T],
    *,
    timeout_seconds: float = 30,
    what: str = "",
    every_seconds: float = 0.02,
    explain: Callable[[], object] | None = None,
) -> T:
    """As wait_until, on the clock of the running loop: where that jumps, no time passes."""
    check = _deadline(asyncio.get_running_loop().time, timeout_seconds, what, explain)
    while not (answer := condition()):
        check()
        await asyncio.sleep(every_seconds)
    return answer


def _deadline(
    clock: Callable[[], float], timeout_seconds: float, what: str, explain: Callable[[], object] | None
) -> Callable[[], None]:
    end = clock() + timeout_seconds

    def check() -> None:
        if clock() >= end:
            said = f": {explain()}" if explain else ""
            raise AssertionError(f"Waited {timeout_seconds:g} s in vain for {what or 'a condition'}{said}")

    return check
