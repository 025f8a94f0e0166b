"""Knows brokers by reference: Secrets and RabbitmqClusters of the resource's own namespace, and the operator's default.

Secrets are read by name each time they are asked for, never listed and never kept, but for the last good answer, which helps
while the API server is away.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol

from audit_event_operator.cluster.api.errors import ClusterError, Forbidden, NotFound
from audit_event_operator.engine.credentials import AMQP_PORT, AMQPS_PORT, check_label, target_of
from audit_event_operator.engine.ports import Target, TargetKind, TargetReference, TargetUnavailable
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import RabbitMQ, TLSMode

logger = logging.getLogger(__name__)

EVERYBODY: Final = "*"
CA_KEY: Final = "ca.crt"
_REMEMBERED: Final = 2_000

Json = dict[str, Any]


class References(Protocol):
    """What we need of the API server."""

    async def get_secret(self, namespace: str, name: str) -> Json:
        """One Secret."""

    async def get_rabbitmq_cluster(self, namespace: str, name: str) -> Json:
        """One RabbitmqCluster."""


class ClusterTargets:
    """Implements the engine's `BrokerTargets`.

    Args:
        references: the API server.
        default: the operator's own broker, read each time it is asked for; None when there is none.
        default_namespaces: whose resources may use it; `*` means all.
    """

    def __init__(
        self,
        references: References,
        default: Callable[[], Target] | None,
        *,
        default_namespaces: Sequence[str] = (EVERYBODY,),
    ) -> None:
        self._references = references
        self._default = default
        self._default_namespaces = frozenset(default_namespaces)
        self._asking: dict[tuple[str, str, str], asyncio.Task[Json]] = {}
        self._last: dict[TargetReference, Target] = {}

    def reference(self, namespace: str, rabbitmq: RabbitMQ | None) -> TargetReference:
        """What a resource refers to.

        Raises:
            TargetUnavailable: NoBroker.
        """
        if rabbitmq is not None and rabbitmq.secret_ref is not None:
            return TargetReference(
                TargetKind.SECRET, namespace, rabbitmq.secret_ref.name, rabbitmq.vhost, rabbitmq.tls.mode
            )
        if rabbitmq is not None and rabbitmq.cluster_ref is not None:
            return TargetReference(
                TargetKind.CLUSTER, namespace, rabbitmq.cluster_ref.name, rabbitmq.vhost, rabbitmq.tls.mode
            )
        if self._default is None:
            raise TargetUnavailable(
                Reason.NO_BROKER,
                "The operator has no broker of its own; set spec.rabbitmq.secretRef or spec.rabbitmq.clusterRef, "
                "or have the operator's RABBITMQ_HOST set.",
            )
        if not {EVERYBODY, namespace} & self._default_namespaces:
            raise TargetUnavailable(
                Reason.NO_BROKER,
                f'Resources of namespace "{namespace}" may not use the operator\'s own broker '
                "(AEG_DEFAULT_BROKER_NAMESPACES); set spec.rabbitmq.secretRef or spec.rabbitmq.clusterRef.",
            )
        return TargetReference(TargetKind.DEFAULT)

    async def resolve(self, reference: TargetReference) -> Target:
        """Look the broker up now.

        Raises:
            TargetUnavailable: SecretNotFound, SecretNotAllowed, SecretInvalid, ClusterNotFound, NoBroker; or Starting, when the
                API server does not answer and never did.
        """
        try:
            target = await self._look_up(reference)
        except ClusterError as error:
            last = self._last.get(reference)
            if last is None:
                raise TargetUnavailable(
                    Reason.STARTING, f'"{reference.name}" could not be read yet and is asked for again. {error}'
                ) from error
            logger.warning(
                "Going on with the last known broker of %s/%s: %s", reference.namespace, reference.name, error
            )
            return last
        except TargetUnavailable:
            self._last.pop(reference, None)
            raise
        if len(self._last) >= _REMEMBERED:
            self._last.clear()
        self._last[reference] = target
        return target

    async def _look_up(self, reference: TargetReference) -> Target:
        match reference.kind:
            case TargetKind.SECRET:
                return await self._of_secret(reference)
            case TargetKind.CLUSTER:
                return await self._of_cluster(reference)
            case TargetKind.DEFAULT:
                if self._default is None:
                    raise TargetUnavailable(Reason.NO_BROKER, "The operator has no broker of its own.")
                return self._default()

    async def _of_secret(self, reference: TargetReference) -> Target:
        secret = await self._secret(reference.namespace, reference.name, "spec.rabbitmq.secretRef.name")
        check_label(reference.name, (secret.get("metadata") or {}).get("labels"))
        return target_of(reference.name, _data(reference.name, secret), reference)

    async def _of_cluster(self, reference: TargetReference) -> Target:
        namespace, name = reference.namespace, reference.name
        try:
            cluster = await self._get("cluster", namespace, name)
        except NotFound as error:
            raise TargetUnavailable(
                Reason.CLUSTER_NOT_FOUND,
                f'RabbitmqCluster "{name}" does not exist in namespace "{namespace}"; '
                "create it or correct spec.rabbitmq.clusterRef.name.",
            ) from error
        except Forbidden as error:
            raise TargetUnavailable(
                Reason.CLUSTER_NOT_FOUND,
                f'RabbitmqCluster "{name}" cannot be read: the operator\'s account lacks the right to get '
                f'rabbitmqclusters.rabbitmq.com in namespace "{namespace}" (component rabbitmqclusters).',
            ) from error
        user = _path(cluster, "status", "defaultUser", "secretReference")
        credentials = user.get("name")
        if not isinstance(credentials, str) or not credentials or user.get("namespace", namespace) != namespace:
            raise TargetUnavailable(
                Reason.CLUSTER_NOT_FOUND,
                f'RabbitmqCluster "{name}" names no default user of its own namespace yet '
                "(status.defaultUser.secretReference).",
            )
        tls = _path(cluster, "spec", "tls")
        data = _data(credentials, await self._secret(namespace, credentials, f'RabbitmqCluster "{name}"'))
        if tls.get("secretName") and reference.tls_mode is not TLSMode.DISABLED:
            # The cluster operator writes the port of plain AMQP beside a certificate, too.
            plain = str(AMQP_PORT).encode()
            data["port"] = str(AMQPS_PORT).encode() if data.get("port", plain) == plain else data["port"]
        authority = tls.get("caSecretName")
        if not isinstance(authority, str) or not authority:
            return target_of(credentials, data, reference)
        found = _data(authority, await self._secret(namespace, authority, f'spec.tls.caSecretName of "{name}"'))
        if CA_KEY not in found:
            raise TargetUnavailable(Reason.SECRET_INVALID, f'Secret "{authority}" lacks {CA_KEY}.')
        return target_of(credentials, data, reference, found[CA_KEY])

    async def _secret(self, namespace: str, name: str, named_by: str) -> Json:
        try:
            return await self._get("secret", namespace, name)
        except NotFound as error:
            raise TargetUnavailable(
                Reason.SECRET_NOT_FOUND,
                f'Secret "{name}" does not exist in namespace "{namespace}"; create it or correct {named_by}.',
            ) from error
        except Forbidden as error:
            raise TargetUnavailable(
                Reason.SECRET_NOT_ALLOWED,
                f'Secret "{name}" cannot be read: the operator\'s account lacks the right to get secrets '
                f'in namespace "{namespace}".',
            ) from error

    async def _get(self, kind: str, namespace: str, name: str) -> Json:
        """Ask the API server; who asks for the same object at the same time shares the answer."""
        key = (kind, namespace, name)
        task = self._asking.get(key)
        if task is None:
            get = self._references.get_secret if kind == "secret" else self._references.get_rabbitmq_cluster
            task = asyncio.get_running_loop().create_task(_settled(get(namespace, name)), name=f"get {kind}")
            self._asking[key] = task
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(task)


async def _settled(answer: Coroutine[Any, Any, Json]) -> Json:
    return await answer


def _data(name: str, secret: Json) -> dict[str, bytes]:
    """The decoded values of a Secret.

    Raises:
        TargetUnavailable: SecretInvalid; an API server never lets that happen.
    """
    try:
        return {key: base64.b64decode(str(text), validate=True) for key, text in (secret.get("data") or {}).items()}
    except (binascii.Error, ValueError) as error:
        raise TargetUnavailable(Reason.SECRET_INVALID, f'Secret "{name}" holds data that is not base64.') from error


def _path(value: Mapping[str, Any], *parts: str) -> Mapping[str, Any]:
    """The mapping at a path, empty where there is none."""
    for part in parts:
        found = value.get(part)
        value = found if isinstance(found, Mapping) else {}
    return value
