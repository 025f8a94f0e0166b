"""Asks Kubernetes who may post events: a TokenReview tells who the caller is, a SubjectAccessReview what they may do.

Knows nothing of HTTP. Tokens are kept only as digests, for a few seconds, and never logged.
"""

import asyncio
import hashlib
import logging
from typing import Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError
from audit_event_operator.resource.access import Decision
from audit_event_operator.resource.names import GROUP, PLURAL

logger = logging.getLogger(__name__)

REMEMBERED_SECONDS: Final = 10.0
REMEMBERED_LIMIT: Final = 1_000
LONGEST_TOKEN: Final = 16 * 1024


class KubernetesAuthorizer:
    """Allows callers that may `create auditeventgenerators/events` in the namespace.

    Args:
        cluster: the API server.
        own_namespace: the operator's, for events that name no generator.
    """

    def __init__(self, cluster: Cluster, own_namespace: str) -> None:
        self._cluster = cluster
        self._own_namespace = own_namespace
        self._known: dict[tuple[bytes, str], tuple[float, Decision]] = {}

    async def may_post(self, token: str | None, namespace: str | None) -> Decision:
        """Decide about one request; an answer is remembered for ten seconds. Never raises."""
        if not token or len(token) > LONGEST_TOKEN:
            return Decision.UNAUTHENTICATED
        where = namespace or self._own_namespace
        now = asyncio.get_running_loop().time()
        key = (hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest(), where)
        known = self._known.get(key)
        if known is not None and now < known[0]:
            return known[1]
        try:
            decision = await self._ask(token, where)
        except ClusterError as error:
            logger.warning("Cannot check who may post: %s", error)
            return Decision.UNAVAILABLE
        if len(self._known) >= REMEMBERED_LIMIT:
            self._known.clear()
        self._known[key] = (now + REMEMBERED_SECONDS, decision)
        return decision

    async def _ask(self, token: str, namespace: str) -> Decision:
        who = await self._cluster.review_token(token)
        user = who.get("user")
        if who.get("authenticated") is not True or not isinstance(user, dict):
            return Decision.UNAUTHENTICATED
        what = {"verb": "create", "group": GROUP, "resource": PLURAL, "subresource": "events", "namespace": namespace}
        spec = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "resourceAttributes": what,
        }
        allowed = (await self._cluster.review_access(spec)).get("allowed") is True
        return Decision.ALLOWED if allowed else Decision.FORBIDDEN
