"""Knows brokers by reference: Secrets and RabbitmqClusters of the resource's own namespace, and the operator's default.

Nothing is kept but the last good answer, which helps while the API server is away.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from audit_event_operator.cluster.api.client import Cluster
from audit_event_operator.cluster.api.errors import ClusterError
from audit_event_operator.cluster.targets.objects import BrokerObjects
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.targets.credentials import CA_KEY, check_label, data_of, target_of
from audit_event_operator.targets.destination import RabbitMQDestination
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target

logger = logging.getLogger(__name__)

EVERYBODY: Final = "*"
_REMEMBERED: Final = 2_000


class ClusterTargets:
    """Implements the engine's `Destinations` and the brokers' `TargetLookup`.

    Args:
        cluster: the API server.
        default: looks the operator's own broker up; None when there is none.
        default_namespaces: whose resources may use it; `*` means all.
    """

    def __init__(
        self,
        cluster: Cluster,
        default: Callable[[], Awaitable[Target]] | None,
        *,
        default_namespaces: Sequence[str] = (EVERYBODY,),
    ) -> None:
        self._secrets = BrokerObjects(
            "Secret", cluster.get_secret, Reason.SECRET_NOT_FOUND, Reason.SECRET_NOT_ALLOWED, "secrets"
        )
        self._clusters = BrokerObjects(
            "RabbitmqCluster",
            cluster.get_rabbitmq_cluster,
            missing=Reason.CLUSTER_NOT_FOUND,
            forbidden=Reason.CLUSTER_NOT_FOUND,
            right="rabbitmqclusters.rabbitmq.com",
            component="rabbitmqclusters",
        )
        self._default = default
        self._default_namespaces = frozenset(default_namespaces)
        self._last: dict[TargetReference, Target] = {}

    def destination(self, namespace: str, spec: GeneratorSpec) -> RabbitMQDestination:
        """Where the events of a resource go.

        Raises:
            DestinationUnavailable: NoBroker.
        """
        destination = RabbitMQDestination.of(namespace, spec)
        if destination.reference.kind is not TargetKind.DEFAULT:
            return destination
        if self._default is None:
            raise DestinationUnavailable(
                Reason.NO_BROKER,
                "The operator has no broker of its own; set spec.rabbitmq.secretRef or spec.rabbitmq.clusterRef, "
                "or RABBITMQ_HOST on the operator.",
            )
        if not {EVERYBODY, namespace} & self._default_namespaces:
            raise DestinationUnavailable(
                Reason.NO_BROKER,
                f'Resources in namespace "{namespace}" may not use the operator\'s own broker '
                "(AEG_DEFAULT_BROKER_NAMESPACES); set spec.rabbitmq.secretRef or spec.rabbitmq.clusterRef.",
            )
        return destination

    async def resolve(self, reference: TargetReference) -> Target:
        """Look the broker up now.

        Raises:
            DestinationUnavailable: SecretNotFound, SecretNotAllowed, SecretInvalid, ClusterNotFound, NoBroker; or Starting,
                when the API server does not answer and never did.
        """
        try:
            target = await self._look_up(reference)
        except ClusterError as error:
            last = self._last.get(reference)
            if last is None:
                raise DestinationUnavailable(
                    Reason.STARTING, f'Could not read "{reference.name}" yet; retrying. {error}'
                ) from error
            logger.warning(
                "Cannot read %s/%s; keeping its last known broker: %s", reference.namespace, reference.name, error
            )
            return last
        except DestinationUnavailable:
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
                    raise DestinationUnavailable(Reason.NO_BROKER, "The operator has no broker of its own.")
                return await self._default()

    async def _of_secret(self, reference: TargetReference) -> Target:
        name = reference.name
        secret = await self._secrets.read(reference.namespace, name, "spec.rabbitmq.secretRef.name")
        check_label(name, secret)
        return target_of(name, data_of(name, secret), reference)

    async def _of_cluster(self, reference: TargetReference) -> Target:
        namespace, name = reference.namespace, reference.name
        cluster = await self._clusters.read(namespace, name, "spec.rabbitmq.clusterRef.name")
        user = _path(cluster, "status", "defaultUser", "secretReference")
        credentials = user.get("name")
        if not isinstance(credentials, str) or not credentials or user.get("namespace", namespace) != namespace:
            raise DestinationUnavailable(
                Reason.CLUSTER_NOT_FOUND,
                f'RabbitmqCluster "{name}" does not name a default user in its own namespace yet '
                "(status.defaultUser.secretReference).",
            )
        secret = await self._secrets.read(namespace, credentials, f'RabbitmqCluster "{name}"')
        data = data_of(credentials, secret)
        tls = _path(cluster, "spec", "tls")
        ca = await self._authority(namespace, name, tls.get("caSecretName"))
        return target_of(credentials, data, reference, ca=ca, has_certificate=bool(tls.get("secretName")))

    async def _authority(self, namespace: str, cluster: str, name: object) -> bytes | None:
        """The certificate that signed a RabbitmqCluster's, None when it names no Secret for it."""
        if not isinstance(name, str) or not name:
            return None
        secret = await self._secrets.read(namespace, name, f'spec.tls.caSecretName of "{cluster}"')
        data = data_of(name, secret)
        if CA_KEY not in data:
            raise DestinationUnavailable(Reason.SECRET_INVALID, f'Secret "{name}" lacks {CA_KEY}.')
        return data[CA_KEY]


def _path(value: Mapping[str, Any], *parts: str) -> Mapping[str, Any]:
    """The mapping at a path, empty where there is none."""
    for part in parts:
        found = value.get(part)
        value = found if isinstance(found, Mapping) else {}
    return value
