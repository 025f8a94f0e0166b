"""Asks Kubernetes who may post and read: a TokenReview tells who the caller is, a SubjectAccessReview what they may do.

Knows nothing of HTTP. Tokens are kept only as digests, for a few minutes, and never logged.
"""

import asyncio
import hashlib
import logging
from typing import Any, Final, NamedTuple

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError
from audit_event_operator.resource.access import Decision
from audit_event_operator.resource.names import GROUP, PLURAL

logger = logging.getLogger(__name__)

REMEMBERED_SECONDS: Final = 10.0
REMEMBERED_LIMIT: Final = 1_000
OUTAGE_SECONDS: Final = 300.0
"""So long a reader that was accepted stays accepted while the API server cannot be asked."""
ASK_SECONDS: Final = 4.0
"""Prometheus waits 10 s for a scrape."""
LONGEST_TOKEN: Final = 16 * 1024


class _Answer(NamedTuple):
    """What the API server said, when, and until when it is not asked again (time of the loop)."""

    decision: Decision
    at: float
    until: float


class AccessReviews:
    """Decides about tokens, and remembers each answer for ten seconds.

    `outage_seconds`: so long an allowed caller stays allowed while the API server gives no answer.
    """

    def __init__(self, cluster: Cluster, *, outage_seconds: float = 0.0) -> None:
        self._cluster = cluster
        self._outage_seconds = outage_seconds
        self._known: dict[tuple[bytes, str], _Answer] = {}

    async def decide(self, token: str | None, what: dict[str, Any]) -> Decision:
        """Whether whose token it is may do it; `what` is an attribute of a SubjectAccessReview. Never raises."""
        if not token or len(token) > LONGEST_TOKEN:
            return Decision.UNAUTHENTICATED
        now = asyncio.get_running_loop().time()
        key = (hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest(), repr(what))
        known = self._known.get(key)
        if known is not None and now < known.until:
            return known.decision
        try:
            async with asyncio.timeout(ASK_SECONDS):
                decision = await self._ask(token, what)
        except (ClusterError, TimeoutError) as error:
            logger.warning("Cannot check the rights of a caller: %s", error or f"no answer within {ASK_SECONDS:g} s")
            if known is None or known.decision is not Decision.ALLOWED or now >= known.at + self._outage_seconds:
                return Decision.UNAVAILABLE
            self._known[key] = known._replace(until=min(now + REMEMBERED_SECONDS, known.at + self._outage_seconds))
            return Decision.ALLOWED
        self._known.pop(key, None)
        if len(self._known) >= REMEMBERED_LIMIT:
            del self._known[next(iter(self._known))]  # the one that was asked about first
        self._known[key] = _Answer(decision, now, now + REMEMBERED_SECONDS)
        return decision

    async def _ask(self, token: str, what: dict[str, Any]) -> Decision:
        who = await self._cluster.review_token(token)
        user = who.get("user")
        if who.get("authenticated") is not True or not isinstance(user, dict):
            return Decision.UNAUTHENTICATED
        spec = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            **what,
        }
        allowed = (await self._cluster.review_access(spec)).get("allowed") is True
        return Decision.ALLOWED if allowed else Decision.FORBIDDEN


class KubernetesAuthorizer:
    """Allows callers that may `create auditeventgenerators/events` in the namespace.

    Args:
        cluster: the API server.
        own_namespace: the operator's, for events that name no generator.
    """

    def __init__(self, cluster: Cluster, own_namespace: str) -> None:
        self._reviews = AccessReviews(cluster)
        self._own_namespace = own_namespace

    async def may_post(self, token: str | None, namespace: str | None) -> Decision:
        """Decide about one request; nobody is let in without an answer. Never raises."""
        where = namespace or self._own_namespace
        what = {"verb": "create", "group": GROUP, "resource": PLURAL, "subresource": "events", "namespace": where}
        return await self._reviews.decide(token, {"resourceAttributes": what})


class KubernetesReaders:
    """Allows callers that may `get` the path as a nonResourceURL; without an API server, those that it allowed lately."""

    def __init__(self, cluster: Cluster) -> None:
        self._reviews = AccessReviews(cluster, outage_seconds=OUTAGE_SECONDS)

    async def may_read(self, token: str | None, path: str) -> Decision:
        """Decide about one request. Never raises."""
        return await self._reviews.decide(token, {"nonResourceAttributes": {"verb": "get", "path": path}})
