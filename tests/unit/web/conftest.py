"""A site with hand-written parts: a fleet of given snapshots, submissions with a given answer, brokers that count."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from types import SimpleNamespace

import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings

from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.default_stream import DEFAULT_STREAM_REF
from audit_event_operator.engine.elsewhere import Elsewhere, NothingElsewhere, ServedElsewhere
from audit_event_operator.engine.ledger import Totals
from audit_event_operator.engine.snapshot import Ref, Snapshot
from audit_event_operator.engine.submissions import PostOutcome, Submission
from audit_event_operator.events.layouts import Layout
from audit_event_operator.events.layouts.seed_json import SEED_JSON
from audit_event_operator.resource.access import Decision
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.entities import Entities
from audit_event_operator.web.app import Site, build_applications
from audit_event_operator.web.door import HostRule
from audit_event_operator.web.ports import HealthChecks, SourceCounts
from audit_event_operator.web.servers import RUNNER_SETTINGS
from support.doubles.fleet import Still, make_snapshot


def a_snapshot(namespace="team-a", name="logins", *, reason=Reason.PUBLISHING, **changes):
    told = {
        "ref": Ref(namespace, name),
        "uid": f"uid-{namespace}-{name}",
        "reason": reason,
        "message": "A sentence.",
        "broker": "rabbit:5672/%2F",
        "generated": 100,
        "published": 90,
        "dropped": 4,
        "retried": 2,
        "skipped": 3,
        "buffered": 5,
        "in_flight": 1,
        "events_published": 90,
        "last_publish_time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }
    return make_snapshot(**(told | changes))


def a_default_stream(*, connected=True, **changes):
    return a_snapshot(**{"uid": "", "connected": connected, "target_rate": Fraction(0), "interval_seconds": 0.0, **changes},
                      namespace=DEFAULT_STREAM_REF.namespace, name=DEFAULT_STREAM_REF.name)  # fmt: skip


@dataclass
class FakeFleet:
    live: list[Snapshot] = field(default_factory=list)
    departed: list[Snapshot] = field(default_factory=list)
    default_stream_row: Snapshot | None = None
    running: bool = True
    totals: Totals = field(default_factory=Totals)
    truth_totals: Totals = field(default_factory=Totals)
    budget: Budget = field(default_factory=Budget)

    @property
    def default_stream(self):
        row = self.default_stream_row
        return row and SimpleNamespace(connected=row.facts.connected)

    def generators(self):
        return [Still(each) for each in self.live]

    def series(self):
        rows = [*self.live, *([self.default_stream_row] if self.default_stream_row else []), *self.departed]
        return [Still(each) for each in rows]

    def uids(self):
        return frozenset(each.uid for each in self.live)

    def find(self, ref):
        return next((each for each in self.live if each.ref == ref), None)


@dataclass
class FakeSubmissions:
    outcome: PostOutcome = PostOutcome.PUBLISHED
    destination: str = "audit_events"
    posted: list = field(default_factory=list)
    refused: int = 0
    layout: Layout = SEED_JSON
    there: ServedElsewhere | None = None
    elsewhere: Elsewhere = field(default_factory=NothingElsewhere)

    def open(self, ref):
        return Submission(Entities(), self.destination, lambda event: self.post(event, ref), self.layout, self.there)

    async def post(self, event, ref):
        self.posted.append((event, ref))
        return self.outcome

    def refuse(self):
        self.refused += 1


@dataclass
class FakeBrokers:
    states: dict[str, int] = field(default_factory=lambda: {"connected": 1})
    results: dict[str, int] = field(default_factory=lambda: {"success": 1, "refused": 0})

    def connections(self):
        return self.states

    def connect_results(self):
        return self.results


@dataclass
class FakeAuthorizer:
    decision: Decision = Decision.ALLOWED
    asked: list = field(default_factory=list)

    async def may_post(self, token, namespace):
        self.asked.append((token, namespace))
        return self.decision


@dataclass
class FakeReaders:
    decision: Decision = Decision.ALLOWED
    asked: list = field(default_factory=list)

    async def may_read(self, token, path):
        self.asked.append((token, path))
        return self.decision


@dataclass
class Backend:
    """Everything behind a site, to be changed by a test at any time."""

    fleet: FakeFleet = field(default_factory=FakeFleet)
    submissions: FakeSubmissions = field(default_factory=FakeSubmissions)
    brokers: FakeBrokers = field(default_factory=FakeBrokers)
    authorizer: FakeAuthorizer = field(default_factory=FakeAuthorizer)
    page_readers: FakeReaders = field(default_factory=FakeReaders)
    metrics_readers: FakeReaders = field(default_factory=FakeReaders)
    not_live: list[str] = field(default_factory=list)
    not_ready: list[str] = field(default_factory=list)
    leader: bool | None = None
    warnings: list[str] = field(default_factory=list)
    reconciles: dict[str, int] = field(default_factory=lambda: {"applied": 3, "rejected": 0})
    api_writes: dict[tuple[str, str], int] = field(default_factory=lambda: {("status", "ok"): 2})
    last_success: float | None = 1_000.0
    read_seconds: float = 0.2
    host_rule: HostRule = field(default_factory=HostRule)
    metrics_per_resource: bool = True

    def site(self):
        return Site(
            fleet=self.fleet,
            submissions=self.submissions,
            brokers=self.brokers,
            health_checks=HealthChecks(
                lambda: self.not_live, lambda: self.not_ready, lambda: self.leader, lambda: self.warnings
            ),
            source=SourceCounts(lambda: self.reconciles, lambda: self.api_writes, lambda: self.last_success, lambda: 2),
            authorizer=self.authorizer,
            page_readers=self.page_readers,
            metrics_readers=self.metrics_readers,
            build={"version": "1.2.3", "revision": "abc", "python_version": "3.13.0"},
            rng=random.Random(1),
            wall_ns=lambda: 1_700_000_000_123_456_789,
            entropy=random.Random(2).randbytes,
            read_seconds=self.read_seconds,
            host_rule=self.host_rule,
            metrics_per_resource=self.metrics_per_resource,
        )


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
async def client(backend):
    async with _client(build_applications(backend.site()).main) as each:
        yield each


@pytest.fixture
async def metrics_client(backend):
    async with _client(build_applications(backend.site()).metrics) as each:
        yield each


@asynccontextmanager
async def _client(application):
    server = TestServer(application)
    await server.start_server(**RUNNER_SETTINGS | {"lingering_time": 0.1})
    async with TestClient(server) as each:
        yield each


@pytest.fixture
def ask(client):
    async def get(path, **options):
        answer = await client.get(path, **options)
        return answer.status, await answer.json()

    return get


@pytest.fixture
def draw():
    """What Hypothesis draws, up front: it cannot drive a coroutine itself."""

    def examples(strategy, count):
        drawn = []

        @settings(max_examples=count, suppress_health_check=list(HealthCheck), deadline=None, database=None)
        @given(strategy)
        def keep(one):
            drawn.append(one)

        keep()
        return drawn

    return examples


@pytest.fixture(name="a_snapshot")
def _a_snapshot():
    return a_snapshot


@pytest.fixture(name="a_default_stream")
def _a_default_stream():
    return a_default_stream
