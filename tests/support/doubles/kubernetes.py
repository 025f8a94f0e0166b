"""An API server in a dictionary: our resources, Secrets, Leases, what was posted, and trouble on demand."""

import asyncio
import copy
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from audit_event_operator.cluster.api.client import NotListed, Take
from audit_event_operator.cluster.api.errors import ClusterError, Conflict, NotFound, Unprocessable
from audit_event_operator.resource.names import API_VERSION, KIND

Json = dict[str, Any]
Objects = dict[tuple[str, str], Json]

LISTED_AT_ONCE = 3
"""Resources in a page of a list."""


def make_resource(name: str = "demo", namespace: str = "default", *, uid: str | None = None, generation: int = 1,
                  status: Mapping[str, Any] | None = None, deleting: bool = False, **spec: Any) -> Json:  # fmt: skip
    metadata: Json = {"name": name, "namespace": namespace, "uid": uid or f"uid-{name}", "generation": generation}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    resource = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}
    return resource if status is None else {**resource, "status": dict(status)}


class FakeCluster:
    """Has the methods of `Cluster`; `trouble[method]` is raised first, `broken[method]` always, `blocked` never answer."""

    def __init__(self) -> None:
        self.served = True
        self.refused: set[str] = set()
        self.missing: set[str] = set()
        """Namespaces whose resources may not be listed, and ones that are not there."""
        self.resources: Objects = {}
        self.secrets: Objects = {}
        self.rabbitmq_clusters: Objects = {}
        self.leases: Objects = {}
        self.events: list[Json] = []
        self.tokens: dict[str, Json] = {}
        self.allowed: set[tuple[str, str]] = set()
        self.blocked: set[str] = set()
        self.trouble: dict[str, list[ClusterError]] = {}
        self.broken: dict[str, ClusterError] = {}
        self.calls: list[str] = []
        self.statuses: list[tuple[float, str, Json]] = []
        self.latency_seconds = 0.0
        self.watches: list[Callable[[str, Json], None]] = []
        """Told of written statuses; of everything else only tests tell."""
        self._versions = itertools.count(1)

    def add(self, resource: Json) -> Json:
        metadata = resource["metadata"]
        self.resources[metadata["namespace"], metadata["name"]] = resource
        return resource

    async def list_generators(self, take: Take) -> NotListed:
        await self._asked("list_generators")
        if not self.served:
            raise NotFound("404")
        listed = [each for (namespace, _), each in self.resources.items() if namespace not in self.refused]
        for start in range(0, len(listed), LISTED_AT_ONCE):
            await take(copy.deepcopy(listed[start : start + LISTED_AT_ONCE]))
        return NotListed(frozenset(self.refused), frozenset(self.missing))

    async def get_generator(self, namespace: str, name: str) -> Json:
        return await self._get("get_generator", self.resources, namespace, name)

    async def patch_generator_status(
        self, namespace: str, name: str, uid: str, status: Mapping[str, Any], *, owner: str | None = None
    ) -> Json:
        await self._asked("patch_generator_status")
        resource = _found(self.resources, namespace, name)
        if resource["metadata"]["uid"] != uid or owner not in (None, resource.get("status", {}).get("owner")):
            raise Unprocessable("the test failed")
        resource["status"] = copy.deepcopy(dict(status))
        resource["metadata"]["resourceVersion"] = str(next(self._versions))
        self.statuses.append((asyncio.get_running_loop().time(), name, resource["status"]))
        for deliver in self.watches:
            deliver("MODIFIED", copy.deepcopy(resource))
        return copy.deepcopy(resource)

    async def get_secret(self, namespace: str, name: str) -> Json:
        return await self._get("get_secret", self.secrets, namespace, name)

    async def get_rabbitmq_cluster(self, namespace: str, name: str) -> Json:
        return await self._get("get_rabbitmq_cluster", self.rabbitmq_clusters, namespace, name)

    async def list_leases(self, namespace: str, labels: str) -> list[Json]:
        await self._asked("list_leases")
        key, _, value = labels.partition("=")
        return [
            copy.deepcopy(each)
            for (where, _), each in self.leases.items()
            if where == namespace and each["metadata"].get("labels", {}).get(key) == value
        ]

    async def create_lease(self, namespace: str, lease: Json) -> Json:
        await self._asked("create_lease")
        name = lease["metadata"]["name"]
        if (namespace, name) in self.leases:
            raise Conflict("exists")
        return self._put_lease(namespace, name, lease)

    async def update_lease(self, namespace: str, name: str, lease: Json) -> Json:
        await self._asked("update_lease")
        current = _found(self.leases, namespace, name)
        if current["metadata"]["resourceVersion"] != lease["metadata"].get("resourceVersion"):
            raise Conflict("written since")
        return self._put_lease(namespace, name, lease)

    async def delete_lease(self, namespace: str, name: str, version: str) -> None:
        await self._asked("delete_lease")
        if _found(self.leases, namespace, name)["metadata"]["resourceVersion"] != version:
            raise Conflict("written since")
        del self.leases[namespace, name]

    async def create_event(self, namespace: str, event: Json) -> Json:
        await self._asked("create_event")
        self.events.append(event)
        return event

    async def review_token(self, token: str) -> Json:
        await self._asked("review_token")
        user = self.tokens.get(token)
        return {"authenticated": False} if user is None else {"authenticated": True, "user": user}

    async def review_access(self, spec: Json) -> Json:
        await self._asked("review_access")
        place = spec.get("nonResourceAttributes", {}).get("path") or spec["resourceAttributes"]["namespace"]
        return {"allowed": (spec["user"], place) in self.allowed}

    def _put_lease(self, namespace: str, name: str, lease: Json) -> Json:
        lease = copy.deepcopy(lease)
        lease["metadata"]["resourceVersion"] = str(next(self._versions))
        self.leases[namespace, name] = lease
        return lease

    async def _get(self, method: str, objects: Objects, namespace: str, name: str) -> Json:
        await self._asked(method)
        return copy.deepcopy(_found(objects, namespace, name))

    async def _asked(self, method: str) -> None:
        self.calls.append(method)
        await asyncio.sleep(self.latency_seconds)
        while method in self.blocked:
            await asyncio.sleep(1)
        if self.trouble.get(method):
            raise self.trouble[method].pop(0)
        error = self.broken.get(method) or self.broken.get("*")
        if error is not None:
            raise error


def _found(objects: Objects, namespace: str, name: str) -> Json:
    try:
        return objects[namespace, name]
    except KeyError:
        raise NotFound(f"{namespace}/{name} not found") from None
