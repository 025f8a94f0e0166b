"""Who may fail to log in without anybody taking it for an attack: once in a window of 1,860 s, so at most twice in any 1,860 s.

The narrowest public rule that counts failures of an address over a long time is sshguard's: three in 1,800 s.
"""

from typing import Final

from audit_event_operator.pacing.intensity import NS_PER_SECOND

WINDOW_SECONDS: Final = 1_860
_WINDOW_NS: Final = WINDOW_SECONDS * NS_PER_SECOND


class Quiet:
    """Who failed in the window in progress. In the first one nobody fails, unless it is known that nobody has yet (`fresh`)."""

    def __init__(self, *, fresh: bool) -> None:
        self._window: int | None = None
        self._known = fresh
        self._failed: set[int] = set()

    def may_fail(self, who: int, unix_ns: int) -> bool:
        """Whether this one may fail now. A clock that was set back does not open a window again."""
        window = unix_ns // _WINDOW_NS
        if self._window is None:
            self._window = window
        elif window > self._window:
            self._window, self._known = window, True
            self._failed.clear()
        return self._known and window == self._window and who not in self._failed

    def fail(self, who: int) -> None:
        """Note that he does."""
        self._failed.add(who)
