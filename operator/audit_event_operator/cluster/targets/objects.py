"""Reads the objects that describe a broker, each time anew: by name, never listed and never kept.

Those who ask for the same object at the same time share one GET. A missing object or right becomes a sentence for the user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from audit_event_operator.cluster.api.errors import Forbidden, NotFound
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason

Json = dict[str, Any]


class References(Protocol):
    """What we need of the API server."""

    async def get_secret(self, namespace: str, name: str) -> Json:
        """One Secret."""

    async def get_rabbitmq_cluster(self, namespace: str, name: str) -> Json:
        """One RabbitmqCluster."""


class BrokerObjects:
    """Secrets and RabbitmqClusters.

    All methods raise `ClusterError` when the API server does not answer.
    """

    def __init__(self, api: References) -> None:
        self._api = api
        self._asking: dict[tuple[str, str, str], asyncio.Task[Json]] = {}

    async def secret(self, namespace: str, name: str, named_by: str) -> Json:
        """One Secret; `named_by` is what the user corrects when it does not exist.

        Raises:
            DestinationUnavailable: SecretNotFound, SecretNotAllowed.
        """
        try:
            return await self._shared("secret", self._api.get_secret, namespace, name)
        except NotFound as error:
            raise DestinationUnavailable(
                Reason.SECRET_NOT_FOUND,
                f'Secret "{name}" does not exist in namespace "{namespace}"; create it or correct {named_by}.',
            ) from error
        except Forbidden as error:
            raise DestinationUnavailable(
                Reason.SECRET_NOT_ALLOWED,
                f'Cannot read Secret "{name}": the operator\'s account lacks the right to get secrets '
                f'in namespace "{namespace}".',
            ) from error

    async def rabbitmq_cluster(self, namespace: str, name: str) -> Json:
        """One RabbitmqCluster.

        Raises:
            DestinationUnavailable: ClusterNotFound.
        """
        try:
            return await self._shared("cluster", self._api.get_rabbitmq_cluster, namespace, name)
        except NotFound as error:
            raise DestinationUnavailable(
                Reason.CLUSTER_NOT_FOUND,
                f'RabbitmqCluster "{name}" does not exist in namespace "{namespace}"; '
                "create it or correct spec.rabbitmq.clusterRef.name.",
            ) from error
        except Forbidden as error:
            raise DestinationUnavailable(
                Reason.CLUSTER_NOT_FOUND,
                f'Cannot read RabbitmqCluster "{name}": the operator\'s account lacks the right to get '
                f'rabbitmqclusters.rabbitmq.com in namespace "{namespace}" (component rabbitmqclusters).',
            ) from error

    async def _shared(
        self, kind: str, get: Callable[[str, str], Coroutine[Any, Any, Json]], namespace: str, name: str
    ) -> Json:
        key = (kind, namespace, name)
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(get(namespace, name), name=f"get {kind}")
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)
