"""The few things we ask of Kubernetes, by name. Plain JSON in and out; which kinds of trouble exist is told in `errors`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import quote

from audit_event_operator.cluster.api.errors import Refused
from audit_event_operator.resource.names import GROUP, PLURAL, VERSION

PAGE_SIZE: Final = 500
JSON_PATCH: Final = "application/json-patch+json"

Json = dict[str, Any]


class Requests(Protocol):
    """What carries a request to the API server."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        right: str,
        query: Sequence[tuple[str, str]] = (),
        body: object | None = None,
        content_type: str = "application/json",
    ) -> Json:
        """Return the answer, or raise a ClusterError."""


class Cluster:
    """Kubernetes as this operator knows it.

    Args:
        connection: carries the requests.
        namespaces: where resources are looked for; empty means everywhere.
        succeeded: called after each answer of the API server that was a success.
    """

    def __init__(
        self, connection: Requests, *, namespaces: Sequence[str] = (), succeeded: Callable[[], None] = lambda: None
    ) -> None:
        self._connection = connection
        self._namespaces = tuple(namespaces)
        self._succeeded = succeeded

    # -- resources -----------------------------------------------------------------------------------------------------

    async def list_generators(self) -> list[Json]:
        """All resources we look after.

        Raises:
            NotFound: the CustomResourceDefinition is not served.
            ClusterError: any other trouble.
        """
        found = []
        for namespace in self._namespaces or (None,):
            async for page in self._pages(_resources(namespace), f"list {PLURAL}.{GROUP}"):
                found.extend(page)
        return found

    async def get_generator(self, namespace: str, name: str) -> Json:
        """One resource."""
        return await self._ask("GET", _resources(namespace, name), f"get {PLURAL}.{GROUP}", namespace)

    async def patch_generator_status(self, namespace: str, name: str, uid: str, status: Mapping[str, Any]) -> Json:
        """Replace the status of the resource with this UID.

        Raises:
            NotFound: nothing has that name any more.
            Unprocessable: another resource has that name now, or the schema refuses the status.
        """
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": dict(status)},
        ]
        path = f"{_resources(namespace, name)}/status"
        return await self._ask(
            "PATCH", path, f"patch {PLURAL}.{GROUP}/status", namespace, patch, content_type=JSON_PATCH
        )

    # -- what they refer to --------------------------------------------------------------------------------------------

    async def get_secret(self, namespace: str, name: str) -> Json:
        """One Secret, by name; Secrets are never listed."""
        return await self._ask("GET", _core(namespace, "secrets", name), "get secrets", namespace)

    async def get_rabbitmq_cluster(self, namespace: str, name: str) -> Json:
        """One RabbitmqCluster of RabbitMQ's cluster operator."""
        path = f"/apis/rabbitmq.com/v1beta1/namespaces/{quote(namespace)}/rabbitmqclusters/{quote(name)}"
        return await self._ask("GET", path, "get rabbitmqclusters.rabbitmq.com", namespace)

    # -- leadership, Kubernetes Events, access -------------------------------------------------------------------------

    async def get_lease(self, namespace: str, name: str) -> Json:
        """The Lease."""
        return await self._ask("GET", _leases(namespace, name), "get leases.coordination.k8s.io", namespace)

    async def create_lease(self, namespace: str, lease: Json) -> Json:
        """Create the Lease; Conflict when it exists."""
        return await self._ask("POST", _leases(namespace), "create leases.coordination.k8s.io", namespace, lease)

    async def update_lease(self, namespace: str, name: str, lease: Json) -> Json:
        """Replace the Lease; Conflict when it was written since its `resourceVersion`."""
        return await self._ask("PUT", _leases(namespace, name), "update leases.coordination.k8s.io", namespace, lease)

    async def create_event(self, namespace: str, event: Json) -> Json:
        """Post a Kubernetes Event."""
        return await self._ask("POST", _core(namespace, "events"), "create events", namespace, event)

    async def review_token(self, token: str) -> Json:
        """Whose token it is: the status of a TokenReview."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        return _status(await self._ask("POST", path, "create tokenreviews.authentication.k8s.io", None, body))

    async def review_access(self, spec: Json) -> Json:
        """Whether somebody may do something: the status of a SubjectAccessReview."""
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return _status(await self._ask("POST", path, "create subjectaccessreviews.authorization.k8s.io", None, body))

    # -- inside --------------------------------------------------------------------------------------------------------

    async def _ask(
        self,
        method: str,
        path: str,
        right: str,
        namespace: str | None = None,
        body: object | None = None,
        *,
        content_type: str = "application/json",
        query: Sequence[tuple[str, str]] = (),
    ) -> Json:
        where = f' in namespace "{namespace}"' if namespace else ""
        answer = await self._connection.request(
            method, path, right=right + where, query=query, body=body, content_type=content_type
        )
        self._succeeded()
        return answer

    async def _pages(self, path: str, right: str) -> AsyncIterator[list[Json]]:
        following = ""
        while True:
            query = [("limit", str(PAGE_SIZE)), *([("continue", following)] if following else [])]
            answer = await self._ask("GET", path, right, query=query)
            items = answer.get("items")
            if not isinstance(items, list):
                raise Refused(f"Cannot {right}; the API server's answer is not a list.")
            yield items
            following = (answer.get("metadata") or {}).get("continue") or ""
            if not following:
                return


def _resources(namespace: str | None, name: str | None = None) -> str:
    path = f"/apis/{GROUP}/{VERSION}"
    path += f"/namespaces/{quote(namespace)}/{PLURAL}" if namespace else f"/{PLURAL}"
    return f"{path}/{quote(name)}" if name else path


def _core(namespace: str, plural: str, name: str | None = None) -> str:
    path = f"/api/v1/namespaces/{quote(namespace)}/{plural}"
    return f"{path}/{quote(name)}" if name else path


def _leases(namespace: str, name: str | None = None) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"
    return f"{path}/{quote(name)}" if name else path


def _status(review: Json) -> Json:
    status = review.get("status")
    return status if isinstance(status, dict) else {}
