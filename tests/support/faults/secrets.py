"""The Secrets of a fault test, written as their owner would: whole objects, also binary and huge ones."""

import base64
from collections.abc import Mapping
from typing import Any

from support.faults.stage import Stage
from support.faults.witness import scrape

CONNECTS = "audit_event_operator_broker_connects_total"


class Secrets:
    """Secrets in the namespace of a stage, or in another one."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def lead_to_broker(
        self, name: str, *, namespace: str | None = None, labelled: bool = True, **changed: str
    ) -> dict[str, Any]:
        """A Secret that leads to the stage's broker, but for what is `changed` (an empty text takes a key away)."""
        at = namespace or self._stage.namespace
        return self._write(self._stage.broker.secret(name, at, labelled=labelled, **changed))

    def put(self, name: str, data: Mapping[str, bytes]) -> None:
        """A labelled Secret with exactly these keys."""
        secret = self._stage.broker.secret(name, self._stage.namespace)
        del secret["stringData"]
        self._write(secret | {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}})

    def of_broker(self) -> dict[str, bytes]:
        """The keys that lead to the stage's broker."""
        secret = self._stage.broker.secret("any", self._stage.namespace)
        return {key: str(value).encode() for key, value in secret["stringData"].items()}

    def _write(self, secret: dict[str, Any]) -> dict[str, Any]:
        # Not by `kubectl apply`, which keeps a copy in an annotation: that has no room for a huge one.
        collection = f"/api/v1/namespaces/{secret['metadata']['namespace']}/secrets"
        answer = self._stage.plane.request("POST", collection, secret)
        if answer.status == 409:
            answer = self._stage.plane.request("PUT", f"{collection}/{secret['metadata']['name']}", secret)
        assert answer.status in (200, 201), answer.body
        return secret


def by_secret(name: str, **more: Any) -> dict[str, Any]:
    """`spec.rabbitmq` of a resource that uses this Secret."""
    return {"secretRef": {"name": name}, **more}


def connects(stage: Stage, result: str) -> int:
    """How many connection attempts of the running operator ended so."""
    counters = scrape(stage.operator).counters
    return int(counters[CONNECTS, (("result", result),)])
