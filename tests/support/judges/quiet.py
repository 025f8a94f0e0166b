"""Quiet: what the background must never do, lest somebody's detector fires; and how failed logins go on."""

from typing import Final

from support.judges.event import MICROSECONDS, Seen
from support.judges.platform import is_sensitive

WINDOW_SECONDS: Final = 1_860


class Quiet:
    """Failures of a user, owners of addresses, sensitive files. Remembers two windows of failures, and every address."""

    def __init__(self) -> None:
        self._failed: dict[int, set[str]] = {}
        self._owners: dict[str, str] = {}
        self._restarted = False
        self._no_failure_in: int | None = None

    def restart(self, at_seconds: float | None = None) -> None:
        """Nobody may fail in the window in progress: that of `at_seconds`, or of the next event."""
        self._restarted = at_seconds is None
        self._no_failure_in = None if at_seconds is None else window_of(at_seconds)

    def feed(self, seen: Seen) -> list[str]:
        """What is wrong with this event."""
        if self._restarted:
            self.restart(seen.time_seconds)
        found = []
        if seen.address is not None:
            owner = self._owners.setdefault(seen.address, seen.user)
            if owner != seen.user:
                found.append(f"{seen.user} has the address {seen.address} of {owner} ({seen.event_id}).")
        if seen.failed_login:
            found += self._failure(seen)
        elif seen.event_type == "file_modified" and is_sensitive(seen.resource):
            found.append(f"{seen.user} modified the sensitive {seen.resource} ({seen.event_id}).")
        return found

    def _failure(self, seen: Seen) -> list[str]:
        window = window_of(seen.time_seconds)
        if window not in self._failed:
            self._failed[window] = set()
            for old in sorted(self._failed)[:-2]:
                del self._failed[old]
        failed = self._failed.get(window, set())  # a window as late as that is not judged
        found = []
        if window == self._no_failure_in:
            found.append(f"{seen.user} failed to log in in the window of a restart ({seen.event_id}).")
        if seen.user in failed:
            found.append(f"{seen.user} failed to log in twice in window {window} ({seen.event_id}).")
        failed.add(seen.user)
        return found


class FollowUps:
    """How many failed logins are followed by a success of the same user, host and address.

    `within_seconds`: what comes later is no follow-up. A failure that the same three repeat before a success is not followed.
    """

    def __init__(self, within_seconds: int | None = None) -> None:
        self._within = None if within_seconds is None else within_seconds * MICROSECONDS
        self._pending: dict[tuple[str, str, str | None], int] = {}
        self.failures = 0
        self.followed = 0

    def feed(self, seen: Seen) -> None:
        if seen.failed_login:
            self.failures += 1
            self._pending[seen.user, seen.host, seen.address] = seen.microseconds
        elif seen.login and (failed := self._pending.pop((seen.user, seen.host, seen.address), None)) is not None:
            self.followed += self._within is None or seen.microseconds - failed <= self._within

    @property
    def percent(self) -> float:
        """0 when nobody has failed."""
        return 100 * self.followed / self.failures if self.failures else 0.0


def window_of(time_seconds: float) -> int:
    """The number of the window of UTC that a time lies in."""
    return int(time_seconds // WINDOW_SECONDS)
