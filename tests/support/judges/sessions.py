"""Sessions: whatever carries a session id belongs to a session that a login opened and no logout has closed."""

from collections.abc import Collection
from typing import NamedTuple

from support.judges.event import Seen


class _Login(NamedTuple):
    user: str
    host: str
    address: str | None


class Sessions:
    """Follows every session. Remembers one number for each that there ever was.

    `opened_before`: the mix has no logins, and a session counts as opened before the stream when it is first seen.
    `target`: how many may be open; only a mix with logouts can be judged by it. `needing`: the event types that must carry a
    session id.
    """

    def __init__(
        self, *, opened_before: bool = False, target: int | None = None, needing: Collection[str] = ("user_logout",)
    ) -> None:
        self._opened_before = opened_before
        self._target = target
        self._needing = frozenset(needing)
        self._open: dict[str, _Login] = {}
        self._known: set[int] = set()

    @property
    def open_sessions(self) -> int:
        return len(self._open)

    def restart(self) -> None:
        """Nothing of what was opened so far may go on."""
        self._open.clear()

    def feed(self, seen: Seen) -> list[str]:
        """What is wrong with this event."""
        if seen.session is None:
            return [f"{_what(seen)} carries no session id."] if seen.event_type in self._needing else []
        if seen.login:
            return self._opened(seen.session, seen)
        if (login := self._open.get(seen.session)) is None:
            if not self._opened_before or hash(seen.session) in self._known:
                gone = "is not open any more" if hash(seen.session) in self._known else "was never opened"
                return [f"{_what(seen)} belongs to session {seen.session}, which {gone}."]
            login = _Login(seen.user, seen.host, seen.address)
            found = self._opened(seen.session, seen)
        else:
            found = []
        if login != (seen.user, seen.host, seen.address):
            found.append(f"{_what(seen)} from {seen.address} goes on with session {seen.session} of {_who(login)}.")
        if seen.event_type == "user_logout":
            del self._open[seen.session]
        return found

    def _opened(self, session: str, seen: Seen) -> list[str]:
        found = []
        if hash(session) in self._known:
            found.append(f"{_what(seen)} opens session {session} a second time.")
        self._known.add(hash(session))
        self._open[session] = _Login(seen.user, seen.host, seen.address)
        if self._target is not None and len(self._open) > self._target:
            found.append(f"With {_what(seen)}, {len(self._open)} sessions are open; at most {self._target} may be.")
        return found


def _what(seen: Seen) -> str:
    return f"{seen.event_type} {seen.action_result} of {seen.user} on {seen.host} ({seen.event_id})"


def _who(login: _Login) -> str:
    return f"{login.user} on {login.host} from {login.address}"
