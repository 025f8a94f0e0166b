"""Knows brokers without a cluster: the default one from the environment, others from Secret documents in the files."""

from collections.abc import Mapping
from typing import Any

from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.targets.credentials import check_label, data_of, target_of
from audit_event_operator.targets.destination import RabbitMQDestination
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target


class SecretStore:
    """The Secret documents that were read last, by namespace and name."""

    def __init__(self) -> None:
        self._secrets: dict[tuple[str, str], Mapping[str, Any]] = {}

    def put(self, secrets: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        """Replace all."""
        self._secrets = dict(secrets)

    def get(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """One of them."""
        return self._secrets.get((namespace, name))


class FileTargets:
    """Implements the engine's `Destinations` and the brokers' `TargetLookup` for files and the environment.

    Args:
        default: the broker that the environment describes.
        secrets: what the files hold.
    """

    def __init__(self, default: Target, secrets: SecretStore) -> None:
        self._default = default
        self._secrets = secrets

    def destination(self, namespace: str, spec: GeneratorSpec) -> RabbitMQDestination:
        """Where the events of a resource go; without a cluster there is no RabbitmqCluster."""
        destination = RabbitMQDestination.of(namespace, spec)
        if destination.reference.kind is TargetKind.CLUSTER:
            raise DestinationUnavailable(
                Reason.INVALID_SPEC,
                "spec.rabbitmq.clusterRef needs a cluster; use secretRef and a Secret document in the files.",
            )
        return destination

    async def resolve(self, reference: TargetReference) -> Target:
        """Look it up among the documents read last."""
        if reference.kind is TargetKind.DEFAULT:
            return self._default
        name = reference.name
        secret = self._secrets.get(reference.namespace, name)
        if secret is None:
            raise DestinationUnavailable(
                Reason.SECRET_NOT_FOUND,
                f'The files contain no Secret "{name}" for namespace "{reference.namespace}"; add it.',
            )
        check_label(name, secret)
        return target_of(name, data_of(name, secret), reference)
