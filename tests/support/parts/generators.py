"""AuditEventGenerators of a namespace in the hands of its administrator: JSON of the API server, no code of the operator."""

from collections.abc import Callable
from typing import Any

from support.parts.controlplane import GENERATORS, Answer, ControlPlane
from support.waiting import wait_until

API_VERSION = f"{GENERATORS.group}/{GENERATORS.version}"
MERGE = "application/merge-patch+json"


class Generators:
    """The resources of one namespace, by name."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def create(self, name: str, **spec: Any) -> dict[str, Any]:
        body = {"apiVersion": API_VERSION, "kind": "AuditEventGenerator", "metadata": {"name": name}, "spec": spec}
        return _ok(self.cluster.request("POST", GENERATORS.path(self.namespace), body))

    def patch(self, name: str, **spec: Any) -> dict[str, Any]:
        """Merge into the spec; None removes a field. Returns the object."""
        return self.merge(name, {"spec": spec})

    def merge(self, name: str, change: dict[str, Any], part: str = "") -> dict[str, Any]:
        """Merge into the object, or into its part "/status"."""
        path = GENERATORS.path(self.namespace, name) + part
        return _ok(self.cluster.request("PATCH", path, change, content_type=MERGE))

    def items(self) -> list[dict[str, Any]]:
        """All there are."""
        return list(_ok(self.cluster.request("GET", GENERATORS.path(self.namespace)))["items"])

    def get(self, name: str) -> dict[str, Any]:
        return _ok(self.cluster.request("GET", GENERATORS.path(self.namespace, name)))

    def status(self, name: str) -> dict[str, Any]:
        """{} when nobody has written one yet."""
        return dict(self.get(name).get("status") or {})

    def delete(self, name: str) -> None:
        _ok(self.cluster.request("DELETE", GENERATORS.path(self.namespace, name)))

    def delete_all(self) -> None:
        _ok(self.cluster.request("DELETE", GENERATORS.path(self.namespace), timeout_seconds=120))

    def condition(self, name: str, kind: str = "Ready") -> dict[str, Any]:
        """The condition of that type, {} when there is none."""
        return next((each for each in self.status(name).get("conditions") or () if each["type"] == kind), {})

    def ready(self, name: str) -> tuple[str, str]:
        """Status and reason of the Ready condition; two empty words without one."""
        found = self.condition(name)
        return found.get("status", ""), found.get("reason", "")

    def wait_for(
        self, name: str, *reasons: str, timeout_seconds: float = 20, explain: Callable[[], object] | None = None
    ) -> dict[str, Any]:
        """Wait until the reason of Ready is one of these, and return the condition."""

        def there() -> dict[str, Any] | None:
            found = self.condition(name)
            return found if found.get("reason") in reasons else None

        found = wait_until(
            there,
            timeout_seconds=timeout_seconds,
            what=f"{name} to say {' or '.join(reasons)}",
            explain=explain or (lambda: self.status(name)),
            every_seconds=0.1,
        )
        assert found is not None
        return found

    def wait_ready(self, name: str, status: str, reason: str, *, timeout_seconds: float = 30) -> None:
        """Wait until the Ready condition says so."""
        wait_until(
            lambda: self.ready(name) == (status, reason),
            timeout_seconds=timeout_seconds,
            what=f"{name} to be Ready={status} ({reason})",
            explain=lambda: self.status(name),
            every_seconds=0.1,
        )

    def wait_observed(self, name: str, generation: int, *, timeout_seconds: float = 10) -> None:
        """Wait until status.observedGeneration is this one."""
        wait_until(
            lambda: self.status(name).get("observedGeneration") == generation,
            timeout_seconds=timeout_seconds,
            what=f"generation {generation} of {name}",
            explain=lambda: self.status(name),
        )


def _ok(answer: Answer) -> dict[str, Any]:
    assert answer.status < 300, answer.body
    body: dict[str, Any] = answer.body
    return body
