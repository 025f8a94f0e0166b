"""Puts the two HTTP applications together: everything for the one port, metrics alone for the other."""

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.ports import Brokers
from audit_event_operator.engine.submissions import Submissions
from audit_event_operator.events.event import AuditEvent
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.posted import posted_event
from audit_event_operator.resource.entities import Entities
from audit_event_operator.web.answers import add_headers, counted, errors_as_json, expectations
from audit_event_operator.web.auth import Everybody
from audit_event_operator.web.body import BODY_LIMIT_BYTES, READ_SECONDS
from audit_event_operator.web.door import HostRule, guarded
from audit_event_operator.web.generators import LIST, Generators
from audit_event_operator.web.http_counts import HttpCounts
from audit_event_operator.web.metrics.exposition import Exposition
from audit_event_operator.web.metrics.families import Sources
from audit_event_operator.web.ports import Authorizer, HealthChecks, Readers, SourceCounts
from audit_event_operator.web.posting import Posting
from audit_event_operator.web.probes import Probes
from audit_event_operator.web.reading import for_readers
from audit_event_operator.web.slices import Slices
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


@dataclass(frozen=True, slots=True)
class Site:
    """What the HTTP face shows and whom it asks; `build` is version, revision and Python's version, in this order.

    `metrics_per_resource`: /metrics has series for each resource; else it has sums for each namespace.
    """

    fleet: Fleet
    submissions: Submissions
    brokers: Brokers
    build: Mapping[str, str]
    health_checks: HealthChecks = field(default_factory=HealthChecks)
    source: SourceCounts = field(default_factory=SourceCounts)
    authorizer: Authorizer = field(default_factory=Everybody)
    page_readers: Readers = field(default_factory=Everybody)
    metrics_readers: Readers = field(default_factory=Everybody)
    host_rule: HostRule = field(default_factory=HostRule)
    metrics_per_resource: bool = True
    rng: random.Random = field(default_factory=random.Random)
    wall_ns: Callable[[], int] = time.time_ns
    entropy: Callable[[int], bytes] = os.urandom
    read_seconds: float = READ_SECONDS


class Applications(NamedTuple):
    """`main` serves everything, `metrics` serves /metrics alone."""

    main: web.Application
    metrics: web.Application


def build_applications(site: Site) -> Applications:
    """Both applications over one set of counters; nothing listens yet."""
    http = HttpCounts(SERVED)
    slices = Slices()
    sources = Sources(site.fleet, site.brokers, site.health_checks, site.source, http, site.build)
    exposition = Exposition(sources, slices, per_resource=site.metrics_per_resource)
    probes = Probes(site.fleet, site.health_checks, site.page_readers, slices)
    generators = Generators(site.fleet, site.health_checks, site.submissions, slices)
    metrics = for_readers(exposition.get, site.metrics_readers)

    def make(body: dict[str, Any], entities: Entities, layout: Layout) -> AuditEvent:
        return posted_event(body, entities, rng=site.rng, unix_ns=site.wall_ns(), entropy=site.entropy, layout=layout)

    pages: dict[str, Handler] = {
        "/": for_readers(StatusPage().get, site.page_readers),
        "/metrics": metrics,
        "/livez": probes.livez,
        "/readyz": probes.readyz,
        "/healthz": probes.healthz,
        LIST: for_readers(generators.list, site.page_readers),
        f"{LIST}/{{namespace}}/{{name}}": for_readers(generators.one, site.page_readers),
    }
    posting = Posting(site.submissions, site.authorizer, make, site.read_seconds)
    main, alone = _application(http, site.host_rule), _application(http, site.host_rule)
    for path, handler in pages.items():
        main.router.add_get(path, handler, expect_handler=expectations)
    main.router.add_post("/generate_event", posting.post, expect_handler=expectations)
    alone.router.add_get("/metrics", metrics, expect_handler=expectations)
    return Applications(main, alone)


def _application(http: HttpCounts, host_rule: HostRule) -> web.Application:
    application = web.Application(
        middlewares=[counted(http), errors_as_json, guarded(host_rule)], client_max_size=BODY_LIMIT_BYTES
    )
    application.on_response_prepare.append(add_headers)
    return application
