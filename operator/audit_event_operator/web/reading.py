"""Lets only those read who may. Probes stay open to everybody: what runs the process has to see whether it is well."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from audit_event_operator.resource.access import Decision
from audit_event_operator.web.answers import Refusal
from audit_event_operator.web.auth import bearer_token
from audit_event_operator.web.ports import Readers

CHALLENGE: Final[dict[str, str]] = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="audit-event-operator"'}
_REFUSALS: Final[Mapping[Decision, tuple[HTTPStatus, str, dict[str, str]]]] = {
    Decision.UNAUTHENTICATED: (
        HTTPStatus.UNAUTHORIZED,
        "Reading {path} needs a valid token; send Authorization: Bearer <token>.",
        CHALLENGE,
    ),
    Decision.FORBIDDEN: (
        HTTPStatus.FORBIDDEN,
        "Reading {path} needs permission to get this nonResourceURL; a ClusterRole grants it.",
        {},
    ),
    Decision.UNAVAILABLE: (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Authorization is unavailable; retry.",
        {hdrs.RETRY_AFTER: "5"},
    ),
}


async def admit(request: web.Request, readers: Readers, path: str) -> None:
    """Let the request pass if its caller may read `path`; else raise the refusal."""
    decision = await readers.may_read(bearer_token(request.headers.get(hdrs.AUTHORIZATION)), path)
    if decision is not Decision.ALLOWED:
        status, sentence, headers = _REFUSALS[decision]
        raise Refusal(status, sentence.format(path=path), headers)


def for_readers(handler: Handler, readers: Readers) -> Handler:
    """The same handler, for those who may read its path."""

    async def read(request: web.Request) -> web.StreamResponse:
        await admit(request, readers, request.path)
        return await handler(request)

    return read
