"""The last word on a resource that is being deleted but kept by somebody's finalizers: nothing is published any more.

Without it the status would go on saying Publishing for as long as the finalizers stay. What is to be said is decided purely;
it is written once, and given up when that fails.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError, NotFound
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.problems import shortened
from audit_event_operator.resource.status import MAX_MESSAGE_LENGTH, ready_condition

logger = logging.getLogger(__name__)

WAITING_LIMIT: Final = 1_000
_OF_THE_GARBAGE_COLLECTOR: Final = frozenset({"foregroundDeletion", "orphan"})
"""These stay for a moment only."""
_OF_THE_MOMENT: Final = frozenset({"Ready", "Reconciling", "Stalled", "RateLimited", "GroundTruthUndelivered"})


def farewell(resource: Mapping[str, Any], now: datetime) -> dict[str, Any] | None:
    """The status that a resource with a deletionTimestamp deserves; None when there is nothing (more) to say.

    Conditions and counters stay as they are, but for what is over: Ready is False, the rates are 0, no episode is under way.
    """
    finalizers = [str(each) for each in resource["metadata"].get("finalizers") or ()]
    status, generation = resource.get("status"), resource["metadata"].get("generation")
    ready = ready_condition(status) if isinstance(status, Mapping) else None
    if set(finalizers) <= _OF_THE_GARBAGE_COLLECTOR or ready is None or ready.reason == Reason.TERMINATING:
        return None
    message = (
        "The resource is being deleted and publishes no events. It stays until the controllers that set its finalizers have "
        f"removed them: {', '.join(finalizers)}."
    )
    told: dict[str, Any] = deepcopy(dict(status or {}))
    lasting = [each for each in told["conditions"] if each.get("type") not in _OF_THE_MOMENT]
    told["conditions"] = [
        {
            "type": kind,
            "status": state,
            "observedGeneration": generation,
            "lastTransitionTime": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "reason": str(Reason.TERMINATING),
            "message": shortened(message, MAX_MESSAGE_LENGTH),
        }
        for kind, state in (("Ready", "False"), ("Reconciling", "True"))
    ]
    told["conditions"] += lasting
    for scenario in told.get("scenarios", ()):
        scenario.pop("open", None)
    return told | {"observedGeneration": generation, "targetRate": "0/s", "observedRate": "0/s"}


class _Farewell(NamedTuple):
    ref: Ref
    uid: str
    status: dict[str, Any]


class Farewells:
    """Writes them one after the other while `run` runs; `wall` is the time of day, aware."""

    def __init__(self, cluster: Cluster, wall: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._cluster = cluster
        self._wall = wall
        self._waiting: deque[_Farewell] = deque(maxlen=WAITING_LIMIT)
        self._wake = asyncio.Event()

    def leaving(self, ref: Ref, uid: str, resource: Mapping[str, Any]) -> None:
        """A watch event or list tells that a resource is being deleted."""
        status = farewell(resource, self._wall())
        if status is not None:
            self._waiting.append(_Farewell(ref, uid, status))
            self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            while self._waiting:
                ref, uid, status = self._waiting.popleft()
                try:
                    await self._cluster.patch_generator_status(ref.namespace, ref.name, uid, status)
                except NotFound:
                    continue
                except ClusterError as error:
                    logger.warning("Could not write that %s is being deleted: %s", ref, error)
            self._wake.clear()
            await self._wake.wait()
