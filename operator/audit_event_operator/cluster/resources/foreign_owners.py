"""Acts on what `ownership` decides about resources that another installation serves, too: yields, goes on, takes over.

Everything else is told by callbacks. It hears of all statuses at all times, so that a take-over knows; it acts on the
resources that are assigned to this process only.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError
from audit_event_operator.cluster.leadership.ownership import Ownership, OwnershipTiming, Stance
from audit_event_operator.cluster.resources.view import Identity, Json, identify
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.status import Contested, installation_of

logger = logging.getLogger(__name__)

_LOOKS_PER_REFRESH: Final = 6
_NAMES_SHOWN: Final = 3
_CHUNK: Final = 200
_REMEDY: Final = "Uninstall one of the two, or set AEG_NAMESPACES so that no namespace is in both."


@dataclass(slots=True)
class _Renewals:
    """The signs of life of a resource that we go on with: one each refresh from the first one on.

    They follow from the time, so every write of the status carries the latest.
    """

    at: float
    wall: datetime
    told: int = 0
    """Which one the reporter was last told of."""

    def latest(self, now: float, refresh: float) -> int:
        return int((now - self.at) // refresh)


@dataclass(eq=False, kw_only=True)
class ForeignOwners:
    """Which resources this installation leaves to another one, and which it goes on with although another one is there."""

    cluster: Cluster
    owner: str
    """This process, as status.owner shows it: its part before the last slash names the installation."""
    is_assigned: Callable[[str], bool]
    """Whether the resource with a UID is this process's among those of its own installation."""
    stop: Callable[[str], None]
    """Stops the stream of a resource that another installation serves."""
    resume: Callable[[str], None]
    """Starts the stream of a resource that the other installation does not serve any more."""
    take: Callable[[str | None, Json], None]
    """Takes in a resource that was read before such a start."""
    changed: Callable[[str], None]
    """Has the status of a resource looked at."""
    claim: Callable[[Ref, str, Mapping[str, Any]], Awaitable[None]]
    """Writes another installation's status back with this process as its owner."""
    announce: Callable[[Ref, str, str], None]
    """Tells the users of a resource that another installation serves it; takes a sentence."""
    timing: OwnershipTiming = OwnershipTiming()  # noqa: RUF009 - frozen
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The time of day, aware."""

    def __post_init__(self) -> None:
        self.ours = installation_of(self.owner) or self.owner
        self._ownership = Ownership(self.ours, self.timing)
        self._refs: dict[str, Ref] = {}
        self._yielded: dict[str, Ref] = {}
        self._renewed: dict[str, _Renewals] = {}
        self._knocked_at: dict[str, float] = {}
        self._knocks: set[asyncio.Task[None]] = set()

    # -- what others ask -----------------------------------------------------------------------------------------------

    def is_ours(self, identity: Identity) -> bool:
        """Whether this process serves a resource."""
        return self.is_assigned(identity.uid) and identity.uid not in self._yielded

    def yields(self, uid: str) -> bool:
        """Whether another installation serves a resource in our stead."""
        return uid in self._yielded

    def contested(self, uid: str) -> Contested | None:
        """What the status of a resource has to tell of another installation; None when there is none."""
        renewed = self._renewed.get(uid)
        if renewed is None:
            return None
        now, refresh = self._now(), self.timing.refresh
        asking = self._ownership.stance(uid, now) is Stance.ASKING
        latest = renewed.wall + renewed.latest(now, refresh) * timedelta(seconds=refresh)
        message = (
            f"Another installation of the operator (Lease {self._ownership.rival(uid)}) also wants to serve this resource."
            f" This one (Lease {self.ours}) goes on, and the other one yields. {_REMEDY}"
        )
        return Contested(message, None if asking else latest)

    def count(self) -> int:
        """How many resources another installation serves or wants to serve."""
        return len(self._yielded) + len(self._renewed)

    def warnings(self) -> list[str]:
        """A sentence for each installation that we yield to."""
        by_rival: dict[str, list[str]] = defaultdict(list)
        for uid, ref in self._yielded.items():
            by_rival[self._ownership.rival(uid)].append(str(ref))
        return [self._warning(rival, names) for rival, names in sorted(by_rival.items())]

    # -- what others tell ----------------------------------------------------------------------------------------------

    def heard(self, identity: Identity, status: Mapping[str, Any], version: int = 0) -> None:
        """The API server had this status at a resourceVersion (0: unknown), as a watch event or list tells."""
        uid, now = identity.uid, self._now()
        if not self._ownership.hear(uid, status, now, self.wall(), version):
            return
        self._refs[uid] = identity.ref
        self._settle(uid, now, answer=True)

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._ownership.forget(uid)
        for memory in (self._refs, self._yielded, self._renewed, self._knocked_at):
            memory.pop(uid, None)

    # -- life ----------------------------------------------------------------------------------------------------------

    def reassigned(self) -> None:
        """Other resources are assigned from now on: decide about what was heard of them, before any stream starts."""
        for memory in (self._yielded, self._renewed, self._knocked_at):
            for uid in [uid for uid in memory if not self.is_assigned(uid)]:
                del memory[uid]
        for uid in self._ownership.uids():
            self._settle(uid, self._now())

    async def run(self) -> None:
        """Renew, and take over what the other installation has left, until cancelled."""
        try:
            while True:
                await asyncio.sleep(self.timing.refresh / _LOOKS_PER_REFRESH)
                await self._look_around()
        finally:
            for task in self._knocks:
                task.cancel()

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _look_around(self) -> None:
        now = self._now()
        silent = {uid for uid in self._yielded if self._ownership.stance(uid, now) is not Stance.YIELDS}
        if silent:
            await self._ask_about(silent)
        for number, uid in enumerate(self._ownership.uids(), start=1):
            self._settle(uid, self._now())
            if number % _CHUNK == 0:
                await asyncio.sleep(0)

    async def _ask_about(self, silent: set[str]) -> None:
        """Read resources again before they are taken over: it may be that only we have heard nothing."""
        logger.info(
            "The other installation has not written the status of %s for %g s; reading it again before taking over",
            f"{len(silent)} resources" if len(silent) > 1 else self._yielded[min(silent)],
            self.timing.timeout,
        )
        found: set[str] = set()

        async def take(page: Sequence[Json]) -> None:
            for each in page:
                who = identify(each)
                if who is not None and who.uid in silent:
                    found.add(who.uid)
                    self.take(None, each)

        try:
            await self.cluster.list_generators(take)
        except ClusterError as error:
            logger.warning("Postponed taking over %d resources of another installation: %s", len(silent), error)
        self._ownership.postpone(silent - found, self._now())

    def _settle(self, uid: str, now: float, *, answer: bool = False) -> None:
        """Act on the stance to a resource of ours; `answer`: the other installation has just written."""
        if not self.is_assigned(uid):
            return
        stance = self._ownership.stance(uid, now)
        if stance is Stance.YIELDS:
            self._yield(uid, now)
            return
        returns = self._yielded.pop(uid, None) is not None
        if returns:
            logger.info("Taking over %s: %s serves it no more", self._refs[uid], self._ownership.rival(uid))
        self._ownership.bury(uid)
        if stance is Stance.ALONE:
            self._ownership.forget_signs(uid)
            if self._renewed.pop(uid, None) is not None:
                logger.info("No other installation claims %s any more", self._refs[uid])
                self.changed(uid)
            self._refs.pop(uid, None)
        else:
            self._go_on(uid, now, answer=answer, asking=stance is Stance.ASKING)
        if returns:
            self.resume(uid)

    def _go_on(self, uid: str, now: float, *, answer: bool, asking: bool) -> None:
        renewed = self._renewed.get(uid)
        if renewed is None:
            logger.warning(
                "Another installation (Lease %s) also wants to serve %s; this one (Lease %s) goes on. %s",
                self._ownership.rival(uid), self._refs[uid], self.ours, _REMEDY,
            )  # fmt: skip
        if asking:
            self.changed(uid)  # which writes once that the sign of life is gone
        elif renewed is None or answer:
            self._renewed[uid] = _Renewals(now, self.wall())
            self.changed(uid)
        elif renewed.told != (latest := renewed.latest(now, self.timing.refresh)):
            renewed.told = latest
            self.changed(uid)

    def _yield(self, uid: str, now: float) -> None:
        if uid not in self._yielded:
            ref = self._yielded[uid] = self._refs[uid]
            self._renewed.pop(uid, None)
            sentence = (
                f"Another installation of the operator (Lease {self._ownership.rival(uid)}) serves this resource, so this"
                f" one (Lease {self.ours}) does not. {_REMEDY}"
            )
            logger.warning("Yielding %s. %s", ref, sentence)
            self.stop(uid)
            self.announce(ref, uid, sentence)
        sign, knocked_at = self._ownership.sign(uid), self._knocked_at.get(uid)
        if sign is None or sign.knows_us or (knocked_at is not None and now - knocked_at < self.timing.refresh):
            return
        self._knocked_at[uid] = now
        task = asyncio.get_running_loop().create_task(
            self._knock(self._refs[uid], uid, sign.status), name=f"knock {self._refs[uid]}"
        )
        self._knocks.add(task)
        task.add_done_callback(self._knocks.discard)

    async def _knock(self, ref: Ref, uid: str, status: Mapping[str, Any]) -> None:
        """Make ourselves known to an installation that goes on and does not know of us: it will write its status again."""
        try:
            await self.claim(ref, uid, status)
        except ClusterError as error:
            logger.warning("Could not tell the other installation that %s is claimed twice: %s", ref, error)

    def _warning(self, rival: str, names: list[str]) -> str:
        shown = ", ".join(islice(sorted(names), _NAMES_SHOWN))
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        return (
            f"Another installation of the operator (Lease {rival}) serves {shown}{more} in place of this one. {_REMEDY}"
        )

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
