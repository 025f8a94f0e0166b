"""Knows brokers without a cluster: the default one from the environment, others from Secret documents in the files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.resource.spec import GeneratorSpec
from audit_event_operator.targets.credentials import check_label, data_of, target_of
from audit_event_operator.targets.destination import RabbitMQDestination
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import Target

Secrets = dict[tuple[str, str], Mapping[str, Any]]
"""The Secret documents that were read last, by namespace and name."""


@dataclass(frozen=True, slots=True)
class FileTargets:
    """Implements the engine's `Destinations` and the brokers' `TargetLookup` for files and the environment.

    `default` is the broker that the environment describes, `secrets` is what the files hold.
    """

    default: Target
    secrets: Secrets

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
            return self.default
        name = reference.name
        secret = self.secrets.get((reference.namespace, name))
        if secret is None:
            raise DestinationUnavailable(
                Reason.SECRET_NOT_FOUND,
                f'The files contain no Secret "{name}" for namespace "{reference.namespace}"; add it.',
            )
        check_label(name, secret)
        return target_of(name, data_of(name, secret), reference)
