"""Answers a scrape: numbers in slices of the loop, text in a thread. Ten thousand resources must not hold up a single tick."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from http import HTTPStatus
from itertools import chain
from typing import Final

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from audit_event_operator.engine.health import health_of
from audit_event_operator.engine.snapshot import Contribution, Readable
from audit_event_operator.resource.fields import is_namespace
from audit_event_operator.web.answers import Refusal, large_answer
from audit_event_operator.web.metrics.by_namespace import PER_NAMESPACE
from audit_event_operator.web.metrics.families import (
    FAMILIES,
    NAMESPACE_LABEL,
    Look,
    Row,
    Sources,
    Sums,
    of_namespace,
    of_operator,
    of_resources,
    read,
)
from audit_event_operator.web.metrics.text import Encode, ending, pieces
from audit_event_operator.web.slices import Slices

ONE_NAMESPACE: Final = (
    f"`{NAMESPACE_LABEL}` takes the name of one namespace, at most 63 lower-case letters, digits and -, such as team-a."
)


class Exposition:
    """Renders metrics; one scrape at a time, so that many scrapers cost no more than one after the other.

    `per_resource`: with series for each resource; else with sums for each namespace.
    """

    def __init__(self, sources: Sources, slices: Slices, *, per_resource: bool = True) -> None:
        self._sources = sources
        self._slices = slices
        self._per_resource = per_resource
        self._families = FAMILIES if per_resource else (*FAMILIES, *PER_NAMESPACE)
        self._turn = asyncio.Lock()
        self._about_process = CollectorRegistry(auto_describe=False)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._about_process)

    async def get(self, request: web.Request) -> web.Response:
        """The metrics of this moment, in Prometheus' text format or OpenMetrics, as the Accept header asks.

        With `?generator_namespace=NAME`: the series with this label and value, and no others.
        """
        encode, content_type = _encoder(request.headers.get(hdrs.ACCEPT, ""))
        namespace = _namespace(request)
        async with self._turn:
            ours = await self._ours(encode, namespace)
            text = chain(ours, self._rest(encode, namespace))
            return await large_answer(request, text, content_type, vary="Accept, Accept-Encoding")

    def _rest(self, encode: Encode, namespace: str | None) -> Iterator[bytes]:
        """The end of the text: what is known of the process, if it is asked for."""
        yield encode(self._about_process) if namespace is None else ending(encode)

    async def _ours(self, encode: Encode, namespace: str | None) -> Iterator[bytes]:
        """Our own families, in pieces."""
        fleet = self._sources.fleet
        live, contributions, sums = fleet.uids(), Counter[Contribution](), defaultdict[str, Sums](Sums)

        def look(each: Readable) -> Row | None:
            snapshot = each.snapshot()
            if each.uid in live:
                contributions[snapshot.contribution] += 1
                sums[each.ref.namespace].add(snapshot)
            return read(snapshot) if self._per_resource else None

        there = (each for each in fleet.series() if namespace is None or each.ref.namespace == namespace)
        rows = [row for row in await self._slices.map(look, there) if row is not None]
        seen = Look(self._sources, fleet.totals, health_of(fleet, contributions), sums)
        chosen = self._families
        blocks = of_operator(seen, chosen) if namespace is None else of_namespace(seen, chosen, namespace)
        return pieces(chain(blocks, of_resources(rows) if self._per_resource else ()), encode)


def _namespace(request: web.Request) -> str | None:
    """The only namespace to tell of; None: all."""
    names = request.query.getall(NAMESPACE_LABEL, [])
    if not names:
        return None
    if len(names) > 1 or not is_namespace(names[0]):
        raise Refusal(HTTPStatus.BAD_REQUEST, ONE_NAMESPACE)
    return names[0]


def _encoder(accept: str) -> tuple[Encode, str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client raises on versions that are no numbers
        return choose_encoder("")
