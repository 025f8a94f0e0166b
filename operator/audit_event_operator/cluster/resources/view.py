"""What the API server has told of the resources, on a standby as on the leader: identity, generation, spec. Pure.

The one place that decides what is news, since watch events repeat, come late, or do not come. Specs are kept parsed, as a
generator takes them; statuses are not kept here.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

import orjson

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.kept_json import kept_json
from audit_event_operator.resource.problems import SpecError
from audit_event_operator.resource.spec import GeneratorSpec, parse_spec

REMEMBERED_DELETIONS: Final = 10_000
SHARED_BYTES: Final = 1_024
"""Longer specs, as JSON, are seldom equal, and their texts would weigh."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which resource something is about."""

    ref: Ref
    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that lives. `spec` is a sentence when it is invalid."""

    identity: Identity
    spec: GeneratorSpec | str


def identify(resource: Json) -> Identity | None:
    """Read who a resource is; None when it does not tell."""
    metadata = resource.get("metadata")
    if not isinstance(metadata, Mapping):
        return None
    namespace, name, uid = metadata.get("namespace"), metadata.get("name"), metadata.get("uid")
    generation = metadata.get("generation")
    if not all(isinstance(part, str) and part for part in (namespace, name, uid)):
        return None
    return Identity(Ref(str(namespace), str(name)), str(uid), generation if isinstance(generation, int) else 0)


def is_leaving(resource: Json) -> bool:
    """Whether the API server is about to delete a resource that has an identity."""
    return bool(resource["metadata"].get("deletionTimestamp"))


class Specs:
    """Parses specs; resources with equal ones share the result, as long as one of them lives."""

    def __init__(self) -> None:
        self._parsed: WeakValueDictionary[bytes, GeneratorSpec] = WeakValueDictionary()

    def read(self, identity: Identity, resource: Json) -> Resource:
        """Parse a resource's spec. Never raises."""
        spec = resource.get("spec")
        raw = spec if isinstance(spec, Mapping) else {}
        try:
            text = kept_json(raw, orjson.OPT_SORT_KEYS)
        except TypeError:  # what has no JSON text of its own is parsed for itself
            text = b""
        known = self._parsed.get(text)
        if known is not None:
            return Resource(identity, known)
        try:
            parsed = parse_spec(raw)
        except SpecError as error:
            return Resource(identity, str(error))
        if 0 < len(text) <= SHARED_BYTES:
            self._parsed[text] = parsed
        return Resource(identity, parsed)


class View:
    """The latest generation of each resource that lives, by UID, and a memory of those that went."""

    def __init__(self) -> None:
        self.specs = Specs()
        self.living: dict[str, Resource] = {}
        self._uids: dict[Ref, str] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()

    def keep(self, resource: Resource) -> None:
        """This is its latest generation."""
        self.living[resource.identity.uid] = resource
        self._uids[resource.identity.ref] = resource.identity.uid

    def find(self, ref: Ref) -> Resource | None:
        """The resource of that name that lives."""
        return self.living.get(self._uids.get(ref, ""))

    def is_gone(self, uid: str) -> bool:
        """Whether this UID went; it does not come back."""
        return uid in self._gone

    def is_news(self, identity: Identity) -> bool:
        """Whether this generation is later than the one we have."""
        known = self.living.get(identity.uid)
        return known is None or known.identity.generation < identity.generation

    def remove(self, uid: str) -> None:
        """The resource is gone; remember that, for late words about it."""
        self._drop(uid)
        self._gone[uid] = None
        while len(self._gone) > REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)

    def forget(self, uid: str) -> None:
        """Know nothing about it, not even that it went."""
        self._drop(uid)
        self._gone.pop(uid, None)

    def clear(self) -> None:
        """Forget everything."""
        self.living.clear()
        self._uids.clear()
        self._gone.clear()

    def _drop(self, uid: str) -> None:
        resource = self.living.pop(uid, None)
        if resource is not None and self._uids.get(resource.identity.ref) == uid:  # else a new one has the name already
            del self._uids[resource.identity.ref]


class Page(NamedTuple):
    """What one page of a list tells.

    Attributes:
        living: known resources to look at again, since their spec may have changed.
        revived: strays of two lists in a row, to be taken in.
    """

    living: list[Json]
    revived: list[Json]


class Comparison:
    """A list, page by page, against what was known: finds what a watch missed, resources that went and ones it never told of.

    Args:
        known: the UIDs known when the list was asked for, not later: one born meanwhile is not in the list.
        earlier_strays: strays of the comparison before. One alone may be a resource that was deleted after the list was
            made, so a stray is only taken in when it is there again.
    """

    def __init__(self, known: frozenset[str], earlier_strays: frozenset[str] = frozenset()) -> None:
        self.known = known
        self.listed = 0
        """How many resources there were so far."""
        self._earlier_strays = earlier_strays
        self._alive: set[str] = set()

    def read(self, page: list[Json]) -> Page:
        """Take in the next page."""
        self.listed += len(page)
        alive = {who.uid: resource for resource in page if (who := identify(resource)) and not is_leaving(resource)}
        self._alive |= alive.keys()
        return Page(
            living=[each for uid, each in alive.items() if uid in self.known],
            revived=[each for uid, each in alive.items() if uid in self._earlier_strays and uid not in self.known],
        )

    @property
    def gone(self) -> frozenset[str]:
        """After the last page: UIDs that were known and are not there any more."""
        return self.known - self._alive

    @property
    def strays(self) -> frozenset[str]:
        """After the last page: UIDs that are there and were not known, those that were revived left out."""
        return frozenset(self._alive - self.known - self._earlier_strays)
