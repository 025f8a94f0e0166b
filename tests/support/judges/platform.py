"""The two rules of the platform's analysis service, by the time of the events instead of the time of their arrival."""

from collections import OrderedDict
from typing import Final, NamedTuple

from support.judges.event import MICROSECONDS, Seen

FAILED_LOGINS: Final = "ANLY-SEC-001"
SENSITIVE_FILE: Final = "ANLY-SEC-002"

SENSITIVE_PATHS: Final = ("/etc/sudoers", "/root/.ssh/authorized_keys", "/etc/shadow", "/etc/passwd")

_THRESHOLD: Final = 3
_WINDOW: Final = 60 * MICROSECONDS


class Alert(NamedTuple):
    """What the platform would say."""

    rule: str
    user: str
    host: str

    @property
    def subject(self) -> str:
        return f"{self.user}@{self.host}"


class PlatformRules:
    """Both rules. Remembers the failures of one window, as the service's sorted sets do.

    Failures of a user on a host are told apart by event id: a repeated id replaces the earlier one. Every failure that leaves
    three or more in the window alerts. One that is exactly 60 s old is no longer in it.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], OrderedDict[str, int]] = OrderedDict()

    def feed(self, seen: Seen) -> list[Alert]:
        """What this event raises."""
        if seen.event_type == "user_login":
            if seen.action_result == "FAILURE" and self._failures_until(seen) >= _THRESHOLD:
                return [Alert(FAILED_LOGINS, seen.user, seen.host)]
        elif seen.event_type == "file_modified" and seen.action_result == "MODIFIED" and is_sensitive(seen.resource):
            return [Alert(SENSITIVE_FILE, seen.user, seen.host)]
        return []

    def __len__(self) -> int:
        """Of how many pairs of user and host something is remembered."""
        return len(self._failures)

    def _failures_until(self, seen: Seen) -> int:
        now = seen.microseconds
        key = (seen.user, seen.host)
        ids = self._failures.setdefault(key, OrderedDict())
        self._failures.move_to_end(key)
        ids.pop(seen.event_id, None)
        ids[seen.event_id] = now
        while next(iter(ids.values())) <= now - _WINDOW:
            ids.popitem(last=False)
        while next(reversed(next(iter(self._failures.values())).values())) <= now - _WINDOW:
            self._failures.popitem(last=False)
        return len(ids)


def is_sensitive(resource: str | None) -> bool:
    """Whether the platform takes it for a sensitive file: a part of the path is enough."""
    return resource is not None and any(path in resource for path in SENSITIVE_PATHS)
