"""Knows brokers without a cluster: the default one from the environment, others from Secret documents in the files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from audit_event_operator.engine.credentials import check_label, target_of
from audit_event_operator.engine.ports import Target, TargetKind, TargetReference, TargetUnavailable
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import RabbitMQ


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
    """Implements `BrokerTargets` for files and the environment.

    Args:
        default: the broker that the environment describes.
        secrets: what the files hold.
    """

    def __init__(self, default: Target, secrets: SecretStore) -> None:
        self._default = default
        self._secrets = secrets

    def reference(self, namespace: str, rabbitmq: RabbitMQ | None) -> TargetReference:
        """What a resource refers to; a RabbitmqCluster is nowhere without a cluster."""
        if rabbitmq is not None and rabbitmq.cluster_ref is not None:
            raise TargetUnavailable(
                Reason.INVALID_SPEC,
                "spec.rabbitmq.clusterRef needs a cluster; use secretRef with a Secret document in the files.",
            )
        if rabbitmq is None or rabbitmq.secret_ref is None:
            return TargetReference(TargetKind.DEFAULT)
        name = rabbitmq.secret_ref.name
        return TargetReference(TargetKind.SECRET, namespace, name, rabbitmq.vhost, rabbitmq.tls.mode)

    async def resolve(self, reference: TargetReference) -> Target:
        """Look it up among the documents read last."""
        if reference.kind is TargetKind.DEFAULT:
            return self._default
        name = reference.name
        secret = self._secrets.get(reference.namespace, name)
        if secret is None:
            raise TargetUnavailable(
                Reason.SECRET_NOT_FOUND,
                f'There is no Secret "{name}" for namespace "{reference.namespace}" in the files; add its document.',
            )
        check_label(name, (secret.get("metadata") or {}).get("labels"))
        return target_of(name, _data(name, secret), reference)


def _data(name: str, secret: Mapping[str, Any]) -> dict[str, bytes]:
    data: dict[str, bytes] = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            data[key] = base64.b64decode(str(value), validate=True)
        except (binascii.Error, ValueError):
            raise TargetUnavailable(
                Reason.SECRET_INVALID,
                f'Secret "{name}" has a data.{key} that is not base64; stringData takes plain text.',
            ) from None
    for key, value in (secret.get("stringData") or {}).items():
        data[key] = str(value).encode()
    return data
