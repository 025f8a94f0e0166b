"""Reads the objects that describe a broker, each time anew: by name, never listed and never kept.

Those who ask for the same object at the same time share one GET. A missing object or right becomes a sentence for the user.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from audit_event_operator.cluster.api.errors import Forbidden, NotFound
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason

Json = dict[str, Any]


@dataclass(eq=False)
class BrokerObjects:
    """The objects of one kind."""

    kind: str
    get: Callable[[str, str], Coroutine[Any, Any, Json]]
    """Gets one by namespace and name."""
    missing: Reason
    """Why there is no broker when the object does not exist."""
    forbidden: Reason
    """Why there is no broker when we may not read it."""
    right: str
    """What we then lack, as in "the right to get secrets"."""
    component: str = ""
    """The part of the installation that grants it, unless it is always there."""

    def __post_init__(self) -> None:
        self._asking: dict[tuple[str, str], asyncio.Task[Json]] = {}

    async def read(self, namespace: str, name: str, named_by: str) -> Json:
        """One object; `named_by` is what the user corrects when it does not exist.

        Raises:
            DestinationUnavailable: it does not exist, or may not be read.
            ClusterError: the API server does not answer.
        """
        try:
            return await self._shared(namespace, name)
        except NotFound as error:
            raise DestinationUnavailable(
                self.missing,
                f'{self.kind} "{name}" does not exist in namespace "{namespace}"; create it or correct {named_by}.',
            ) from error
        except Forbidden as error:
            raise DestinationUnavailable(
                self.forbidden,
                f'Cannot read {self.kind} "{name}": the operator\'s account lacks the right to get {self.right} '
                f'in namespace "{namespace}"{self.component and f" (component {self.component})"}.',
            ) from error

    async def _shared(self, namespace: str, name: str) -> Json:
        key = (namespace, name)
        task = self._asking.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self.get(namespace, name), name=f"get {self.kind}")
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)
