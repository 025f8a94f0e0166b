"""POST /generate_event: one event by hand. 202 only after the broker's confirm; nothing is told before it is clear who asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from aiohttp import hdrs, web

from audit_event_operator.engine.elsewhere import ServedElsewhere
from audit_event_operator.engine.outbox import EVENT_LIMIT_BYTES
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.engine.submissions import PostOutcome, Submissions
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.poison import PostedEventError
from audit_event_operator.resource.entities import Entities
from audit_event_operator.resource.fields import is_namespace, is_object_name
from audit_event_operator.web.answers import Refusal, json_answer
from audit_event_operator.web.auth import bearer_token
from audit_event_operator.web.body import read_object, too_large
from audit_event_operator.web.generators import NO_SUCH_GENERATOR
from audit_event_operator.web.ports import Authorizer
from audit_event_operator.web.refusals import refuse

MOST_UNDER_WAY: Final = 256
"""Posts that may wait for the broker at once."""

_HEADER_SAFE: Final = "!#$&'()*+,-./:;<=>?@[]^_`{|}~"

_Answer = tuple[HTTPStatus, str, dict[str, str]]


def _later(sentence: str, seconds: int = 5) -> _Answer:
    return HTTPStatus.SERVICE_UNAVAILABLE, sentence, {hdrs.RETRY_AFTER: str(seconds)}


_RIGHT: Final = (
    "create auditeventgenerators/events in the generator's namespace, or in the operator's if the request names none"
)
_NO_DEFAULT: Final = (
    "There is no default broker (RABBITMQ_HOST is unset); name a generator with ?generator=namespace/name."
)
_FOREIGN: Final = (
    "Another installation of the operator serves this generator; post to that one. GET /healthz?verbose=1 names it."
)
_NOT_NOW: Final = "This process is not accepting events: it is starting, stopping or on standby."
_REFUSALS: Final[Mapping[PostOutcome, _Answer]] = {
    PostOutcome.UNKNOWN_GENERATOR: (HTTPStatus.NOT_FOUND, NO_SUCH_GENERATOR, {}),
    PostOutcome.NO_TARGET: _later(_NO_DEFAULT, 30),
    PostOutcome.NOT_ACCEPTING: _later(_NOT_NOW),
    PostOutcome.NO_MEMORY: _later("Too many events of this namespace are waiting for their brokers; retry."),
    PostOutcome.NOT_CONFIRMED: _later("The broker did not confirm the event in time; retry."),
}


@dataclass(slots=True)
class Posting:
    """The handler of posts; `make` completes what was posted to an event, or raises PostedEventError."""

    submissions: Submissions
    authorizer: Authorizer
    make: Callable[[dict[str, Any], Entities, Layout], AuditEvent]
    read_seconds: float
    _under_way: int = 0

    async def post(self, request: web.Request) -> web.Response:
        """Publish one event and answer when the broker has confirmed it."""
        ref = _asked_for(request)
        await self._authorize(request, ref if isinstance(ref, Ref) else None)
        if isinstance(ref, Refusal):
            raise ref
        if self._under_way >= MOST_UNDER_WAY:
            self.submissions.refuse()
            raise Refusal(*_later("Too many posts are waiting for the broker; retry.", 1))
        self._under_way += 1
        try:
            return await self._publish(request, ref)
        finally:
            self._under_way -= 1

    async def _publish(self, request: web.Request, ref: Ref | None) -> web.Response:
        body = await read_object(request, read_seconds=self.read_seconds)
        submission = self.submissions.open(ref)
        try:
            event = self.make(body, submission.entities, submission.layout)
        except PostedEventError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from None
        if len(event.body) > EVENT_LIMIT_BYTES:
            raise too_large()
        outcome = await submission.post(event)
        if outcome is PostOutcome.SERVED_ELSEWHERE and submission.elsewhere is not None:
            raise Refusal(*_served_elsewhere(submission.elsewhere))
        if outcome is not PostOutcome.PUBLISHED:
            raise Refusal(*_REFUSALS[outcome])
        headers = {"X-Audit-Queue": quote(submission.destination, safe=_HEADER_SAFE)}
        if ref is not None:
            headers["X-Audit-Generator"] = str(ref)
        return json_answer({"status": "success", "event_id": event.event_id}, HTTPStatus.ACCEPTED, headers)

    async def _authorize(self, request: web.Request, ref: Ref | None) -> None:
        token = bearer_token(request.headers.get(hdrs.AUTHORIZATION))
        decision = await self.authorizer.may_post(token, None if ref is None else ref.namespace)
        refuse(decision, "Posting", _RIGHT)


def _served_elsewhere(resource: ServedElsewhere) -> _Answer:
    if resource.foreign:
        return _later(_FOREIGN, 30)
    if not resource.owner:
        return _later("No replica serves this generator yet; retry.", 1)
    return _later(f"The replica {resource.owner} serves this generator; post to that one.", 1)


def _asked_for(request: web.Request) -> Ref | Refusal | None:
    """The generator that the query names, None for the default target."""
    if set(request.query) - {"generator"}:
        return Refusal(HTTPStatus.BAD_REQUEST, "The only query parameter is generator: ?generator=namespace/name.")
    values = request.query.getall("generator", [])
    if not values:
        return None
    namespace, _, name = values[0].partition("/")
    if len(values) > 1 or not is_namespace(namespace) or not is_object_name(name):
        return Refusal(
            HTTPStatus.BAD_REQUEST, "generator must be one namespace/name, such as ?generator=team-a/logins."
        )
    return Ref(namespace, name)
