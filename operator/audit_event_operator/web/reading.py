"""Lets only those read who may. Probes stay open to everybody: what runs the process has to see whether it is well."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from audit_event_operator.web.auth import bearer_token
from audit_event_operator.web.ports import Readers
from audit_event_operator.web.refusals import refuse


async def admit(request: web.Request, readers: Readers, path: str) -> None:
    """Let the request pass if its caller may read `path`; else raise the refusal."""
    decision = await readers.may_read(bearer_token(request.headers.get(hdrs.AUTHORIZATION)), path)
    refuse(decision, f"Reading {path}", "get this nonResourceURL; a ClusterRole grants it")


def for_readers(handler: Handler, readers: Readers) -> Handler:
    """The same handler, for those who may read its path."""

    async def read(request: web.Request) -> web.StreamResponse:
        await admit(request, readers, request.path)
        return await handler(request)

    return read
