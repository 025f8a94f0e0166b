"""Implements the engine's `Elsewhere` from what the watch has told: the view, and the statuses that others write."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from audit_event_operator.cluster.resources.view import Resource, View
from audit_event_operator.engine.elsewhere import ServedElsewhere
from audit_event_operator.engine.snapshot import Counts, Ref, Snapshot
from audit_event_operator.resource.status import installation_of, process_of
from audit_event_operator.resource.told import facts_told

_NS: Final = 1_000_000_000


class ElsewhereInTheView:
    """Every resource that lives and is not served here.

    Args:
        view: what lives.
        served_here: whether a UID's resource is served by this process.
        status: the status of a UID as the API server has it.
        installation: ours.
    """

    def __init__(
        self,
        view: View,
        served_here: Callable[[str], bool],
        status: Callable[[str], Mapping[str, Any]],
        installation: str,
    ) -> None:
        self._view = view
        self._served_here = served_here
        self._status = status
        self._installation = installation

    def find(self, ref: Ref) -> ServedElsewhere | None:
        """The resource of that name, if it lives and this process does not serve it."""
        resource = self._view.find(ref)
        return None if resource is None or self._served_here(resource.identity.uid) else self._tell(resource)

    def all(self) -> list[ServedElsewhere]:
        """All of them."""
        return [self._tell(each) for uid, each in list(self._view.living.items()) if not self._served_here(uid)]

    def _tell(self, resource: Resource) -> ServedElsewhere:
        identity = resource.identity
        status = self._status(identity.uid)
        owner = status.get("owner")
        foreign = installation_of(owner) not in {None, self._installation}
        return ServedElsewhere(
            identity.ref, identity.uid, process_of(owner), foreign, partial(_snapshot, resource, status)
        )


def _snapshot(resource: Resource, status: Mapping[str, Any]) -> Snapshot:
    identity = resource.identity
    interval = 0.0 if isinstance(resource.spec, str) else resource.spec.interval_ns / _NS
    facts = facts_told(status, identity.generation, interval)
    counts = Counts(published=facts.progress.events_published, dropped=facts.progress.events_dropped)
    return Snapshot(identity.ref, identity.uid, counts, facts)
