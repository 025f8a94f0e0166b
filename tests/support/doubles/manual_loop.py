"""An event loop whose clock moves only when a test says so, and that runs until nothing is left to do right now.

For state machines: each rule acts, lets the loop come to rest, and looks. Whatever a callback lets escape is kept in `errors`.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

MOST_TURNS = 1_000


class ManualLoop(asyncio.SelectorEventLoop):
    """`now` is its time in seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.errors: list[dict[str, Any]] = []
        super().__init__()
        self.set_exception_handler(lambda _loop, context: self.errors.append(context))

    def time(self) -> float:
        return self.now

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:
        """Each name has one address; a thread that looked it up would not come back in time."""
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    def do(self, action: Callable[..., Result], *args: Any) -> Result:
        """Run `action` inside the loop, then everything that follows from it without time passing."""
        results: list[Result] = []
        failures: list[BaseException] = []

        def act() -> None:
            try:
                results.append(action(*args))
            except BaseException as error:  # noqa: BLE001 - raised to the caller
                failures.append(error)

        self.call_soon(act)
        self.settle()
        if failures:
            raise failures[0]
        return results[0]

    def settle(self) -> None:
        """Turn until nothing is due now."""
        for _ in range(MOST_TURNS):
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready and not self._due():  # type: ignore[attr-defined]
                return
        raise AssertionError("the loop does not come to rest")

    def advance(self, seconds: float) -> None:
        """Let time pass, from timer to timer."""
        end = self.now + seconds
        while (timer := self._next()) is not None and timer <= end:
            self.now = max(self.now, timer)
            self.settle()
        self.now = end
        self.settle()

    def finish(self) -> None:
        """Close it; tasks that are left are cancelled, and returned by name."""
        left = asyncio.all_tasks(self)
        for task in left:
            task.cancel()
        self.settle()
        self.close()

    def _next(self) -> float | None:
        live = [handle.when() for handle in self._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
        return min(live, default=None)

    def _due(self) -> bool:
        timer = self._next()
        return timer is not None and timer <= self.now
