"""What aiohttp answers by itself, before any route or middleware is asked: brought into the one form of all our errors.

A request that cannot be parsed never becomes one of the application's; aiohttp would answer in plain text, quote what was sent
and name its own version. Knows no route.
"""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from audit_event_operator.web.answers import error_answer, set_headers

_UNREADABLE: Final = "Malformed HTTP request; check its request line and headers (at most 8 KiB each)."
_INTERNAL: Final = "Internal error; see the operator's log."


class _Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer to what the application has not answered; the connection ends with it."""
        theirs = super().handle_error(request, status, exc, message)
        internal = theirs.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        answer = error_answer(theirs.status, _INTERNAL if internal else _UNREADABLE)
        set_headers(answer)  # no signal is sent for such an answer
        answer.force_close()
        return answer


class _Server(web.Server):
    """Makes the connections."""

    def __init__(self, made: web.Server, settings: dict[str, Any]) -> None:
        super().__init__(
            made.request_handler, request_factory=made.request_factory, handler_cancellation=made.handler_cancellation
        )
        self._settings = settings

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._settings)


class Runner(web.AppRunner):
    """An AppRunner whose every answer has our form; `settings` are those of aiohttp's `RequestHandler`."""

    __slots__ = ("_settings",)

    def __init__(self, application: web.Application, *, shutdown_timeout: float, **settings: Any) -> None:
        super().__init__(application, handle_signals=False, shutdown_timeout=shutdown_timeout)
        self._settings = settings

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self._settings)
