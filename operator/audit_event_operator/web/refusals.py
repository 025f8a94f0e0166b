"""What a caller is told who may not do what it asks for: the same for posting and reading."""

from http import HTTPStatus
from typing import Final

from aiohttp import hdrs

from audit_event_operator.resource.access import Decision
from audit_event_operator.web.answers import Refusal

_CHALLENGE: Final[dict[str, str]] = {hdrs.WWW_AUTHENTICATE: 'Bearer realm="audit-event-operator"'}
_LATER: Final[dict[str, str]] = {hdrs.RETRY_AFTER: "5"}


def refuse(decision: Decision, doing: str, right: str) -> None:
    """Raise the refusal that a decision calls for, none if it allows. `doing` begins the sentence, `right` ends it."""
    match decision:
        case Decision.UNAUTHENTICATED:
            sentence = f"{doing} needs a valid token; send Authorization: Bearer <token>."
            raise Refusal(HTTPStatus.UNAUTHORIZED, sentence, _CHALLENGE)
        case Decision.FORBIDDEN:
            raise Refusal(HTTPStatus.FORBIDDEN, f"{doing} needs permission to {right}.")
        case Decision.UNAVAILABLE:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "Authorization is unavailable; retry.", _LATER)
