"""Follows the resources from the start of the process to its end, on a standby as on the leader: list, watch, resync.

The watch may die and the CustomResourceDefinition may come and go; the informer goes on and never raises for either. What is
done about what it hears is the reconciler's business.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from audit_event_operator.cluster.api.client import Cluster, NotListed, Take
from audit_event_operator.cluster.api.errors import ClusterError, NotFound, Throttled
from audit_event_operator.cluster.resources.reconciler import Reconciler
from audit_event_operator.cluster.resources.view import Comparison, Json
from audit_event_operator.cluster.resources.watch import Deliver, Watch
from audit_event_operator.engine.wakeable_sleep import WakeableSleep
from audit_event_operator.pacing.backoff import Backoff
from audit_event_operator.resource.durations import Seconds
from audit_event_operator.resource.names import GROUP, PLURAL

logger = logging.getLogger(__name__)

_NO_CRD: Final = (
    f"The CustomResourceDefinition {PLURAL}.{GROUP} is not installed. "
    "Apply crds/ or an overlay; the operator notices within seconds."
)
_MISSING: Final = 'Namespace "{}" in AEG_NAMESPACES does not exist; create it, or take it out of the setting.'
_REFUSED: Final = (
    'Namespace "{}" in AEG_NAMESPACES is not served: it does not exist, or the operator\'s account may not list '
    f"{PLURAL}.{GROUP} in it. Create it, with the role in components/namespaced/role, or take it out of the setting."
)
_SECOND_LOOK_SECONDS: Final = 1.0
_BACKOFF_SECONDS: Final = (1.0, 30.0)
_LIVED_LONG_SECONDS: Final = 60.0
_CHUNK: Final = 20


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the informer lists, in seconds. `retry`: after a failed list."""

    resync: Seconds = 60
    """Time between two full lists, which catch what the watch missed."""
    crd_poll: Seconds = 5
    """Time between two checks for a missing CustomResourceDefinition."""
    retry: float = 2.0


MakeWatch = Callable[[Deliver, Callable[[], None], Sequence[str]], Watch]


@dataclass(eq=False)
class Informer:
    """Follows the resources while `run` runs."""

    cluster: Cluster
    reconciler: Reconciler
    """Takes in what is heard."""
    make_watch: MakeWatch
    """Makes a watch from what it delivers to, what it calls when it is complete again, and its namespaces."""
    namespaces: Sequence[str] = ()
    """Where to look; empty means everywhere."""
    rhythm: Rhythm = Rhythm()

    def __post_init__(self) -> None:
        self._wakeup = WakeableSleep()
        self._pause = WakeableSleep()
        self._current = asyncio.Event()
        self._strays: frozenset[str] = frozenset()
        self._was_watching = False
        self._watch: Watch | None = None
        self._trouble: str | None = "The resources have not been listed yet."
        self._not_served: dict[str, str] = {}
        self._unwatched: frozenset[str] = frozenset()

    @property
    def trouble(self) -> str | None:
        """Why this process does not follow the resources yet, a sentence; None once it does."""
        if self._trouble is None and not self._was_watching:
            return self._watch.trouble if self._watch is not None else "The watch is about to start."
        return self._trouble

    @property
    def warnings(self) -> list[str]:
        """A sentence for each namespace that is not served, while the others are."""
        return list(self._not_served.values())

    async def wait_until_current(self) -> None:
        """Return when the view is as a list told, and the watch since then: at once, unless the watch has ended."""
        if not self._current.is_set():
            self._pause.wake()
        await self._current.wait()

    async def refresh(self) -> None:
        """List now, and take in what that tells of statuses and specs. Errors are left to the watch and the resync."""
        try:
            await self.cluster.list_generators(partial(self._take_living, Comparison(self.reconciler.known())))
        except ClusterError as error:
            logger.warning("Could not list the resources before taking them over: %s", error)

    def confirm(self) -> None:
        """Compare the view with a list now instead of at the next resync, unless the watch is about to open and list."""
        if self._was_watching:
            self._wakeup.wake()

    async def run(self) -> None:
        """Follow the resources until cancelled."""
        preexisting, backoff = True, Backoff(*_BACKOFF_SECONDS)
        clock = asyncio.get_running_loop().time
        while True:
            await self._catch_up(preexisting=preexisting)
            preexisting = False
            began = clock()
            why = await self._follow()
            self._current.clear()
            if why is None:
                await self._all_gone()
                continue
            if clock() - began > _LIVED_LONG_SECONDS:
                backoff.reset()
            pause = backoff.next_seconds()
            logger.warning("The watch ended and restarts in %g s; generators keep running (%s)", pause, why)
            await self._pause.sleep(pause)

    async def _catch_up(self, *, preexisting: bool) -> None:
        """List until it works, then be as the list says."""
        while True:
            comparison = Comparison(self.reconciler.known())
            try:
                listed = await self._list(partial(self._take_all, comparison, preexisting=preexisting))
            except NotFound:
                if comparison.known:
                    await self._all_gone()
                self._note(_NO_CRD)
                await asyncio.sleep(self.rhythm.crd_poll)
            except ClusterError as error:
                self._note(str(error))
                rest = error.retry_after_seconds if isinstance(error, Throttled) else 0.0
                await asyncio.sleep(max(rest, self.rhythm.retry))
            else:
                for uid in comparison.gone - self.reconciler.known_in(listed.refused):
                    self.reconciler.discard(uid)
                self._trouble, self._unwatched = None, listed.refused
                self._note_not_served(listed)
                self._current.set()
                logger.info("Listed %d resources", comparison.listed)
                return

    async def _follow(self) -> str | None:
        """Watch and resync until the watch ends or has to (returns why) or the CustomResourceDefinition is gone (None)."""
        namespaces = [each for each in self.namespaces if each not in self._unwatched]
        self._watch = self.make_watch(self.reconciler.take, self._opened, namespaces)
        watching = asyncio.create_task(self._watch.run(), name="watch")
        resyncing = asyncio.create_task(self._resync(), name="resync")
        try:
            await asyncio.wait((watching, resyncing), return_when=asyncio.FIRST_COMPLETED)
            ended = resyncing if resyncing.done() else watching
            error = ended.exception()
            return ended.result() if error is None else f"{ended.get_name()} failed: {type(error).__name__}: {error}"
        finally:
            for task in (watching, resyncing):
                task.cancel()
            await asyncio.gather(watching, resyncing, return_exceptions=True)

    def _opened(self) -> None:
        """The watch has listed anew: what was deleted while it was away has to be found."""
        self._was_watching = True
        self._wakeup.wake()

    async def _resync(self) -> str | None:
        """Compare with a list every now and then, until there is more to watch (returns what) or no kind any more (None).

        An API server that has just started refuses what it allows later, so a refused namespace is looked at again soon.
        """
        shorter = Backoff(min(self.rhythm.crd_poll, self.rhythm.resync), self.rhythm.resync)
        seconds = self.rhythm.resync
        while True:
            await self._wakeup.sleep(shorter.next_seconds() if self._unwatched else seconds)
            seconds = self.rhythm.resync
            comparison = Comparison(self.reconciler.known(), self._strays)
            try:
                listed = await self._list(partial(self._make_up_for_what_was_missed, comparison))
            except NotFound:
                return None
            except ClusterError as error:
                logger.warning("Postponed the resync: %s", error)
                seconds = min(seconds, self.rhythm.crd_poll)
            else:
                self._note_not_served(listed)
                if readable := self._unwatched - listed.refused:
                    return f"the resources in {', '.join(sorted(readable))} can be read now"
                self._strays = comparison.strays
                for uid in comparison.gone - self.reconciler.known_in(listed.refused):
                    logger.info("The watch missed the deletion of the resource with UID %s", uid)
                    self.reconciler.discard(uid)

    async def _make_up_for_what_was_missed(self, comparison: Comparison, page: list[Json]) -> None:
        found = comparison.read(page)
        await self._take(found.living)
        for resource in found.revived:
            logger.info("The watch missed the resource with UID %s", resource["metadata"]["uid"])
            self.reconciler.retake(resource)

    async def _take_all(self, comparison: Comparison, page: list[Json], *, preexisting: bool) -> None:
        comparison.read(page)
        await self._take(page, preexisting=preexisting)

    async def _take_living(self, comparison: Comparison, page: list[Json]) -> None:
        await self._take(comparison.read(page).living)

    async def _take(self, resources: Iterable[Json], *, preexisting: bool = False) -> None:
        for number, resource in enumerate(resources, start=1):
            self.reconciler.take(None, resource, preexisting=preexisting)
            if number % _CHUNK == 0:
                await asyncio.sleep(0)

    async def _list(self, take: Take) -> NotListed:
        """List; a kind that is not there is looked for twice, since all would be stopped."""
        try:
            return await self.cluster.list_generators(take)
        except NotFound:
            await asyncio.sleep(_SECOND_LOOK_SECONDS)
            return await self.cluster.list_generators(take)

    async def _all_gone(self) -> None:
        logger.warning("The CustomResourceDefinition %s.%s is gone; stopping all generators", PLURAL, GROUP)
        self._was_watching = False
        self._trouble = _NO_CRD
        await self.reconciler.all_gone()

    def _note_not_served(self, listed: NotListed) -> None:
        """Say once of each namespace that it is not served, and once that it is."""
        now = {each: _MISSING.format(each) for each in sorted(listed.missing)}
        now |= {each: _REFUSED.format(each) for each in sorted(listed.refused)}
        for namespace, sentence in now.items():
            if self._not_served.get(namespace) != sentence:
                logger.warning("%s", sentence)
        for namespace in self._not_served.keys() - now:
            logger.info('Namespace "%s" is served now', namespace)
        self._not_served = now

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            logger.warning("%s", trouble)
        self._trouble = trouble
