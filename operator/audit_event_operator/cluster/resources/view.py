"""What the API server has told of the resources, on a standby as on the leader: identity, generation, spec. Pure.

The one place that decides what is news, since watch events repeat and come late. Specs are kept parsed, as a generator takes
them; statuses are not kept here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.problems import SpecError
from audit_event_operator.resource.spec import GeneratorSpec, parse_spec

DELETED: Final = "DELETED"
REMEMBERED_DELETIONS: Final = 10_000


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


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that lives. `spec` is a sentence when it is invalid."""

    identity: Identity
    spec: GeneratorSpec | str


def identify(resource: Mapping[str, Any]) -> Identity | None:
    """Read who a resource is; None when it does not tell."""
    metadata = resource.get("metadata")
    if not isinstance(metadata, Mapping):
        return None
    namespace, name, uid = metadata.get("namespace"), metadata.get("name"), metadata.get("uid")
    generation = metadata.get("generation")
    if not all(isinstance(part, str) and part for part in (namespace, name, uid)):
        return None
    return Identity(Ref(str(namespace), str(name)), str(uid), generation if isinstance(generation, int) else 0)


def classify(event_type: str | None, resource: Mapping[str, Any]) -> Identity | Gone | None:
    """Tell whether a resource lives (as whom), is gone, or makes no sense (None)."""
    identity = identify(resource)
    if identity is None:
        return None
    if event_type == DELETED or resource["metadata"].get("deletionTimestamp"):
        return Gone(identity.uid)
    return identity


def read(identity: Identity, resource: Mapping[str, Any]) -> Resource:
    """Parse a resource's spec. Never raises."""
    spec = resource.get("spec")
    try:
        return Resource(identity, parse_spec(spec if isinstance(spec, Mapping) else {}))
    except SpecError as error:
        return Resource(identity, str(error))


class View:
    """The latest generation of each resource that lives, by UID, and a memory of those that went."""

    def __init__(self) -> None:
        self.living: dict[str, Resource] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()

    def is_gone(self, uid: str) -> bool:
        """Whether this UID went; it does not come back."""
        return uid in self._gone

    def is_news(self, identity: Identity) -> bool:
        """Whether this generation is later than the one we have."""
        known = self.living.get(identity.uid)
        return known is None or known.identity.generation < identity.generation

    def remove(self, uid: str) -> None:
        """The resource is gone; remember that, for late words about it."""
        self.living.pop(uid, None)
        self._gone[uid] = None
        while len(self._gone) > REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)

    def forget(self, uid: str) -> None:
        """Know nothing about it, not even that it went."""
        self.living.pop(uid, None)
        self._gone.pop(uid, None)

    def clear(self) -> None:
        """Forget everything."""
        self.living.clear()
        self._gone.clear()
