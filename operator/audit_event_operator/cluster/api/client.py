"""The few things we ask of Kubernetes, by name. Plain JSON in and out; which kinds of trouble exist is told in `errors`."""

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from audit_event_operator.cluster.api.connection import Connection
from audit_event_operator.cluster.api.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    NotFound,
    Refused,
    Throttled,
    Unprocessable,
    Unreachable,
)
from audit_event_operator.resource.names import GROUP, PLURAL, VERSION

PAGE_SIZE: Final = 100
"""Resources in a page of a list. A page is parsed in one turn of the loop: about 5 ms."""

Json = dict[str, Any]
Take = Callable[[list[Json]], Awaitable[None]]
"""Takes in one page of a list."""

_GENERATORS: Final = f"{PLURAL}.{GROUP}"
_LEASES: Final = "leases.coordination.k8s.io"
_VERSIONS: Final = {
    GROUP: VERSION,
    "authentication.k8s.io": "v1",
    "authorization.k8s.io": "v1",
    "coordination.k8s.io": "v1",
    "rabbitmq.com": "v1beta1",
}
_VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COUNTED: Final = {f"{_GENERATORS}/status": "status", "events": "event", _LEASES: "lease"}
_RESULTS: Final[Mapping[type[ClusterError], str]] = {
    NotFound: "not_found",
    Conflict: "conflict",
    Forbidden: "forbidden",
    Unprocessable: "unprocessable",
    Throttled: "throttled",
    Unreachable: "unreachable",
    Refused: "refused",
}


class NotListed(NamedTuple):
    """What a list of all resources did not reach.

    Attributes:
        refused: namespaces whose resources may not be listed, which is the answer for a missing one, too, if rights are given
            by namespace.
        missing: namespaces that do not exist.
    """

    refused: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


class Cluster:
    """Kubernetes as this operator knows it. All methods raise `ClusterError`.

    Args:
        connection: carries the requests.
        namespaces: where resources are looked for; empty means everywhere.
        wall: the wall clock in seconds since 1970.
    """

    def __init__(
        self, connection: Connection, *, namespaces: Sequence[str] = (), wall: Callable[[], float] = time.time
    ) -> None:
        self._connection = connection
        self._namespaces = tuple(namespaces)
        self._wall = wall
        self.writes = Counter({(kind, word): 0 for kind in _COUNTED.values() for word in ("ok", *_RESULTS.values())})
        """What was written so far, by kind and result."""
        self.last_success_unix_seconds: float | None = None
        """When the API server last answered with a success, to whatever request."""

    # -- resources -----------------------------------------------------------------------------------------------------

    async def list_generators(self, take: Take) -> NotListed:
        """Read all resources we look after, page by page: ten thousand at once would take 33 MiB.

        Raises:
            NotFound: the CustomResourceDefinition is not served.
            Forbidden: no namespace's resources may be listed.
        """
        if not self._namespaces:
            await self._list(None, take)
            return NotListed()
        refused: dict[str, Forbidden] = {}
        missing: set[str] = set()
        for namespace in self._namespaces:
            try:
                found = await self._list(namespace, take)
            except Forbidden as error:
                refused[namespace] = error
            else:
                if not found and await self._is_missing(namespace):
                    missing.add(namespace)
        if len(refused) == len(self._namespaces):
            raise refused[self._namespaces[0]]
        return NotListed(frozenset(refused), frozenset(missing))

    async def get_generator(self, namespace: str, name: str) -> Json:
        """One resource."""
        return await self._ask("GET", _GENERATORS, namespace, name)

    async def patch_generator_status(
        self, namespace: str, name: str, uid: str, status: Mapping[str, Any], *, owner: str | None = None
    ) -> Json:
        """Replace the status of the resource with this UID, as long as `owner` is its owner; None asks nothing of that.

        Raises:
            NotFound: nothing has that name any more.
            Unprocessable: another resource has that name now, its status another owner, or the schema refuses the status.
        """
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            *([] if owner is None else [{"op": "test", "path": "/status/owner", "value": owner}]),
            {"op": "add", "path": "/status", "value": dict(status)},
        ]
        return await self._ask("PATCH", f"{_GENERATORS}/status", namespace, name, patch)

    # -- what they refer to --------------------------------------------------------------------------------------------

    async def get_secret(self, namespace: str, name: str) -> Json:
        """One Secret, by name; Secrets are never listed."""
        return await self._ask("GET", "secrets", namespace, name)

    async def get_rabbitmq_cluster(self, namespace: str, name: str) -> Json:
        """One RabbitmqCluster of RabbitMQ's cluster operator."""
        return await self._ask("GET", "rabbitmqclusters.rabbitmq.com", namespace, name)

    # -- leadership, Kubernetes Events, access -------------------------------------------------------------------------

    async def list_leases(self, namespace: str, labels: str) -> list[Json]:
        """The Leases that a label selector finds, as they are now."""
        right = f"list {_LEASES}{_where(namespace)}"
        answer = await self._send("GET", _path(_LEASES, namespace), right, query=[("labelSelector", labels)])
        items = answer.get("items")
        return items if isinstance(items, list) else []

    async def create_lease(self, namespace: str, lease: Json) -> Json:
        """Create a Lease; Conflict when it exists."""
        return await self._ask("POST", _LEASES, namespace, body=lease)

    async def update_lease(self, namespace: str, name: str, lease: Json) -> Json:
        """Replace a Lease; Conflict when it was written since its `resourceVersion`."""
        return await self._ask("PUT", _LEASES, namespace, name, lease)

    async def delete_lease(self, namespace: str, name: str, version: str) -> None:
        """Delete a Lease; Conflict when it was written since this resourceVersion."""
        await self._ask("DELETE", _LEASES, namespace, name, {"preconditions": {"resourceVersion": version}})

    async def create_event(self, namespace: str, event: Json) -> Json:
        """Post a Kubernetes Event."""
        return await self._ask("POST", "events", namespace, body=event)

    async def review_token(self, token: str) -> Json:
        """Whose token it is: the status of a TokenReview."""
        return await self._review("TokenReview", "authentication.k8s.io", {"token": token})

    async def review_access(self, spec: Json) -> Json:
        """Whether somebody may do something: the status of a SubjectAccessReview."""
        return await self._review("SubjectAccessReview", "authorization.k8s.io", spec)

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _list(self, namespace: str | None, take: Take) -> int:
        """Read all resources in a namespace, or everywhere; returns how many there are."""
        found = 0
        right = f"list {_GENERATORS}{_where(namespace)}"
        query = [("limit", str(PAGE_SIZE))]
        while query:
            answer = await self._send("GET", _path(_GENERATORS, namespace), right, query=query)
            items = answer.get("items")
            if not isinstance(items, list):
                raise Refused(f"Cannot {right}; the API server's answer is not a list.")
            for item in items:  # nobody reads it, and it is the larger half of ten thousand resources
                if isinstance(item, dict) and isinstance(item.get("metadata"), dict):
                    item["metadata"].pop("managedFields", None)
            found += len(items)
            await take(items)
            following = (answer.get("metadata") or {}).get("continue")
            query = [query[0], ("continue", following)] if following else []
        return found

    async def _is_missing(self, namespace: str) -> bool:
        """Whether a namespace does not exist: its list is empty either way, and to read it would take one more right.

        The right to post Kubernetes Events is there, and the API server says 404 to one in a missing namespace. It is a dry
        run: nothing is written.
        """
        about = {"apiVersion": "v1", "kind": "Namespace", "name": namespace, "namespace": namespace}
        event = {"apiVersion": "v1", "kind": "Event", "metadata": {"generateName": "dry-run-"}, "involvedObject": about}
        try:
            await self._send("POST", _path("events", namespace), "create events", query=[("dryRun", "All")], body=event)
        except NotFound:
            return True
        except ClusterError:
            pass  # it cannot be told
        return False

    async def _review(self, kind: str, group: str, spec: Json) -> Json:
        body = {"apiVersion": f"{group}/{_VERSIONS[group]}", "kind": kind, "spec": spec}
        status = (await self._ask("POST", f"{kind.lower()}s.{group}", body=body)).get("status")
        return status if isinstance(status, dict) else {}

    async def _ask(
        self, method: str, kind: str, namespace: str | None = None, name: str | None = None, body: object = None
    ) -> Json:
        """Ask for one thing, and count it if it is a write that the metrics show."""
        counted = _COUNTED.get(kind) if method != "GET" else None
        right = f"{_VERBS[method]} {kind}{_where(namespace)}"
        try:
            answer = await self._send(method, _path(kind, namespace, name), right, body=body)
        except ClusterError as error:
            if counted:
                self.writes[counted, _RESULTS.get(type(error), "refused")] += 1
            raise
        if counted:
            self.writes[counted, "ok"] += 1
        return answer

    async def _send(
        self, method: str, path: str, right: str, *, query: Sequence[tuple[str, str]] = (), body: object = None
    ) -> Json:
        answer = await self._connection.request(method, path, right=right, query=query, body=body)
        self.last_success_unix_seconds = self._wall()
        return answer


def _where(namespace: str | None) -> str:
    return f' in namespace "{namespace}"' if namespace else ""


def _path(kind: str, namespace: str | None, name: str | None = None) -> str:
    """The path of a kind such as `secrets` or `leases.coordination.k8s.io`; `/status` after it means the subresource."""
    kind, _, subresource = kind.partition("/")
    plural, _, group = kind.partition(".")
    root = f"/apis/{group}/{_VERSIONS[group]}" if group else "/api/v1"
    where = f"namespaces/{quote(namespace)}" if namespace else ""
    return "/".join(filter(None, (root, where, plural, quote(name or ""), subresource)))
