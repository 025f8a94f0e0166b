"""/livez, /readyz and /healthz. Liveness never looks at a broker; health is for people and dashboards, not for probes."""

from collections import Counter
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.health import health_of
from audit_event_operator.engine.snapshot import Contribution, GeneratorState, Readable
from audit_event_operator.web.answers import error_answer, json_answer
from audit_event_operator.web.generators import LIST, TOLD
from audit_event_operator.web.ports import HealthChecks, Readers
from audit_event_operator.web.reading import admit
from audit_event_operator.web.slices import Slices

_ROW: Final = ("namespace", "name", "state", "reason", "connected")


class Probes:
    """The handlers of the three."""

    def __init__(self, fleet: Fleet, health_checks: HealthChecks, readers: Readers, slices: Slices) -> None:
        self._fleet = fleet
        self._health_checks = health_checks
        self._readers = readers
        self._slices = slices

    async def livez(self, _: web.Request) -> web.Response:
        """Whether the process should go on living."""
        return _checked(self._health_checks.livez())

    async def readyz(self, _: web.Request) -> web.Response:
        """Whether it has begun its work and is not ending."""
        return _checked(self._health_checks.readyz())

    async def healthz(self, request: web.Request) -> web.Response:
        """Whether events are getting through; 503 when they are not. `?verbose=1` shows rows, to those who may see them."""
        verbose = request.query.get("verbose", "").lower() in {"1", "true"}
        if verbose:
            await admit(request, self._readers, LIST)
        fields = _ROW if verbose else ()

        contributions: Counter[Contribution] = Counter()

        def look(each: Readable) -> dict[str, Any]:
            snapshot = each.snapshot()
            contributions[snapshot.contribution] += 1
            return {field: TOLD[field](snapshot) for field in fields}

        rows = await self._slices.map(look, self._fleet.generators())
        health = health_of(self._fleet, contributions)
        up, states = health.rabbitmq_connected, health.states
        content: dict[str, Any] = {
            "status": "healthy" if up else "unhealthy",
            "rabbitmq_connected": up,
            "generators": {
                "total": sum(states.values()),
                "active": states.get(GeneratorState.ACTIVE, 0),
                "connected": health.connected,
                "suspended": states.get(GeneratorState.SUSPENDED, 0),
                "failing": states.get(GeneratorState.FAILING, 0),
            },
        }
        leader = self._health_checks.leader()
        if leader is not None:
            content["leader"] = leader
        if verbose:
            budget = self._fleet.budget
            content["buffers"] = {
                "limit_bytes": budget.limit_bytes,
                "used_bytes": budget.used_bytes,
                "by_namespace": budget.used_by_namespace(),
            }
            content["warnings"] = self._health_checks.warnings()
            content["rows"] = rows
        return json_answer(content, HTTPStatus.OK if up else HTTPStatus.SERVICE_UNAVAILABLE)


def _checked(failing: list[str]) -> web.Response:
    if failing:
        words = "; ".join(each.rstrip(".") for each in failing)
        return error_answer(HTTPStatus.SERVICE_UNAVAILABLE, f"{words[:1].upper()}{words[1:]}.")
    return json_answer({"status": "ok"})
