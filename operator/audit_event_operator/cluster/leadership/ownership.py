"""Whose a resource is when two installations serve one namespace: what was heard of the others, and what follows. Pure.

An installation is named by its Lease. The smaller name goes on; the larger one yields while the smaller shows signs of life,
which are the statuses it writes. As with a Lease, how old a sign is counts the reader's own clock; only a status that was
there before us is judged by the time it tells.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, NamedTuple

from audit_event_operator.resource.durations import Seconds
from audit_event_operator.resource.status import installation_of

Status = Mapping[str, Any]

HOLD_REFRESHES: Final = 10
"""So many refreshes after the last sign of the one that yields, the one that goes on asks whether it is still there."""


@dataclass(frozen=True, slots=True)
class OwnershipTiming:
    """How long two installations wait for each other, in seconds. Each is a setting; they must be alike in both."""

    refresh: Seconds = 30
    """Time between two renewals of status.ownerRenewTime while another installation serves the same resource."""
    timeout: Seconds = 90
    """How long an installation that yielded a resource waits for a renewal before it takes the resource over."""


class Stance(Enum):
    """What an installation does about a resource."""

    ALONE = "alone"
    CONTESTED = "contested"
    """Goes on, and says that another one is there."""
    ASKING = "asking"
    """As CONTESTED, but nothing was heard of the other for long: without status.ownerRenewTime, it makes itself known."""
    YIELDS = "yields"


@dataclass(frozen=True, slots=True)
class Sign:
    """The last sign of life of another installation."""

    at: float
    """When we noticed, on our clock."""
    status: Status
    """What it wrote."""

    @property
    def knows_us(self) -> bool:
        """Whether its writer knows that another installation is there."""
        return "ownerRenewTime" in self.status


class Heard(NamedTuple):
    """The last status of another installation, and its resourceVersion."""

    status: Status
    version: int


class Ownership:
    """What one installation has heard of others, by UID and installation. Seconds are of one steady clock of the caller.

    Args:
        ours: this installation's name.
        timing: how long signs count.
    """

    def __init__(self, ours: str, timing: OwnershipTiming) -> None:
        self.ours = ours
        self._timing = timing
        self._heard: dict[str, Heard | None] = {}
        self._signs: dict[str, dict[str, Sign]] = {}

    def hear(self, uid: str, status: Status, now: float, wall: datetime, version: int = 0) -> bool:
        """Take in a status as the API server has it; returns whether it is a new sign of another installation.

        `version` is its resourceVersion, 0 when unknown: a list that was asked for before a watch event may arrive after it.
        """
        first, last = uid not in self._heard, self._heard.setdefault(uid, None)
        writer = installation_of(status.get("owner"))
        if writer in (None, self.ours) or (last is not None and (last.status == status or 0 < version < last.version)):
            return False
        self._heard[uid] = Heard(status, version)
        age = _age_seconds(status.get("ownerRenewTime"), wall) if first else 0.0
        if age is None or abs(age) >= self._timing.timeout:
            return False  # it was there before us, and nothing tells that its writer still is
        self._signs.setdefault(uid, {})[str(writer)] = Sign(now - max(0.0, age), status)
        return True

    def stance(self, uid: str, now: float) -> Stance:
        """What to do about a resource now."""
        signs, timing = self._signs.get(uid, {}), self._timing
        if any(now - each.at < timing.timeout for name, each in signs.items() if name < self.ours):
            return Stance.YIELDS
        age = min((now - each.at for name, each in signs.items() if name > self.ours), default=None)
        hold = HOLD_REFRESHES * timing.refresh
        if age is None or age >= hold + timing.refresh:
            return Stance.ALONE
        return Stance.CONTESTED if age < hold else Stance.ASKING

    def rival(self, uid: str) -> str:
        """The other installation that matters most: the one heard last, of those to yield to if any; empty for none."""
        signs = self._signs.get(uid, {})
        return max(signs, key=lambda name: (name < self.ours, signs[name].at), default="")

    def sign(self, uid: str) -> Sign | None:
        """The last sign of that one."""
        return self._signs.get(uid, {}).get(self.rival(uid))

    def postpone(self, uids: Iterable[str], now: float) -> None:
        """The API server could not be asked, so its silence tells nothing: wait for one more refresh."""
        at = now - self._timing.timeout + self._timing.refresh
        for uid in uids:
            for name, sign in self._signs.get(uid, {}).items():
                if name < self.ours:
                    self._signs[uid][name] = Sign(max(sign.at, at), sign.status)

    def bury(self, uid: str) -> None:
        """Those that we would yield to are gone."""
        self._keep(uid, {name: each for name, each in self._signs.get(uid, {}).items() if name > self.ours})

    def forget_signs(self, uid: str) -> None:
        """No other installation is there any more."""
        self._keep(uid, {})

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._heard.pop(uid, None)
        self._signs.pop(uid, None)

    def uids(self) -> list[str]:
        """The resources that another installation wrote about."""
        return list(self._signs)

    def _keep(self, uid: str, signs: dict[str, Sign]) -> None:
        if signs:
            self._signs[uid] = signs
        else:
            self._signs.pop(uid, None)


def _age_seconds(time: object, wall: datetime) -> float | None:
    try:
        return (wall - datetime.fromisoformat(str(time)).astimezone(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
