"""Reads the body of a POST: one small JSON object, in time, and nothing that unpacks to something big."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import hdrs, web

from audit_event_operator.web.answers import Refusal

BODY_LIMIT_BYTES: Final = 64 * 1024
READ_SECONDS: Final = 5.0
DEPTH_LIMIT: Final = 32


async def read_object(request: web.Request, *, read_seconds: float = READ_SECONDS) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        Refusal: 400 when it is not one, 408 when it comes too slowly, 413 above 64 KiB.
    """
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise _bad("The Content-Type must be application/json with UTF-8 text.")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower() != "identity":
        raise _bad("Content-Encoding is not supported; send plain JSON.")
    if (request.content_length or 0) > BODY_LIMIT_BYTES:
        raise too_large()
    try:
        async with asyncio.timeout(read_seconds):
            raw = await request.read()
    except TimeoutError:
        raise Refusal(
            HTTPStatus.REQUEST_TIMEOUT, f"The body did not arrive within {read_seconds:g} seconds.", close=True
        ) from None
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None
    except (web.RequestPayloadError, asyncio.IncompleteReadError):
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "The connection ended before the body was complete.", close=True
        ) from None
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _bad(f"The body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    if not isinstance(content, dict):
        raise _bad('The body must be a JSON object, such as {"event_type": "user_login"}.')
    if _deeper_than(content, DEPTH_LIMIT):
        raise _bad(f"The body is nested more than {DEPTH_LIMIT} levels deep.")
    return content


def _bad(sentence: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, sentence)


def too_large() -> Refusal:
    """The refusal of what would not fit into an event."""
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The body is larger than {BODY_LIMIT_BYTES // 1024} KiB, the limit for an event.",
    )


def _deeper_than(content: Any, levels: int) -> bool:
    layer = [content]
    for _ in range(levels):
        layer = [
            inner
            for each in layer
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True
