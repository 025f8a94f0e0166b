"""Puts the two HTTP applications together: everything for the one port, metrics alone for the other."""

import os
import platform
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiohttp import hdrs, web

from audit_event_operator import __version__
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.ports import Brokers
from audit_event_operator.engine.submissions import Submissions
from audit_event_operator.web.answers import add_headers, counted, errors_as_json, expectations
from audit_event_operator.web.auth import Everybody
from audit_event_operator.web.body import BODY_LIMIT_BYTES, READ_SECONDS
from audit_event_operator.web.generators import Generators
from audit_event_operator.web.http_counts import HttpCounts
from audit_event_operator.web.metrics.exposition import Exposition
from audit_event_operator.web.metrics.families import Sources
from audit_event_operator.web.ports import Authorizer, HealthChecks, SourceCounts
from audit_event_operator.web.posting import MakingOfEvents, Posting
from audit_event_operator.web.probes import Probes
from audit_event_operator.web.status_page import StatusPage

SERVED: Final = (
    ("/", "GET", 200),
    ("/livez", "GET", 200),
    ("/readyz", "GET", 200),
    ("/healthz", "GET", 200),
    ("/metrics", "GET", 200),
    ("/generators", "GET", 200),
    ("/generators/{namespace}/{name}", "GET", 200),
    ("/generate_event", "POST", 202),
    ("/generate_event", "POST", 503),
)
"""Every route by its template, with the answers whose counts are there from the start."""


def build_labels(revision: str = "unknown") -> dict[str, str]:
    """What `build_info` says; `revision` is the commit the image was built from."""
    return {"version": __version__, "revision": revision, "python_version": platform.python_version()}


@dataclass(frozen=True, slots=True)
class Site:
    """What the HTTP face shows and whom it asks."""

    fleet: Fleet
    submissions: Submissions
    brokers: Brokers
    health_checks: HealthChecks = field(default_factory=HealthChecks)
    source: SourceCounts = field(default_factory=SourceCounts)
    authorizer: Authorizer = field(default_factory=Everybody)
    build: Mapping[str, str] = field(default_factory=build_labels)
    rng: random.Random = field(default_factory=random.Random)
    wall_ns: Callable[[], int] = time.time_ns
    entropy: Callable[[int], bytes] = os.urandom
    read_seconds: float = READ_SECONDS


@dataclass(frozen=True, slots=True)
class Applications:
    """`main` serves everything, `metrics` serves /metrics alone."""

    main: web.Application
    metrics: web.Application


def build_applications(site: Site) -> Applications:
    """Both applications over one set of counters; nothing listens yet."""
    http = HttpCounts(SERVED)
    exposition = Exposition(Sources(site.fleet, site.brokers, site.health_checks, site.source, http, site.build))
    probes, generators = Probes(site.fleet, site.health_checks), Generators(site.fleet, site.health_checks)
    making = MakingOfEvents(site.rng, site.wall_ns, site.entropy)
    posting = Posting(site.submissions, site.authorizer, making, read_seconds=site.read_seconds)

    async def metrics(request: web.Request) -> web.Response:
        page = await exposition.page(
            request.headers.get(hdrs.ACCEPT, ""), request.headers.get(hdrs.ACCEPT_ENCODING, "")
        )
        headers = {hdrs.CONTENT_TYPE: page.content_type, hdrs.VARY: "Accept, Accept-Encoding"}
        if page.gzipped:
            headers[hdrs.CONTENT_ENCODING] = "gzip"
        return web.Response(body=page.body, headers=headers)

    main, alone = _application(http), _application(http)
    alone.router.add_get("/metrics", metrics, expect_handler=expectations)
    main.router.add_get("/", StatusPage().get, expect_handler=expectations)
    main.router.add_get("/metrics", metrics, expect_handler=expectations)
    main.router.add_get("/livez", probes.livez, expect_handler=expectations)
    main.router.add_get("/readyz", probes.readyz, expect_handler=expectations)
    main.router.add_get("/healthz", probes.healthz, expect_handler=expectations)
    main.router.add_get("/generators", generators.list, expect_handler=expectations)
    main.router.add_get("/generators/{namespace}/{name}", generators.one, expect_handler=expectations)
    main.router.add_post("/generate_event", posting.post, expect_handler=expectations)
    return Applications(main, alone)


def _application(http: HttpCounts) -> web.Application:
    application = web.Application(middlewares=[counted(http), errors_as_json], client_max_size=BODY_LIMIT_BYTES)
    application.on_response_prepare.append(add_headers)
    return application
