"""GET /generators: the state of all resources, read-only, and nothing of credentials.

Of resources that another replica serves it tells what their statuses tell.

With `?fields=` the answer is a table of the fields that were asked for, which is what the status page reads: small with
hundreds of resources, and gzipped if the client accepts that.
"""

from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.snapshot import Readable, Ref, Snapshot
from audit_event_operator.engine.submissions import Submissions
from audit_event_operator.resource.kept_json import kept_json
from audit_event_operator.resource.status import scenario_entries
from audit_event_operator.web.answers import Refusal, json_answer, large_answer
from audit_event_operator.web.ports import HealthChecks
from audit_event_operator.web.slices import Slices

TOLD: Final[dict[str, Callable[[Snapshot], Any]]] = {
    "namespace": lambda each: each.ref.namespace,
    "name": lambda each: each.ref.name,
    "state": lambda each: each.state,
    "ready": lambda each: each.facts.ready.readiness.status,
    "reason": lambda each: each.facts.ready.reason,
    "message": lambda each: each.facts.ready.message,
    "complete": lambda each: None if each.facts.complete is None else each.facts.complete.message,
    "rate_limited": lambda each: each.facts.rate_limited,
    "truth_undelivered": lambda each: each.facts.truth_undelivered,
    "warnings": lambda each: [advice.message for advice in each.facts.advice],
    "destination": lambda each: each.facts.destination,
    "queue": lambda each: each.facts.queue or None,
    "broker": lambda each: each.facts.broker,
    "connected": lambda each: each.facts.connected,
    "interval_seconds": lambda each: each.facts.interval_seconds,
    "target_events_per_second": lambda each: float(each.facts.target_rate),
    "observed_events_per_second": lambda each: round(each.facts.observed_rate, 3),
    "events_generated": lambda each: each.counts.generated,
    "events_published": lambda each: each.counts.published,
    "events_dropped": lambda each: each.counts.dropped,
    "events_retried": lambda each: each.counts.retried,
    "events_skipped": lambda each: each.counts.skipped,
    "events_buffered": lambda each: each.counts.buffered,
    "events_in_flight": lambda each: each.counts.in_flight,
    "held_bytes": lambda each: each.counts.held_bytes,
    "run_id": lambda each: each.facts.progress.run_id,
    "run_events_published": lambda each: each.facts.progress.events_published,
    "start_time": lambda each: each.facts.progress.start_time,
    "completion_time": lambda each: each.facts.progress.completion_time,
    "last_publish_time": lambda each: each.facts.progress.last_publish_time,
    "scenarios": lambda each: scenario_entries(each.facts.progress),
    "open_scenarios": lambda each: [one.name for one in each.facts.progress.scenarios if one.open is not None],
    "last_episode_time": lambda each: max(
        (one.last_time for one in each.facts.progress.scenarios if one.last_time), default=None
    ),
    "generation": lambda each: each.facts.generation,
    "restarts": lambda each: each.facts.restarts,
}
"""What a snapshot tells of one resource; rates are events per second, `scenarios` is that of its status."""

OWNER: Final = "owner"
FIELDS: Final = (*TOLD, OWNER)
"""What can be asked for. `owner` is the replica that serves the resource, null for the one that answers."""

Row = tuple[Readable, str | None]
"""A resource with its owner; of those of others the status tells."""


_CHUNK: Final = 100
LIST: Final = "/generators"
NO_SUCH_GENERATOR: Final = "There is no such generator here; GET /generators lists them."


class Generators:
    """The handlers of the list and of one."""

    def __init__(self, fleet: Fleet, health_checks: HealthChecks, submissions: Submissions, slices: Slices) -> None:
        self._fleet = fleet
        self._submissions = submissions
        self._health_checks = health_checks
        self._slices = slices

    async def list(self, request: web.Request) -> web.Response:
        """All resources, by namespace and name; with `?fields=a,b` as a table of those."""
        fields = _fields(request)
        rows: list[Row] = [(each, None) for each in self._fleet.generators()]
        rows += [(each, each.owner) for each in self._submissions.elsewhere.all()]
        rows.sort(key=lambda row: (row[0].ref.namespace, row[0].ref.name))
        told = await self._slices.map(_teller(fields), rows)
        return await large_answer(request, _text(told, fields, self._health_checks.leader()), "application/json")

    async def one(self, request: web.Request) -> web.Response:
        """One resource."""
        ref = Ref(request.match_info["namespace"], request.match_info["name"])
        snapshot, owner = self._fleet.find(ref), None
        if snapshot is None:
            there = self._submissions.elsewhere.find(ref)
            if there is None:
                raise Refusal(HTTPStatus.NOT_FOUND, NO_SUCH_GENERATOR)
            snapshot, owner = there.snapshot(), there.owner
        return json_answer(_describe(snapshot, owner))


def _describe(each: Snapshot, owner: str | None) -> dict[str, Any]:
    return {field: tell(each) for field, tell in TOLD.items()} | {OWNER: owner}


def _fields(request: web.Request) -> Sequence[str] | None:
    if "fields" not in request.query:
        return None
    fields = request.query["fields"].split(",")
    if len(fields) > len(FIELDS) or any(field not in FIELDS for field in fields):
        known = ", ".join(FIELDS)
        raise Refusal(HTTPStatus.BAD_REQUEST, f"`fields` takes a comma-separated list of {known}.")
    return fields


def _teller(fields: Sequence[str] | None) -> Callable[[Row], bytes]:
    """What writes one resource down, read at that moment."""
    if fields is None:
        return lambda row: kept_json(_describe(row[0].snapshot(), row[1]))
    tellers = [TOLD.get(field) for field in fields]

    def tell(row: Row) -> bytes:
        snapshot, owner = row[0].snapshot(), row[1]
        return kept_json([owner if teller is None else teller(snapshot) for teller in tellers])

    return tell


def _text(rows: Sequence[bytes], fields: Sequence[str] | None, leader: bool | None) -> Iterator[bytes]:
    """The list in pieces."""
    if fields is None:
        yield b'{"generators":['
    else:
        yield b'{"leader":%s,"fields":%s,"rows":[' % (orjson.dumps(leader), orjson.dumps(fields))
    for begin in range(0, len(rows), _CHUNK):
        yield (b"," if begin else b"") + b",".join(rows[begin : begin + _CHUNK])
    yield b"]}"
