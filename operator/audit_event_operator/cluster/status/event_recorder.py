"""Kubernetes Events about resources, for `kubectl describe`: few, and only when something turned.

What a transition is worth is decided purely; the recorder posts slowly, and drops some rather than flood the API server.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError
from audit_event_operator.cluster.status.turn_queue import TurnQueue
from audit_event_operator.engine.snapshot import Ref, Snapshot
from audit_event_operator.pacing.token_bucket import TokenBucket
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.names import API_VERSION, KIND, OPERATOR_NAME
from audit_event_operator.resource.problems import shortened
from audit_event_operator.resource.status import ReadyCondition, ScenarioStatus, parse_progress, ready_condition

logger = logging.getLogger(__name__)

SAME_REASON_SECONDS: Final = 600.0
PER_SECOND: Final = 5.0
WAITING_LIMIT: Final = 500
MESSAGE_LIMIT: Final = 512
REMEMBERED: Final = 50_000

NORMAL: Final = "Normal"
WARNING: Final = "Warning"
RECOVERED: Final = "Recovered"
STARTED: Final = "Started"
EPISODE_STARTED: Final = "EpisodeStarted"
EPISODE_ENDED: Final = "EpisodeEnded"
EPISODE_MISSED: Final = "EpisodeMissed"
FOREIGN_OWNER: Final = "ForeignOwner"
_SHORTEST_SLEEP_SECONDS: Final = 0.001
_SETTLED: Final = frozenset({Reason.SUSPENDED, Reason.COMPLETED})


class Announcement(NamedTuple):
    """What is worth telling: the Kubernetes Event's type, reason and message."""

    kind: str
    reason: str
    message: str


def announcement(before: ReadyCondition | None, after: ReadyCondition | None) -> Announcement | None:
    """What a change of the Ready condition is worth telling; None when it is nothing new."""
    if after is None or (before is not None and (before.status, before.reason) == (after.status, after.reason)):
        return None
    if after.status == "False":
        return Announcement(WARNING, after.reason, after.message)
    if after.status != "True":
        return None
    if after.reason in _SETTLED:
        return Announcement(NORMAL, after.reason, after.message)
    if before is not None and before.status == "True" and before.reason not in _SETTLED:
        return None  # Connected and Publishing are both well
    recovered = before is not None and before.status == "False"
    return Announcement(NORMAL, RECOVERED if recovered else STARTED, after.message)


def episodes_announced(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Announcement]:
    """What is worth telling of the episodes of scenarios."""
    earlier = {each.name: each for each in parse_progress(before).scenarios}
    for now in parse_progress(after).scenarios:
        then = earlier.get(now.name, ScenarioStatus(now.name))
        if then.open is not None and now.open != then.open:
            yield Announcement(NORMAL, EPISODE_ENDED, f"Episode {then.open} of scenario {now.name} ended.")
        if now.open is not None and now.open != then.open:
            yield Announcement(NORMAL, EPISODE_STARTED, f"Episode {now.open} of scenario {now.name} began.")
        if now.missed > then.missed:
            message = (
                f"Scenario {now.name} missed an episode: the stream was not ready within five seconds of its time."
            )
            yield Announcement(WARNING, EPISODE_MISSED, message)


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
        told = announcement(ready_condition(before), ready_condition(after))
        for each in (*([] if told is None else [told]), *episodes_announced(before, after)):
            self.tell(snapshot.ref, snapshot.uid, each)

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

    def clear(self) -> None:
        """Drop what still waits from when this process led before: since then another one has reported."""
        self._waiting.clear()

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
