"""Answers a scrape: numbers on the loop, text in a thread. Ten thousand resources must not hold up a single tick."""

import asyncio
from collections.abc import Iterator

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from audit_event_operator.web.answers import large_answer
from audit_event_operator.web.metrics.families import Moment, Sources, families, look


class Exposition:
    """Renders metrics; one scrape at a time, so that many scrapers cost no more than one after the other."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._turn = asyncio.Lock()
        self._about_process = CollectorRegistry(auto_describe=False)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._about_process)

    async def get(self, request: web.Request) -> web.Response:
        """The metrics of this moment, in Prometheus' text format or OpenMetrics, as the Accept header asks."""
        accept = request.headers.get(hdrs.ACCEPT, "")
        async with self._turn:
            scrape = _Scrape(look(self._sources), self._about_process)
            return await large_answer(request, lambda: _render(scrape, accept), vary="Accept, Accept-Encoding")


class _Scrape(Collector):
    """A registry of one moment and what the client library knows of the process."""

    def __init__(self, moment: Moment, about_process: CollectorRegistry) -> None:
        self._moment = moment
        self._about_process = about_process

    def collect(self) -> Iterator[Metric]:
        yield from families(self._moment)
        yield from self._about_process.collect()


def _render(scrape: Collector, accept: str) -> tuple[bytes, str]:
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # prometheus_client raises on versions that are no numbers
        encode, content_type = choose_encoder("")
    return encode(scrape), content_type
