"""From what the API server tells of a resource to what the fleet does about it. Total: nothing that a resource says raises.

It keeps the view up to date whether or not this process works, and has the fleet run what the assignment calls ours.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from typing import Final

from audit_event_operator.cluster.leadership.buckets import bucket_of
from audit_event_operator.cluster.resources.foreign_owners import ForeignOwners
from audit_event_operator.cluster.resources.view import Identity, Json, Resource, View, identify, is_leaving
from audit_event_operator.cluster.status.reporter import Reporter
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.status import parse_progress

logger = logging.getLogger(__name__)

_CHUNK: Final = 50


class Reconciler:
    """Takes in what is told of resources, and passes on to the fleet what is ours; the reporter keeps the statuses.

    `leaving` is told of each resource of ours that is being deleted and still there.
    """

    def __init__(
        self,
        fleet: Fleet,
        reporter: Reporter,
        owners: ForeignOwners,
        leaving: Callable[[Ref, str, Json], None] = lambda *_: None,
    ) -> None:
        self._fleet = fleet
        self._reporter = reporter
        self._leaving = leaving
        self._owners = owners
        self.view = View()
        self.results: dict[str, int] = {"applied": 0, "rejected": 0, "discarded": 0, "ignored": 0, "error": 0}
        """Handled changes by what came of them."""

    def take(self, event_type: str | None, resource: Json, *, preexisting: bool = False) -> None:
        """Take in one watch event or listed resource. Never raises.

        Args:
            event_type: DELETED, or anything else.
            resource: the object as JSON.
            preexisting: it existed before this process took over.
        """
        with self._contained():
            identity = identify(resource)
            if identity is None:
                self.results["ignored"] += 1
                logger.warning("Ignored a watch event without namespace, name or uid")
            elif event_type == "DELETED":
                self.discard(identity.uid)
            elif is_leaving(resource):
                ours = self._owners.is_ours(identity)
                self.discard(identity.uid)
                if ours:
                    self._leaving(identity.ref, identity.uid, resource)
            else:
                self._adopt(identity, resource, preexisting=preexisting)

    def retake(self, resource: Json) -> None:
        """Take in a resource that was found alive although it is not followed here."""
        identity = identify(resource)
        if identity is not None:
            self.view.forget(identity.uid)
            self.take(None, resource)

    def discard(self, uid: str) -> None:
        """The resource is gone; it does not come back."""
        self._forget(uid)
        self._fleet.discard(uid)

    def departed(self, uid: str) -> None:
        """The fleet let a resource go: for us, or because the API server did not have it any more."""
        self.results["discarded"] += 1
        self._forget(uid)

    def living_in(self, buckets: Collection[int]) -> list[str]:
        """UIDs of the resources in these buckets that live, as far as we know."""
        return [uid for uid in self.known() if bucket_of(uid) in buckets]

    async def take_over(self, spread_seconds: float | None = None) -> None:
        """Have the fleet run what is ours and does not run yet. It existed before, so first ticks keep their rhythm.

        They are spread over `spread_seconds`, if given.
        """
        uids = list(self.view.living)
        for start in range(0, len(uids), _CHUNK):
            running = self._fleet.uids()
            for uid in uids[start : start + _CHUNK]:
                resource = self.view.living.get(uid)
                if resource is not None and uid not in running and self._owners.is_ours(resource.identity):
                    self.view.forget(uid)  # so that the resync finds it if it does not start
                    with self._contained():
                        self._start(resource, preexisting=True, spread_seconds=spread_seconds)
                        self.view.keep(resource)
            await asyncio.sleep(0)

    def resume(self, uid: str) -> None:
        """Another installation served the resource until now: go on where its status says that it ended."""
        resource = self.view.living.get(uid)
        if resource is not None and self._owners.is_ours(resource.identity):
            with self._contained():
                self._start(resource, preexisting=True)

    async def all_gone(self) -> None:
        """Their kind does not exist any more, and so none of them does."""
        await self._fleet.stop_all()
        for uid in self.view.living:
            self._owners.forget(uid)
        self.view.clear()
        self._reporter.clear()

    def known(self) -> frozenset[str]:
        """UIDs of the resources that live, as far as we know."""
        return self._fleet.uids().union(self.view.living)

    def known_in(self, namespaces: Collection[str]) -> frozenset[str]:
        """UIDs of those in these namespaces."""
        if not namespaces:
            return frozenset()
        viewed = ((uid, each.identity.ref) for uid, each in self.view.living.items())
        running = ((each.uid, each.ref) for each in self._fleet.snapshots())
        return frozenset(uid for uid, ref in chain(viewed, running) if ref.namespace in namespaces)

    def _adopt(self, identity: Identity, resource: Json, *, preexisting: bool) -> None:
        if self.view.is_gone(identity.uid):
            return
        status = resource.get("status")
        status = status if isinstance(status, Mapping) else {}
        version = _version_of(resource)
        self._reporter.seen(identity.uid, status, version)
        self._owners.heard(identity, status, version)
        if not self.view.is_news(identity):
            return
        news = self.view.specs.read(identity, resource)
        if self._owners.is_ours(identity):
            self._start(news, preexisting=preexisting)
        self.view.keep(news)

    def _start(self, resource: Resource, *, preexisting: bool, spread_seconds: float | None = None) -> None:
        ref, uid, generation = resource.identity.ref, resource.identity.uid, resource.identity.generation
        progress = parse_progress(self._reporter.status(uid))
        if isinstance(resource.spec, str):
            self._fleet.reject(ref, uid, generation, resource.spec, progress)
            self.results["rejected"] += 1
            logger.warning("Rejected the spec of %s: %s", ref, resource.spec)
        else:
            self._fleet.apply(
                ref, uid, generation, resource.spec, progress, preexisting=preexisting, spread_seconds=spread_seconds
            )
            self.results["applied"] += 1

    def _forget(self, uid: str) -> None:
        self.view.remove(uid)
        self._reporter.forget(uid)
        self._owners.forget(uid)

    @contextmanager
    def _contained(self) -> Iterator[None]:
        """One strange resource must not stop the others; the resync comes back to it."""
        try:
            yield
        except Exception:
            self.results["error"] += 1
            logger.exception("Failed to reconcile a resource; this is a bug")


def _version_of(resource: Json) -> int:
    """The resourceVersion of a resource, 0 where it has none that can be compared."""
    metadata = resource.get("metadata")
    version = str(metadata.get("resourceVersion") if isinstance(metadata, Mapping) else "")
    return int(version) if version.isdecimal() else 0
