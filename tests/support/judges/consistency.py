"""Whether a stream tells a story that can be true: sessions, quiet and the order of things, from the published events alone."""

from collections.abc import Collection
from typing import Final

from support.judges.event import Seen
from support.judges.order import Order
from support.judges.quiet import FollowUps, Quiet
from support.judges.sessions import Sessions

_MAX_KEPT: Final = 100


class ConsistencyChecker:
    """Is fed the background of one resource, in the order of its sequence numbers.

    Parameters are those of `Sessions` and `FollowUps`. `violations` keeps the first hundred; `violation_count` counts all.
    """

    def __init__(
        self,
        *,
        opened_before: bool = False,
        target: int | None = None,
        needing: Collection[str] = ("user_logout",),
        follow_up_within_seconds: int | None = None,
    ) -> None:
        self._sessions = Sessions(opened_before=opened_before, target=target, needing=needing)
        self._quiet = Quiet()
        self._order = Order()
        self._follow_ups = FollowUps(follow_up_within_seconds)
        self.violations: list[str] = []
        self.violation_count = 0

    def feed(self, seen: Seen) -> list[str]:
        """What is wrong with this event, a sentence each."""
        found = [*self._sessions.feed(seen), *self._quiet.feed(seen), *self._order.feed(seen)]
        self._follow_ups.feed(seen)
        self.violation_count += len(found)
        self.violations += found[: _MAX_KEPT - len(self.violations)]
        return found

    def restart(self, at_seconds: float | None = None) -> None:
        """The generator starts again, at that time or at that of the next event: sessions end, and nobody fails for a while."""
        self._sessions.restart()
        self._quiet.restart(at_seconds)

    @property
    def open_sessions(self) -> int:
        return self._sessions.open_sessions

    @property
    def failures(self) -> int:
        """Failed logins so far."""
        return self._follow_ups.failures

    @property
    def followed_percent(self) -> float:
        """The share of failed logins that a success of the same user, host and address has followed."""
        return self._follow_ups.percent
