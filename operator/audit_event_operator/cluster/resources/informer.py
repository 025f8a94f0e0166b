"""One term of leadership: list, watch, resync, report — until the Lease is lost or the process ends.

The watch may die and the CustomResourceDefinition may come and go; the term goes on. It never raises for either.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from audit_event_operator.cluster.api.errors import ClusterError, NotFound, Throttled
from audit_event_operator.cluster.resources.reconciler import FleetPort, Reconciler
from audit_event_operator.cluster.resources.resync import compare
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.resource.durations import Seconds
from audit_event_operator.resource.names import GROUP, PLURAL

logger = logging.getLogger(__name__)

_NO_CRD: Final = (
    f"The CustomResourceDefinition {PLURAL}.{GROUP} is not installed. "
    "Apply crds/ or an overlay; it is noticed within seconds."
)
_SECOND_LOOK_SECONDS: Final = 1.0
_BACKOFF_SECONDS: Final = (1.0, 30.0)
_LIVED_LONG_SECONDS: Final = 60.0
_CHUNK: Final = 50

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often a term looks, in seconds. `retry`: after a list that failed."""

    resync: Seconds = 60
    """Time between two lists that find what the watch missed."""
    crd_poll: Seconds = 5
    """Time between two looks for the CustomResourceDefinition until it is served."""
    retry: float = 2.0


class Lists(Protocol):
    """What we need of the API server."""

    async def list_generators(self) -> list[Json]:
        """All resources; NotFound when the CustomResourceDefinition is not served."""


class WatchRun(Protocol):
    """One run of the watch."""

    @property
    def trouble(self) -> str | None:
        """Why it does not hear everything yet, a sentence; None once it does."""

    async def run(self) -> str:
        """Watch until it ends by itself; says why."""


class RunningFleet(FleetPort, Protocol):
    """What the fleet does for a term."""

    def uids(self) -> frozenset[str]:
        """Who runs."""

    async def stop_all(self) -> None:
        """End all generators at once."""


MakeWatch = Callable[[Callable[[str | None, Json], None], Callable[[], None]], WatchRun]


class Informer:
    """Follows the resources while `run` runs.

    Args:
        fleet: who runs the generators.
        lists: the API server.
        intake: takes resources up.
        make_watch: makes a watch from what it shall deliver to and what it shall call when it is complete again.
        forget_all: called when all resources are gone at once.
        rhythm: how often to look.
    """

    def __init__(
        self,
        fleet: RunningFleet,
        lists: Lists,
        reconciler: Reconciler,
        make_watch: MakeWatch,
        *,
        forget_all: Callable[[], None] = lambda: None,
        rhythm: Rhythm = Rhythm(),
    ) -> None:
        self._fleet = fleet
        self._lists = lists
        self._reconciler = reconciler
        self._make_watch = make_watch
        self._forget_all = forget_all
        self._rhythm = rhythm
        self._wakeup = WakeableSleep()
        self._strays: frozenset[str] = frozenset()
        self._was_watching = False
        self._watch: WatchRun | None = None
        self._trouble: str | None = "The resources have not been listed yet."

    @property
    def trouble(self) -> str | None:
        """Why this process does not follow the resources yet, a sentence; None once it does."""
        if self._trouble is None and not self._was_watching:
            return self._watch.trouble if self._watch is not None else "The watch is about to begin."
        return self._trouble

    async def run(self) -> None:
        """Follow the resources until cancelled."""
        preexisting, backoff = True, _BACKOFF_SECONDS[0]
        clock = asyncio.get_running_loop().time
        while True:
            await self._catch_up(preexisting=preexisting)
            preexisting = False
            began = clock()
            why = await self._follow()
            if why is None:
                await self._all_gone()
                continue
            backoff = _BACKOFF_SECONDS[0] if clock() - began > _LIVED_LONG_SECONDS else backoff
            logger.warning("The watch ended and starts again in %g s; generators go on (%s)", backoff, why)
            await asyncio.sleep(backoff)
            backoff = min(_BACKOFF_SECONDS[1], backoff * 2)

    async def _catch_up(self, *, preexisting: bool) -> None:
        """List until it works, then be as the list says."""
        while True:
            running = self._fleet.uids()
            try:
                listed = await self._list()
            except NotFound:
                if running:
                    await self._all_gone()
                self._tell(_NO_CRD)
                await asyncio.sleep(self._rhythm.crd_poll)
            except ClusterError as error:
                self._tell(str(error))
                rest = error.retry_after_seconds if isinstance(error, Throttled) else 0.0
                await asyncio.sleep(max(rest, self._rhythm.retry))
            else:
                for number, resource in enumerate(listed, start=1):
                    self._reconciler.take(None, resource, preexisting=preexisting)
                    if number % _CHUNK == 0:
                        await asyncio.sleep(0)
                for uid in compare(running, listed, frozenset()).gone:
                    self._reconciler.discard(uid)
                self._trouble = None
                logger.info("Took up %d resources", len(listed))
                return

    async def _follow(self) -> str | None:
        """Watch and resync until the watch ends (returns why) or the CustomResourceDefinition is gone (None)."""
        self._watch = self._make_watch(self._reconciler.take, self._opened)
        watching = _task(self._watch.run(), "watch")
        resyncing = _task(self._resync_until_gone(), "resync")
        try:
            await asyncio.wait((watching, resyncing), return_when=asyncio.FIRST_COMPLETED)
            return None if resyncing.done() and resyncing.exception() is None else await _first(watching, resyncing)
        finally:
            for task in (watching, resyncing):
                task.cancel()
            await asyncio.gather(watching, resyncing, return_exceptions=True)

    def _opened(self) -> None:
        """The watch has listed anew: what was deleted while it was away has to be found."""
        self._was_watching = True
        self._wakeup.wake()

    async def _resync_until_gone(self) -> str:
        """Compare with a list every now and then; returns when the CustomResourceDefinition is gone."""
        seconds = self._rhythm.resync
        while True:
            await self._wakeup.sleep(seconds)
            seconds = self._rhythm.resync
            running = self._fleet.uids()
            try:
                listed = await self._list()
            except NotFound:
                return "gone"
            except ClusterError as error:
                logger.warning("The resync is put off: %s", error)
                seconds = min(seconds, self._rhythm.crd_poll)
            else:
                await self._mend(running, listed)
                del listed  # thousands of resources weigh megabytes, and it is a minute until the next look

    async def _mend(self, running: frozenset[str], listed: list[Json]) -> None:
        found = compare(running, listed, self._strays)
        self._strays = found.strays
        for uid in found.gone:
            logger.info("The resource with UID %s went unnoticed; stopping its generator", uid)
            self._reconciler.discard(uid)
        for number, resource in enumerate(found.living, start=1):
            self._reconciler.take(None, resource)
            if number % _CHUNK == 0:
                await asyncio.sleep(0)
        for resource in found.revived:
            logger.info("The resource with UID %s was not running; starting it", resource["metadata"]["uid"])
            self._reconciler.retake(resource)

    async def _list(self) -> list[Json]:
        """List; a kind that is not there is looked for twice, since all would be stopped."""
        try:
            return await self._lists.list_generators()
        except NotFound:
            await asyncio.sleep(_SECOND_LOOK_SECONDS)
            return await self._lists.list_generators()

    async def _all_gone(self) -> None:
        logger.warning("The CustomResourceDefinition %s.%s is gone: all generators stop", PLURAL, GROUP)
        self._was_watching = False
        self._trouble = _NO_CRD
        await self._fleet.stop_all()
        self._reconciler.reset()
        self._forget_all()

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("%s", trouble)
        self._trouble = trouble


def _task(work: Coroutine[Any, Any, str], name: str) -> asyncio.Task[str]:
    return asyncio.get_running_loop().create_task(work, name=name)


async def _first(*tasks: asyncio.Task[str]) -> str:
    """What the first finished task said; an exception as a sentence of its own."""
    for task in tasks:
        if task.done() and not task.cancelled():
            error = task.exception()
            return task.result() if error is None else f"{task.get_name()} failed: {type(error).__name__}: {error}"
    return "it was cancelled"
