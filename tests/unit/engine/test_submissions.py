"""Posts, and the health of the whole."""

import asyncio
from collections import Counter
from types import SimpleNamespace

import pytest

from audit_event_operator.engine.context import EngineContext
from audit_event_operator.engine.default_stream import DEFAULT_STREAM_REF, DefaultStream
from audit_event_operator.engine.elsewhere import ServedElsewhere
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.health import health_of
from audit_event_operator.engine.ledger import Outcome
from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.engine.submissions import PostOutcome, Submissions
from audit_event_operator.events.layouts.cloud_events import CloudEvents
from audit_event_operator.events.layouts.seed_json import SEED_JSON
from audit_event_operator.resource.entities import Entities
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from support.doubles.events import make_event
from support.doubles.fleet import make_snapshot, series
from support.doubles.memory_broker import MemoryBrokers, Place

pytestmark = pytest.mark.looptime
EVENT = make_event()
REF = Ref("team", "stream")


@pytest.fixture
def memory():
    return MemoryBrokers()


@pytest.fixture
async def fleet(memory, destinations):
    context = EngineContext(brokers=memory, destinations=destinations)
    fleet = Fleet(context, DefaultStream(context, Place("audit_events")))
    yield fleet
    if fleet.running:
        await fleet.shutdown(0)


def row(fleet):
    return next(row for row in series(fleet) if row.ref == DEFAULT_STREAM_REF)


async def test_a_post_is_published_when_the_broker_has_confirmed_it(fleet, memory):
    fleet.start()
    assert await Submissions(fleet).open(None).post(EVENT) is PostOutcome.PUBLISHED
    assert memory.queues["audit_events"] == [EVENT]
    assert (row(fleet).counts.generated, row(fleet).counts.published) == (1, 1)


async def test_a_post_that_cannot_be_written_is_withdrawn_and_leaves_no_trace(fleet, memory):
    memory.connecting = False
    fleet.start()
    assert await Submissions(fleet, seconds=2).open(None).post(EVENT) is PostOutcome.NOT_CONFIRMED
    assert asyncio.get_running_loop().time() == pytest.approx(2, abs=0.1)
    memory.outlets[0].ready()
    await asyncio.sleep(1)
    assert (row(fleet).counts.generated, memory.queues, fleet.totals.refused_posts) == (0, {}, 1)


async def test_a_post_that_was_written_and_not_answered_in_time_settles_by_itself(fleet, memory):
    memory.answering = False
    fleet.start()
    assert await Submissions(fleet).open(None).post(EVENT) is PostOutcome.NOT_CONFIRMED
    assert row(fleet).counts.in_flight == 1
    memory.outlets[0].answer(Outcome.ACK)
    assert (row(fleet).counts.generated, row(fleet).counts.published) == (1, 1)


async def test_a_refused_post_is_one_failure_and_not_two(fleet, memory):
    memory.answering = False
    fleet.start()
    post = asyncio.ensure_future(Submissions(fleet).open(None).post(EVENT))
    await asyncio.sleep(0.1)
    memory.outlets[0].answer(Outcome.NACK)
    assert await post is PostOutcome.NOT_CONFIRMED
    assert fleet.totals.failed == 1


async def test_a_post_to_a_generator_goes_its_way_also_while_it_is_suspended(fleet, memory):
    fleet.start()
    fleet.apply(REF, "u1", 1, parse_spec({"suspend": True, "queue": "own", "maxEvents": 5}), Progress())
    submissions = Submissions(fleet)
    assert await submissions.open(REF).post(EVENT) is PostOutcome.PUBLISHED
    assert memory.queues == {"own": [EVENT]}
    snapshot = fleet.find(REF)
    assert (snapshot.counts.generated, snapshot.counts.published, snapshot.facts.progress.events_published) == (1, 1, 0)


async def test_posts_are_answered_when_there_is_nowhere_to_go(destinations, memory):
    fleet = Fleet(EngineContext(brokers=memory, destinations=destinations))
    submissions = Submissions(fleet)
    assert await submissions.open(None).post(EVENT) is PostOutcome.NOT_ACCEPTING
    fleet.start()
    assert await submissions.open(None).post(EVENT) is PostOutcome.NO_TARGET
    assert await submissions.open(REF).post(EVENT) is PostOutcome.UNKNOWN_GENERATOR
    await fleet.shutdown(0)


async def test_a_post_to_a_generator_that_another_process_serves_is_told_so(fleet):
    fleet.start()
    submissions, there = (
        Submissions(fleet),
        ServedElsewhere(REF, "u9", "pod-2", foreign=False, snapshot=lambda: make_snapshot(REF)),
    )
    submissions.elsewhere = SimpleNamespace(find=lambda ref: there if ref == REF else None)
    submission = submissions.open(REF)
    assert submission.elsewhere is there
    assert await submission.post(EVENT) is PostOutcome.SERVED_ELSEWHERE
    assert await submissions.open(Ref("default", "unknown")).post(EVENT) is PostOutcome.UNKNOWN_GENERATOR
    fleet.apply(REF, "u1", 1, parse_spec({}), Progress())
    assert await submissions.open(REF).post(EVENT) is PostOutcome.PUBLISHED


async def test_a_place_tells_the_names_and_the_destination_of_its_generator(fleet):
    fleet.start()
    spec = parse_spec({"queue": "own", "entities": {"hosts": {"names": ["web-9"]}}})
    fleet.apply(REF, "u1", 1, spec, Progress())
    submissions = Submissions(fleet)
    assert [(place.entities, place.destination) for place in map(submissions.open, (REF, None, Ref("no", "such")))] == [
        (spec.entities, "own"), (Entities(), "audit_events"), (Entities(), "")
    ]  # fmt: skip


async def test_a_place_tells_the_format_of_its_generator(fleet):
    fleet.start()
    fleet.apply(REF, "u1", 1, parse_spec({"format": "CloudEvents"}), Progress())
    submissions = Submissions(fleet)
    source = f"/namespaces/{REF.namespace}/auditeventgenerators/{REF.name}"
    assert submissions.open(REF).layout == CloudEvents(source)
    assert submissions.open(None).layout == SEED_JSON


async def test_posts_that_were_turned_away_are_counted_unless_they_name_nothing(fleet):
    Submissions(fleet).refuse()
    await Submissions(fleet).open(None).post(EVENT)
    assert fleet.totals.refused_posts == 2
    fleet.start()
    await Submissions(fleet).open(REF).post(EVENT)
    assert fleet.totals.refused_posts == 2


async def test_health_follows_the_default_target_when_there_is_one(fleet, memory):
    memory.connecting = False
    assert health_of(fleet, Counter(each.contribution for each in fleet.snapshots())).rabbitmq_connected, (
        "a standby has nothing that could be down"
    )
    fleet.start()
    assert not health_of(fleet, Counter(each.contribution for each in fleet.snapshots())).rabbitmq_connected
    memory.outlets[0].ready()
    assert health_of(fleet, Counter(each.contribution for each in fleet.snapshots())).rabbitmq_connected


def test_without_a_default_target_health_is_about_active_generators():
    assert health_of(SimpleNamespace(running=True, default_stream=None), Counter()).rabbitmq_connected
