"""Who is logged in where. Bounded; the world that opens and closes sessions decides when."""

from heapq import heapify, heappop, heappush
from typing import Final

from audit_event_operator.world.dice import Dice
from audit_event_operator.world.turn import Visit

FOREVER: Final = 2**63
"""When a service account goes home."""
_TRIES: Final = 4
_SLACK: Final = 64
MOST: Final = 1_024


def target(users: int) -> int:
    """So many sessions are open at most."""
    return max(1, min(MOST, users // 4))


class UserSession:
    """One user on one host, from login to logout.

    `account`: whom the user logs in as. `terminal`: the number of a pseudo-terminal, None for the console. `times_ns`: of the
    login, and of the end of work.
    """

    __slots__ = (
        "address",
        "ends_ns",
        "machine",
        "opened_ns",
        "person",
        "place",
        "protocol",
        "session_id",
        "tty",
        "user",
    )

    def __init__(
        self, session_id: str, visit: Visit, account: str, terminal: int | None, times_ns: tuple[int, int]
    ) -> None:
        self.session_id = session_id
        self.person, self.machine, self.address = visit
        self.user = account
        self.protocol, self.tty = ("console", "tty1") if terminal is None else ("ssh", f"pts/{terminal}")
        self.opened_ns, self.ends_ns = times_ns
        self.place = -1


class Sessions:
    """All open ones, at most `target` of them."""

    def __init__(self, users: int) -> None:
        self.target = target(users)
        self._open: list[UserSession] = []
        self._ends: list[tuple[int, int, UserSession]] = []
        self._opened = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def full(self) -> bool:
        """Nobody else may log in."""
        return len(self._open) >= self.target

    def open(self, session: UserSession) -> None:
        """He is in."""
        session.place = len(self._open)
        self._open.append(session)
        self._opened += 1
        if session.ends_ns < FOREVER:
            heappush(self._ends, (session.ends_ns, self._opened, session))
        if len(self._ends) > 2 * self.target + _SLACK:
            self._ends = [entry for entry in self._ends if entry[2].place >= 0]
            heapify(self._ends)

    def close(self, session: UserSession) -> None:
        """He is out."""
        last = self._open.pop()
        if last is not session:
            self._open[session.place] = last
            last.place = session.place
        session.place = -1

    def some(self, dice: Dice, unix_ns: int) -> UserSession:
        """One of them, rather one who has not gone home."""
        session = self._open[dice.roll(len(self._open))]
        for _ in range(_TRIES):
            if session.ends_ns > unix_ns:
                break
            session = self._open[dice.roll(len(self._open))]
        return session

    def over(self, unix_ns: int) -> UserSession | None:
        """One whose user has gone home, the longest first; None where nobody has."""
        while self._ends and (self._ends[0][2].place < 0 or self._ends[0][0] <= unix_ns):
            session = self._ends[0][2]
            if session.place >= 0:
                return session
            heappop(self._ends)
        return None

    def of(self, user: str) -> list[UserSession]:
        """Those of one user."""
        return [session for session in self._open if session.user == user]
