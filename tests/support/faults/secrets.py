"""The Secrets of a fault test, written as their owner would: whole objects, also binary and huge ones."""

import base64
from collections.abc import Mapping
from typing import Any

from support.faults.harness import Harness
from support.faults.scraper import scrape

CONNECTS = "audit_event_operator_broker_connects_total"


class Secrets:
    """Secrets in the namespace of a harness, or in another one."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness

    def lead_to_broker(
        self, name: str, *, namespace: str | None = None, labelled: bool = True, **changed: str
    ) -> dict[str, Any]:
        """A Secret that leads to the harness's broker, but for what is `changed` (an empty text takes a key away)."""
        at = namespace or self._harness.namespace
        return self._write(self._harness.broker.secret(name, at, labelled=labelled, **changed))

    def put(self, name: str, data: Mapping[str, bytes]) -> None:
        """A labelled Secret with exactly these keys."""
        secret = self._harness.broker.secret(name, self._harness.namespace)
        del secret["stringData"]
        self._write(secret | {"data": {key: base64.b64encode(value).decode() for key, value in data.items()}})

    def of_broker(self) -> dict[str, bytes]:
        """The keys that lead to the harness's broker."""
        secret = self._harness.broker.secret("any", self._harness.namespace)
        return {key: str(value).encode() for key, value in secret["stringData"].items()}

    def _write(self, secret: dict[str, Any]) -> dict[str, Any]:
        # Not by `kubectl apply`, which keeps a copy in an annotation: that has no room for a huge one.
        collection = f"/api/v1/namespaces/{secret['metadata']['namespace']}/secrets"
        answer = self._harness.plane.request("POST", collection, secret)
        if answer.status == 409:
            answer = self._harness.plane.request("PUT", f"{collection}/{secret['metadata']['name']}", secret)
        assert answer.status in (200, 201), answer.body
        return secret


def by_secret(name: str, **more: Any) -> dict[str, Any]:
    """`spec.rabbitmq` of a resource that uses this Secret."""
    return {"secretRef": {"name": name}, **more}


def connects(harness: Harness, result: str) -> int:
    """How many connection attempts of the running operator ended so."""
    counters = scrape(harness.operator).counters
    return int(counters[CONNECTS, (("result", result),)])
