"""Answers a scrape: numbers on the loop, text in a thread. Ten thousand resources must not hold up a single tick."""

import asyncio
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from audit_event_operator.web.metrics.families import Moment, Sources, families, look

_GZIP_LEVEL: Final = 1


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered exposition."""

    body: bytes
    content_type: str
    gzipped: bool


class Exposition:
    """Renders metrics; one scrape at a time, so that many scrapers cost no more than one after the other."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._turn = asyncio.Lock()
        self._about_process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._about_process)
        PlatformCollector(registry=self._about_process)
        GCCollector(registry=self._about_process)

    async def page(self, accept: str, accept_encoding: str) -> Page:
        """The metrics of this moment.

        Args:
            accept: the Accept header; Prometheus' text format or OpenMetrics are chosen by it.
            accept_encoding: the Accept-Encoding header.
        """
        async with self._turn:
            moment = look(self._sources)
            return await asyncio.to_thread(self._render, moment, accept, gzip_accepted(accept_encoding))

    def _render(self, moment: Moment, accept: str, gzipped: bool) -> Page:
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # prometheus_client raises on versions that are no numbers
            encode, content_type = choose_encoder("")
        body = encode(_Scrape(moment, self._about_process))
        return Page(gzip.compress(body, _GZIP_LEVEL) if gzipped else body, content_type, gzipped)


class _Scrape(Collector):
    """A registry of one moment and what the client library knows of the process."""

    def __init__(self, moment: Moment, about_process: CollectorRegistry) -> None:
        self._moment = moment
        self._about_process = about_process

    def collect(self) -> Iterator[Metric]:
        yield from families(self._moment)
        yield from self._about_process.collect()
