"""Every answer is JSON, errors included: `{"error": "<sentence>"}`. Also counts what is answered."""

import asyncio
import logging
import time
import zlib
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client.exposition import gzip_accepted

from audit_event_operator.web.http_counts import HttpCounts

logger = logging.getLogger(__name__)

_GZIP_LEVEL: Final = 1
_GZIP_BITS: Final = 31
"""The largest window, with gzip's header."""
_WHERE: Final = "Try / in a browser, /healthz, /livez, /readyz, /metrics, /generators, or POST /generate_event."


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """A request is answered with a status code and one sentence that tells what is wrong and what to do.

    `close`: the connection is of no use any more.
    """

    def __init__(
        self, status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None, *, close: bool = False
    ) -> None:
        super().__init__(sentence)
        self.status, self.headers, self.close = status, headers, close


def json_answer(content: Any, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> web.Response:
    """An answer with a JSON body."""
    return web.Response(body=orjson.dumps(content), status=status, headers=headers, content_type="application/json")


def error_answer(status: int, sentence: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error in the one form they all have."""
    return json_answer({"error": sentence}, status, headers)


async def large_answer(
    request: web.Request, pieces: Iterable[bytes], content_type: str, *, vary: str = hdrs.ACCEPT_ENCODING
) -> web.Response:
    """An answer whose pieces are made in a thread; gzipped if the client accepts that.

    Small pieces: the interpreter's lock changes hands between them, and the loop can go on. Each is gone when the next one is
    made, so that the body is in memory once.
    """
    gzipped = gzip_accepted(request.headers.get(hdrs.ACCEPT_ENCODING, ""))

    def work() -> bytearray:
        packer, body = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_BITS) if gzipped else None, bytearray()
        for piece in pieces:
            body += piece if packer is None else packer.compress(piece)
        if packer is not None:
            body += packer.flush()
        return body

    body = await asyncio.to_thread(work)
    headers = {hdrs.CONTENT_TYPE: content_type, hdrs.VARY: vary} | ({hdrs.CONTENT_ENCODING: "gzip"} if gzipped else {})
    return web.Response(body=body, headers=headers)


async def add_headers(_: web.BaseRequest, answer: web.StreamResponse) -> None:
    """The signal handler of `set_headers`."""
    set_headers(answer)


def set_headers(answer: web.StreamResponse) -> None:
    """Forbid caching and content sniffing, and hide the server's make."""
    answer.headers[hdrs.CACHE_CONTROL] = "no-store"
    answer.headers[hdrs.SERVER] = "audit-event-operator"
    answer.headers["X-Content-Type-Options"] = "nosniff"


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into the one form of errors."""
    try:
        return await handler(request)
    except Refusal as refusal:
        answer = error_answer(refusal.status, str(refusal), refusal.headers)
        if refusal.close:
            answer.force_close()
        return answer
    except web.HTTPMethodNotAllowed as refused:
        allowed = ", ".join(sorted(refused.allowed_methods))
        return error_answer(refused.status, f"Method not allowed; this path takes {allowed}.", {hdrs.ALLOW: allowed})
    except web.HTTPNotFound as refused:
        return error_answer(refused.status, f"Nothing is served at this path. {_WHERE}")
    except web.HTTPException as refused:
        return error_answer(refused.status, f"{HTTPStatus(refused.status).phrase}.")
    except Exception:  # the last resort: the caller gets no traceback, the log does
        logger.exception("Internal error in a request to %s", _route(request) or "an unknown path")
        return error_answer(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error; see the operator's log.")


async def expectations(request: web.Request) -> web.Response | None:
    """Answer an Expect header; aiohttp asks before any middleware runs, and would refuse in plain text."""
    if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
        return error_answer(HTTPStatus.EXPECTATION_FAILED, "Unsupported Expect header; only 100-continue is supported.")
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # as aiohttp's own handler does: the answer itself has not begun
    return None


def counted(counts: HttpCounts, clock: Callable[[], float] = time.perf_counter) -> Middleware:
    """A middleware that counts answers by route, method and code."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = clock()
        answer = await handler(request)
        counts.count(_route(request), request.method, answer.status, clock() - began)
        return answer

    return count


def _route(request: web.Request) -> str | None:
    """The route's template, never the path that was sent."""
    resource = request.match_info.route.resource
    return None if resource is None else resource.canonical
