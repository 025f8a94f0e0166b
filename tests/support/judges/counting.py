"""What public detectors count in failed logins, each as its documented rule does or, where that is simpler, more strictly.

After an alert a judge counts from zero: it does not know that the real one would have banned the address.
"""

import ipaddress
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from support.judges.event import Seen
from support.judges.platform import PlatformRules
from support.judges.windows import Buckets, Windows

_PRIVATE: Final = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


class Alert(NamedTuple):
    """What a detector would say, and of whom."""

    rule: str
    subject: str


class Raised(Protocol):
    """Any judge's alert."""

    @property
    def rule(self) -> str: ...
    @property
    def subject(self) -> str: ...


class Judge(Protocol):
    """Is fed all events in order and says what each raises."""

    def feed(self, seen: Seen) -> Sequence[Raised]: ...


class FailuresInWindow:
    """So many failed logins of one subject in so many seconds, both ends included. `subject_of` says None for what it skips."""

    def __init__(self, rule: str, count: int, seconds: int, subject_of: Callable[[Seen], Hashable | None]) -> None:
        self._rule = rule
        self._subject_of = subject_of
        self._windows: Windows[Hashable] = Windows(count, seconds)

    def feed(self, seen: Seen) -> list[Alert]:
        if not seen.failed_login or (subject := self._subject_of(seen)) is None:
            return []
        if not self._windows.add(subject, seen.microseconds):
            return []
        self._windows.clear(subject)
        return [Alert(self._rule, str(subject))]


class FailuresThenSuccess:
    """Elastic's successful brute force: 25 failures and then a success within 15 s, first to last.

    Elastic wants one host, address and user; this one is content with the address.
    """

    def __init__(self) -> None:
        self._windows: Windows[str] = Windows(25, 15)

    def feed(self, seen: Seen) -> list[Alert]:
        if seen.address is None:
            return []
        if seen.failed_login:
            self._windows.add(seen.address, seen.microseconds)
        elif seen.login and self._windows.full(seen.address, seen.microseconds):
            self._windows.clear(seen.address)
            return [Alert("elastic success after failures", seen.address)]
        return []


class CrowdSec:
    """A leaking bucket for each address; `distinct_users` pours each name once, `unknown_users` only names that nobody has.

    CrowdSec itself never looks at private addresses: `whitelist`. The minute of silence after an overflow is left out.
    """

    def __init__(
        self,
        rule: str,
        capacity: int,
        leak_seconds: int,
        *,
        whitelist: bool = False,
        distinct_users: bool = False,
        unknown_users: bool = False,
    ) -> None:
        self._rule = rule
        self._whitelist = whitelist
        self._distinct_users = distinct_users
        self._unknown_users = unknown_users
        self._buckets: Buckets[str] = Buckets(capacity, leak_seconds)

    def feed(self, seen: Seen) -> list[Alert]:
        if not seen.failed_login or seen.address is None:
            return []
        if (self._unknown_users and not seen.unknown_user) or (self._whitelist and is_private(seen.address)):
            return []
        name = seen.user if self._distinct_users else None
        return [Alert(self._rule, seen.address)] if self._buckets.pour(seen.address, seen.microseconds, name) else []


@lru_cache(maxsize=65_536)
def is_private(address: str) -> bool:
    """Whether it lies in one of the three ranges that CrowdSec never looks at."""
    parsed = ipaddress.ip_address(address)
    return any(parsed in network for network in _PRIVATE)


def public_judges(*, whitelist: bool = False) -> dict[str, Judge]:
    """The public detectors by rule. `whitelist`: let CrowdSec's skip private addresses, as it does."""
    return {
        "fail2ban": FailuresInWindow("fail2ban", 5, 600, _address),
        "sshguard": FailuresInWindow("sshguard", 3, 1_800, _address),
        "ssh-bf": CrowdSec("ssh-bf", 5, 10, whitelist=whitelist),
        "ssh-slow-bf": CrowdSec("ssh-slow-bf", 10, 60, whitelist=whitelist),
        "user-enum": CrowdSec("user-enum", 5, 10, whitelist=whitelist, distinct_users=True, unknown_users=True),
        "elastic success after failures": FailuresThenSuccess(),
        "elastic failures": FailuresInWindow("elastic failures", 60, 30, _login),
        # The rule names no time of its own; 120 s is what is taken here.
        "wazuh": FailuresInWindow("wazuh", 8, 120, _address),
        # Sentinel counts in blocks of 4 h, for each name; any 4 h and all names together are more.
        "sentinel": FailuresInWindow("sentinel", 16, 4 * 3_600, _address_of_unknown_user),
    }


def all_judges(*, whitelist: bool = False) -> list[Judge]:
    """Every judge, the platform's included, each with an empty memory."""
    return [PlatformRules(), *public_judges(whitelist=whitelist).values()]


def _address(seen: Seen) -> str | None:
    return seen.address


def _address_of_unknown_user(seen: Seen) -> str | None:
    return seen.address if seen.unknown_user else None


def _login(seen: Seen) -> str | None:
    return None if seen.address is None else f"{seen.user}@{seen.host} from {seen.address}"
