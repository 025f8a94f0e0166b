"""Answers a scrape: numbers and text in slices of the loop. Ten thousand resources must not hold up a single tick."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

from audit_event_operator.engine.health import health_of
from audit_event_operator.engine.snapshot import Readable, Standing
from audit_event_operator.web.answers import large_answer
from audit_event_operator.web.metrics.families import FAMILIES, Look, Row, Sources, of_operator, of_resources, read
from audit_event_operator.web.metrics.text import Encode, pieces
from audit_event_operator.web.slices import Slices


class Exposition:
    """Renders metrics; one scrape at a time, so that many scrapers cost no more than one after the other."""

    def __init__(self, sources: Sources, slices: Slices) -> None:
        self._sources = sources
        self._slices = slices
        self._turn = asyncio.Lock()
        self._about_process = CollectorRegistry(auto_describe=False)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._about_process)

    async def get(self, request: web.Request) -> web.Response:
        """The metrics of this moment, in Prometheus' text format or OpenMetrics, as the Accept header asks."""
        encode, content_type = _encoder(request.headers.get(hdrs.ACCEPT, ""))
        async with self._turn:
            about_process = await asyncio.to_thread(encode, self._about_process)  # reads files
            text = chain(await self._text(encode), (about_process,))
            return await large_answer(request, self._slices, text, content_type, vary="Accept, Accept-Encoding")

    async def _text(self, encode: Encode) -> Iterator[bytes]:
        """All of our own families, in pieces."""
        fleet = self._sources.fleet
        live = fleet.uids()

        standings: Counter[Standing] = Counter()

        def row(each: Readable) -> Row:
            snapshot = each.snapshot()
            if each.uid in live:
                standings[snapshot.standing] += 1
            return read(snapshot)

        rows = await self._slices.map(row, fleet.series())
        health = health_of(fleet, standings)
        operator = of_operator(Look(self._sources, fleet.totals, health), FAMILIES)
        return pieces(chain(operator, of_resources(rows)), encode)


def _encoder(accept: str) -> tuple[Encode, str]:
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client raises on versions that are no numbers
        return choose_encoder("")
