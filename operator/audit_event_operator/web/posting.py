"""POST /generate_event: one event by hand. 202 only after the broker's confirm; nothing is told before it is clear who asks."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from aiohttp import hdrs, web

from audit_event_operator.engine.outbox import EVENT_LIMIT_BYTES
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.engine.submissions import PostOutcome, Submissions
from audit_event_operator.events.poison import PostedEventError
from audit_event_operator.events.posted import posted_event
from audit_event_operator.resource.access import Decision
from audit_event_operator.web.answers import json_answer
from audit_event_operator.web.auth import bearer_token
from audit_event_operator.web.body import READ_SECONDS, read_object, too_large
from audit_event_operator.web.errors import Refusal
from audit_event_operator.web.ports import Authorizer

MOST_UNDER_WAY: Final = 256
"""Posts that may wait for the broker at once: their bodies are in no budget until they are written."""

_LABEL: Final = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_TARGET: Final = re.compile(rf"(?P<namespace>{_LABEL})/(?P<name>(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*)")
_HEADER_SAFE: Final = "!#$&'()*+,-./:;<=>?@[]^_`{|}~"


@dataclass(frozen=True, slots=True)
class MakingOfEvents:
    """What a posted event is completed from: a random source, the wall clock in nanoseconds, and bytes for ids."""

    rng: random.Random
    wall_ns: Callable[[], int]
    entropy: Callable[[int], bytes]


class Posting:
    """The handler of posts."""

    def __init__(
        self,
        submissions: Submissions,
        authorizer: Authorizer,
        making: MakingOfEvents,
        *,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        self._submissions = submissions
        self._authorizer = authorizer
        self._making = making
        self._read_seconds = read_seconds
        self._under_way = 0

    async def post(self, request: web.Request) -> web.Response:
        """Publish one event and answer when the broker has confirmed it."""
        ref = _asked_for(request)
        await self._authorize(request, ref if isinstance(ref, Ref) else None)
        if isinstance(ref, Refusal):
            raise ref
        if self._under_way >= MOST_UNDER_WAY:
            self._submissions.refuse()
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many posts are waiting for the broker; retry.",
                retry_after_seconds=1,
            )
        self._under_way += 1
        try:
            return await self._publish(request, ref)
        finally:
            self._under_way -= 1

    async def _publish(self, request: web.Request, ref: Ref | None) -> web.Response:
        body = await read_object(request, read_seconds=self._read_seconds)
        making, submission = self._making, self._submissions.open(ref)
        try:
            event = posted_event(
                body, submission.entities, rng=making.rng, unix_ns=making.wall_ns(), entropy=making.entropy
            )
        except PostedEventError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from None
        if len(event.body) > EVENT_LIMIT_BYTES:
            raise too_large()
        outcome = await submission.post(event)
        if outcome is not PostOutcome.PUBLISHED:
            raise _refusal(outcome)
        headers = {"X-Audit-Queue": quote(submission.destination, safe=_HEADER_SAFE)}
        if ref is not None:
            headers["X-Audit-Generator"] = str(ref)
        return json_answer({"status": "success", "event_id": event.event_id}, HTTPStatus.ACCEPTED, headers)

    async def _authorize(self, request: web.Request, ref: Ref | None) -> None:
        token = bearer_token(request.headers.get(hdrs.AUTHORIZATION))
        decision = await self._authorizer.may_post(token, None if ref is None else ref.namespace)
        if decision is Decision.ALLOWED:
            return
        if decision is Decision.UNAUTHENTICATED:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "Posting needs a valid token; send Authorization: Bearer <token>.",
                challenge='Bearer realm="audit-event-operator"',
            )
        if decision is Decision.FORBIDDEN:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "Posting needs permission to create auditeventgenerators/events in the generator's namespace, or in the "
                "operator's if the request names no generator.",
            )
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Authorization is unavailable; retry.",
            retry_after_seconds=5,
        )


def _asked_for(request: web.Request) -> Ref | Refusal | None:
    """The generator that the query names, None for the default target."""
    if set(request.query) - {"generator"}:
        return Refusal(HTTPStatus.BAD_REQUEST, "The only query parameter is generator: ?generator=namespace/name.")
    values = request.query.getall("generator", [])
    if not values:
        return None
    found = _TARGET.fullmatch(values[0])
    if found is None or len(values) > 1:
        return Refusal(
            HTTPStatus.BAD_REQUEST, "generator must be one namespace/name, such as ?generator=team-a/logins."
        )
    return Ref(found["namespace"], found["name"])


def _refusal(outcome: PostOutcome) -> Refusal:
    if outcome is PostOutcome.UNKNOWN_GENERATOR:
        return Refusal(HTTPStatus.NOT_FOUND, "There is no such generator here; GET /generators lists them.")
    if outcome is PostOutcome.NO_TARGET:
        return Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "There is no default broker (RABBITMQ_HOST is unset); name a generator with ?generator=namespace/name.",
            retry_after_seconds=30,
        )
    if outcome is PostOutcome.NOT_ACCEPTING:
        return Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "This process is not accepting events: it is starting, stopping or on standby.",
            retry_after_seconds=5,
        )
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The broker did not confirm the event in time; retry.",
        retry_after_seconds=5,
    )
