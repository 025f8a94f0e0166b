"""GET /generators: the live state of resources, read-only, without credentials."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from aiohttp import web

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Ref, Snapshot
from audit_event_operator.resource.conditions import readiness
from audit_event_operator.web.answers import json_answer
from audit_event_operator.web.errors import Refusal


class Generators:
    """The handlers of the list and of one."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def list(self, _: web.Request) -> web.Response:
        """All resources, by namespace and name."""
        snapshots = self._fleet.snapshots()
        return await asyncio.to_thread(_render, snapshots)

    async def one(self, request: web.Request) -> web.Response:
        """One resource."""
        ref = Ref(request.match_info["namespace"], request.match_info["name"])
        snapshot = self._fleet.find(ref)
        if snapshot is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "There is no such generator here; GET /generators lists all.")
        return json_answer(describe(snapshot))


def _render(snapshots: list[Snapshot]) -> web.Response:
    ordered = sorted(snapshots, key=lambda each: (each.ref.namespace, each.ref.name))
    return json_answer({"generators": [describe(each) for each in ordered]})


def describe(each: Snapshot) -> dict[str, Any]:
    """What is told of one resource; rates are events per second."""
    return {
        "namespace": each.ref.namespace,
        "name": each.ref.name,
        "state": each.state,
        "ready": readiness(each.verdict.reason, early=each.verdict.early).status,
        "reason": each.verdict.reason,
        "message": each.verdict.message,
        "complete": each.complete.message if each.complete is not None else None,
        "rate_limited": each.rate_limited,
        "queue": each.queue,
        "broker": each.broker,
        "connected": each.connected,
        "interval_seconds": each.interval_seconds,
        "target_events_per_second": float(each.target_rate),
        "observed_events_per_second": round(each.observed_rate, 3),
        "events_generated": each.generated,
        "events_published": each.published,
        "events_dropped": each.dropped,
        "events_retried": each.retried,
        "events_skipped": each.skipped,
        "events_buffered": each.buffered,
        "events_in_flight": each.in_flight,
        "run_id": each.run_id,
        "run_events_published": each.events_published,
        "start_time": each.start_time,
        "completion_time": each.completion_time,
        "last_publish_time": each.last_publish_time,
        "generation": each.generation,
        "restarts": each.restarts,
    }
