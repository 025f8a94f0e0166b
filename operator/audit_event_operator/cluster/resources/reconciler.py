"""From what Kubernetes says about a resource to what the fleet does about it. Total: nothing that a resource says raises.

Deciding is pure; the Reconciler acts, and remembers which generations it has already passed on, since watch events repeat.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.spec import GeneratorSpec, SpecError, parse_spec
from audit_event_operator.resource.status import Progress, parse_progress

logger = logging.getLogger(__name__)

DELETED: Final = "DELETED"
REMEMBERED_DELETIONS: Final = 10_000


class FleetPort(Protocol):
    """What the fleet does for us."""

    def apply(
        self, ref: Ref, uid: str, generation: int, spec: GeneratorSpec, progress: Progress, *, preexisting: bool
    ) -> None:
        """Have a generator run this spec."""

    def reject(self, ref: Ref, uid: str, generation: int, message: str, progress: Progress | None = None) -> None:
        """Stop the generator and say why."""

    def discard(self, uid: str) -> None:
        """The resource is gone."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which resource something is about."""

    ref: Ref
    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class Gone:
    """The resource is deleted, or being deleted."""

    uid: str


def identify(resource: Mapping[str, Any]) -> Identity | None:
    """Read who a resource is; None when that cannot be said."""
    metadata = resource.get("metadata")
    if not isinstance(metadata, Mapping):
        return None
    namespace, name, uid = metadata.get("namespace"), metadata.get("name"), metadata.get("uid")
    generation = metadata.get("generation")
    if not all(isinstance(part, str) and part for part in (namespace, name, uid)):
        return None
    return Identity(Ref(str(namespace), str(name)), str(uid), generation if isinstance(generation, int) else 0)


def judge(event_type: str | None, resource: Mapping[str, Any]) -> Identity | Gone | None:
    """Say whether a resource lives (as whom), is gone, or cannot be made sense of (None)."""
    identity = identify(resource)
    if identity is None:
        return None
    if event_type == DELETED or resource["metadata"].get("deletionTimestamp"):
        return Gone(identity.uid)
    return identity


class Reconciler:
    """Passes resources on to the fleet.

    Args:
        fleet: who runs them.
        seen: called with UID and status of each resource that lives, as the API server has it.
        forgotten: called with the UID of each one that is gone.
    """

    def __init__(
        self, fleet: FleetPort, seen: Callable[[str, Mapping[str, Any]], None], forgotten: Callable[[str], None]
    ) -> None:
        self._fleet = fleet
        self._seen = seen
        self._forgotten = forgotten
        self._generations: dict[str, int] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self.results: dict[str, int] = {"applied": 0, "rejected": 0, "discarded": 0, "ignored": 0, "error": 0}

    def take(self, event_type: str | None, resource: Mapping[str, Any], *, preexisting: bool = False) -> None:
        """Act on one watch event or listed resource. Never raises.

        Args:
            event_type: DELETED, or anything else.
            resource: the object as JSON.
            preexisting: it existed before this process took over.
        """
        try:
            match judge(event_type, resource):
                case Gone(uid):
                    self.discard(uid)
                case Identity() as identity:
                    self._adopt(identity, resource, preexisting=preexisting)
                case None:
                    self.results["ignored"] += 1
                    logger.warning("Ignored a watch event without namespace, name or uid")
        except Exception:  # one strange resource must not stop the others; the resync comes back to it
            self.results["error"] += 1
            logger.exception("A resource could not be taken up; this is a bug")

    def discard(self, uid: str) -> None:
        """The resource with this UID is gone; it does not come back."""
        self._generations.pop(uid, None)
        if uid not in self._gone:
            self.results["discarded"] += 1
        self._gone[uid] = None
        while len(self._gone) > REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)
        self._fleet.discard(uid)
        self._forgotten(uid)

    def retake(self, resource: Mapping[str, Any]) -> None:
        """Take up a resource that was found alive although it is not running here."""
        identity = identify(resource)
        if identity is not None:
            self._gone.pop(identity.uid, None)
            self._generations.pop(identity.uid, None)
            self.take(None, resource)

    def reset(self) -> None:
        """Forget everything: the fleet was stopped as a whole."""
        self._generations.clear()
        self._gone.clear()

    def _adopt(self, identity: Identity, resource: Mapping[str, Any], *, preexisting: bool) -> None:
        uid, generation = identity.uid, identity.generation
        if uid in self._gone:
            return
        status = resource.get("status")
        status = status if isinstance(status, Mapping) else {}
        self._seen(uid, status)
        if self._generations.get(uid, -1) >= generation:
            return
        progress, spec = parse_progress(status), resource.get("spec")
        try:
            parsed = parse_spec(spec if isinstance(spec, Mapping) else {})
        except SpecError as error:
            self._fleet.reject(identity.ref, uid, generation, str(error), progress)
            self.results["rejected"] += 1
            logger.warning("Refused the spec of %s: %s", identity.ref, error)
        else:
            self._fleet.apply(identity.ref, uid, generation, parsed, progress, preexisting=preexisting)
            self.results["applied"] += 1
        self._generations[uid] = generation
