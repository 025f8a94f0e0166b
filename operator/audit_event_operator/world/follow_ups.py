"""Users who mistyped their password and try once more: within 4 to 24 s, or with the next event where that is later."""

from heapq import heappop, heappush
from typing import Final, NamedTuple

from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.world.turn import Turn, Visit

_PERCENT: Final = 85
_SOONEST_MS: Final = 4_000
_SPREAD_MS: Final = 20_000
_NS_PER_MS: Final = NS_PER_SECOND // 1_000


class FollowUp(NamedTuple):
    """The same user from the same address on the same host, from `due_ns` on."""

    due_ns: int
    visit: Visit


class FollowUps:
    """Those to come, the earliest first."""

    def __init__(self) -> None:
        self._waiting: list[FollowUp] = []

    def maybe(self, visit: Visit, turn: Turn) -> None:
        """85 of a hundred try again."""
        if turn.dice.roll(100) < _PERCENT:
            wait_ns = (_SOONEST_MS + turn.dice.roll(_SPREAD_MS)) * _NS_PER_MS
            self.add(FollowUp(turn.unix_ns + wait_ns, visit))

    def add(self, follow_up: FollowUp) -> None:
        """This user will try again."""
        heappush(self._waiting, follow_up)

    def due(self, unix_ns: int) -> FollowUp | None:
        """The earliest whose time has come; it is taken out."""
        return heappop(self._waiting) if self._waiting and self._waiting[0].due_ns <= unix_ns else None
