"""Kubernetes Events about resources, for `kubectl describe`: few, and only when something turned.

The recorder posts slowly, and drops some rather than flood the API server.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError
from audit_event_operator.cluster.status.announcements import Announcement, announcements
from audit_event_operator.cluster.status.turn_queue import TurnQueue
from audit_event_operator.engine.snapshot import Ref, Snapshot
from audit_event_operator.pacing.token_bucket import TokenBucket
from audit_event_operator.resource.names import API_VERSION, KIND, OPERATOR_NAME
from audit_event_operator.resource.problems import shortened

logger = logging.getLogger(__name__)

SAME_REASON_SECONDS: Final = 600.0
PER_SECOND: Final = 5.0
WAITING_LIMIT: Final = 500
MESSAGE_LIMIT: Final = 512
REMEMBERED: Final = 50_000

_SHORTEST_SLEEP_SECONDS: Final = 0.001


@dataclass(eq=False, kw_only=True)
class EventRecorder:
    """Posts Kubernetes Events while `run` runs: at most one per (resource, reason) in ten minutes, and five per second in all.

    Namespaces take turns. Nothing is told of a resource that went while its turn had not come.
    """

    cluster: Cluster
    instance: str
    """This process."""
    alive: Callable[[str], bool]
    """Whether the resource with a UID is still there."""
    same_reason_seconds: float = SAME_REASON_SECONDS
    """Least time between two Kubernetes Events of one resource and reason."""
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)
    """The time of day, aware."""

    def __post_init__(self) -> None:
        self._waiting: TurnQueue[tuple[Ref, str, Announcement]] = TurnQueue(WAITING_LIMIT)
        self._told_at: dict[tuple[str, str], float] = {}
        self._limiter = TokenBucket(PER_SECOND)
        self._wake = asyncio.Event()

    def announce(self, snapshot: Snapshot, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """A status was written: tell about it if it is worth it."""
        for told in announcements(before, after):
            self.tell(snapshot.ref, snapshot.uid, told)

    def tell(self, ref: Ref, uid: str, told: Announcement) -> None:
        """Tell about a resource, unless the same was told of it not long ago."""
        now, key = asyncio.get_running_loop().time(), (uid, told.reason)
        told_at = self._told_at.get(key)
        if told_at is not None and now - told_at < self.same_reason_seconds:
            return
        if len(self._told_at) >= REMEMBERED:
            self._told_at = {key: at for key, at in self._told_at.items() if now - at < self.same_reason_seconds}
        self._told_at[key] = now
        self._waiting.push(ref.namespace, (ref, uid, told))
        self._wake.set()

    async def run(self) -> None:
        """Post until cancelled. What cannot be posted is given up: the condition says it anyway."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            await asyncio.sleep(max(_SHORTEST_SLEEP_SECONDS, self._limiter.wait_seconds(loop.time())))
            if not self._waiting or self._limiter.wait_seconds(loop.time()):
                continue
            ref, uid, told = self._waiting.pop()
            if not self.alive(uid):
                continue
            self._limiter.take(loop.time())
            try:
                await self.cluster.create_event(ref.namespace, self._event(ref, uid, told))
            except ClusterError as error:
                logger.warning("Could not post a Kubernetes Event about %s: %s", ref, error)

    def _event(self, ref: Ref, uid: str, told: Announcement) -> dict[str, Any]:
        now = self.wall().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{ref.name[:230]}.{secrets.token_hex(8)}", "namespace": ref.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": ref.namespace,
                "name": ref.name,
                "uid": uid,
            },
            "type": told.kind,
            "reason": told.reason,
            "message": shortened(told.message, MESSAGE_LIMIT),
            "source": {"component": OPERATOR_NAME, "host": self.instance},
            "reportingComponent": OPERATOR_NAME,
            "reportingInstance": self.instance[:128],
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
