"""What a fleet does with resources, on a clock that jumps."""

import asyncio
import dataclasses
import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from types import SimpleNamespace

import pytest

from audit_event_operator.engine.budget import Budget
from audit_event_operator.engine.fleet import Fleet
from audit_event_operator.engine.generator import Generator
from audit_event_operator.engine.ledger import Outcome
from audit_event_operator.engine.ports import Trouble
from audit_event_operator.engine.snapshot import GeneratorState, Ref
from audit_event_operator.resource.advice import AdviceReason
from audit_event_operator.resource.conditions import CompletionReason, DestinationUnavailable, Ready, Reason
from audit_event_operator.resource.spec import parse_spec
from audit_event_operator.resource.status import Progress
from support.doubles.fleet import series
from support.doubles.producer import FakeGate

REF = Ref("team", "stream")
pytestmark = pytest.mark.looptime


@pytest.fixture
async def fleet(context):
    fleet = Fleet(context)  # started by the first `apply`, because the clock jumps only inside of the test itself
    yield fleet
    if fleet.running:
        await fleet.shutdown(0)


def apply(fleet, generation=1, uid="u1", ref=REF, progress=None, preexisting=False, **spec):
    fleet.start()
    fleet.apply(ref, uid, generation, parse_spec(spec), progress or Progress(), preexisting=preexisting)


def counts(fleet, ref=REF):
    return fleet.find(ref).counts


def facts(fleet):
    return fleet.find(REF).facts


def reason(fleet):
    return fleet.find(REF).facts.ready.reason


def opened(brokers):
    return [outlet.destination.label for outlet in brokers.outlets]


def conserved(snapshot):
    seen = snapshot.counts
    return seen.generated == seen.published + seen.dropped + seen.buffered + seen.in_flight


async def test_a_resource_added_while_we_run_publishes_at_once_and_then_at_its_interval(fleet):
    apply(fleet, interval="5s")
    await asyncio.sleep(0.1)
    assert counts(fleet).published == 1
    await asyncio.sleep(10)
    snapshot = fleet.find(REF)
    assert (snapshot.counts.published, snapshot.state) == (3, GeneratorState.ACTIVE)
    assert reason(fleet) is Reason.PUBLISHING
    assert conserved(snapshot)


async def test_what_is_unwise_in_a_spec_is_in_the_snapshot_for_as_long_as_it_is_in_effect(fleet):
    apply(fleet, interval="10s", runDuration="10s")
    (advice,) = facts(fleet).advice
    assert advice.reason is AdviceReason.ENDS_AFTER_ONE_TICK
    fleet.reject(REF, "u1", 2, "It cannot be.")
    assert facts(fleet).advice == ()
    apply(fleet, generation=3, interval="1s", runDuration="10s")
    await asyncio.sleep(0.1)
    assert (facts(fleet).advice, reason(fleet)) == ((), Reason.PUBLISHING)


async def test_a_changed_interval_is_taken_up_in_place_and_keeps_the_counters(fleet, brokers):
    apply(fleet, interval="5s")
    await asyncio.sleep(1)
    apply(fleet, generation=2, interval="100ms")
    assert facts(fleet).generation == 2
    await asyncio.sleep(1)
    assert counts(fleet).published == pytest.approx(11, abs=1)
    assert len(brokers.outlets) == 1


async def test_nothing_is_generated_before_the_broker_was_there_once(fleet, brokers):
    brokers.connecting = False
    apply(fleet, interval="100ms")
    await asyncio.sleep(60)
    assert counts(fleet).generated == 0
    brokers.outlets[0].ready()
    await asyncio.sleep(0.05)
    assert counts(fleet).published == 1


async def test_a_broker_that_takes_nothing_fills_the_buffer_and_then_ticks_are_skipped(fleet, brokers):
    apply(fleet, interval="10ms")
    await asyncio.sleep(0.5)
    brokers.taking = False
    await asyncio.sleep(10)
    snapshot = fleet.find(REF)
    assert snapshot.counts.buffered == 100, "one second of the target rate"
    assert snapshot.counts.skipped > 800
    assert conserved(snapshot)
    brokers.taking = True
    brokers.outlets[0].poke()
    await asyncio.sleep(0.5)
    snapshot = fleet.find(REF)
    assert snapshot.counts.buffered == 0
    assert conserved(snapshot)


async def test_a_tick_larger_than_the_buffer_enters_it_as_room_appears(fleet):
    apply(fleet, interval="10s", eventsPerInterval=10_000)
    await asyncio.sleep(9)
    assert (counts(fleet).published, counts(fleet).skipped) == (10_000, 0)


async def test_suspend_stops_at_once_and_says_so_and_resuming_ticks_at_once(fleet):
    apply(fleet, interval="1s")
    await asyncio.sleep(2.5)
    apply(fleet, generation=2, interval="1s", suspend=True)
    before = fleet.find(REF)
    assert (before.facts.target_rate, before.state) == (0, GeneratorState.SUSPENDED)
    assert reason(fleet) is Reason.SUSPENDED
    await asyncio.sleep(60)
    assert counts(fleet).published == before.counts.published
    apply(fleet, generation=3, interval="1s")
    assert reason(fleet) is Reason.STARTING
    await asyncio.sleep(0.1)
    assert counts(fleet).published == before.counts.published + 1
    assert reason(fleet) is Reason.PUBLISHING


async def test_a_bounded_run_publishes_exactly_its_events_and_completes(fleet):
    apply(fleet, interval="100ms", eventsPerInterval=70, maxEvents=1000)
    await asyncio.sleep(10)
    assert (counts(fleet).published, counts(fleet).generated) == (1000, 1000)
    assert reason(fleet) is Reason.COMPLETED
    assert facts(fleet).complete.reason is CompletionReason.MAX_EVENTS_REACHED
    assert facts(fleet).progress.completion_time is not None


async def test_a_bounded_run_is_exact_although_attempts_fail(fleet, brokers):
    brokers.answering = False
    apply(fleet, interval="100ms", eventsPerInterval=10, maxEvents=55)
    for outcome in [Outcome.NACK, Outcome.ACK, Outcome.UNKNOWN, Outcome.ACK] * 10:
        await asyncio.sleep(0.2)
        brokers.outlets[0].answer(outcome)
    seen = counts(fleet)
    assert seen.published == seen.generated == facts(fleet).progress.events_published == 55
    assert seen.retried > 0


async def test_a_new_run_id_runs_it_again_and_restarts_the_sequence(fleet, brokers):
    apply(fleet, interval="100ms", eventsPerInterval=50, maxEvents=100, randomSeed=7)
    await asyncio.sleep(5)
    apply(fleet, generation=2, interval="100ms", eventsPerInterval=50, maxEvents=100, randomSeed=7, runId="again")
    await asyncio.sleep(5)
    progress = facts(fleet).progress
    assert (counts(fleet).published, progress.events_published, progress.run_id) == (200, 100, "again")
    bodies = [parcel.event.body.partition(b"server_hostname")[2] for parcel in brokers.outlets[0].written]
    assert bodies[:100] == bodies[100:], "the same seed and sequence say the same"


async def test_raising_max_events_continues_the_run(fleet):
    apply(fleet, interval="10ms", maxEvents=100)
    await asyncio.sleep(5)
    apply(fleet, generation=2, interval="10ms", maxEvents=150)
    assert facts(fleet).complete is None
    await asyncio.sleep(5)
    assert counts(fleet).published == 150


async def test_run_duration_counts_from_the_first_tick_and_suspended_time_counts(fleet):
    apply(fleet, interval="1s", runDuration="10s")
    await asyncio.sleep(3.5)
    apply(fleet, generation=2, interval="1s", runDuration="10s", suspend=True)
    await asyncio.sleep(8)
    assert facts(fleet).complete.reason is CompletionReason.DURATION_ELAPSED
    assert counts(fleet).published == 4


async def test_progress_in_the_status_is_taken_up(fleet):
    apply(fleet, interval="10ms", maxEvents=100, progress=Progress(events_published=90))
    await asyncio.sleep(3)
    assert (counts(fleet).published, facts(fleet).progress.events_published) == (10, 100)


async def test_a_completed_run_stays_completed_over_a_restart(fleet):
    done = datetime(2023, 1, 1, tzinfo=UTC)
    progress = Progress(events_published=100, start_time=done, completion_time=done)
    apply(fleet, interval="10ms", maxEvents=100, progress=progress, preexisting=True)
    await asyncio.sleep(3)
    assert (counts(fleet).published, facts(fleet).progress.completion_time) == (0, done)
    assert reason(fleet) is Reason.COMPLETED


async def test_a_resource_that_existed_before_keeps_its_rhythm(fleet, context):
    last = datetime.fromtimestamp(context.wall_ns() / 1e9, UTC) - timedelta(seconds=100)
    apply(fleet, interval="1h", progress=Progress(last_publish_time=last), preexisting=True)
    await asyncio.sleep(3490)
    assert counts(fleet).published == 0
    await asyncio.sleep(20)
    assert counts(fleet).published == 1


async def test_another_queue_drains_to_the_old_one_first(fleet, brokers):
    brokers.answering = False
    apply(fleet, interval="1s", eventsPerInterval=5)
    await asyncio.sleep(0.1)
    apply(fleet, generation=2, interval="1s", eventsPerInterval=5, queue="other")
    await asyncio.sleep(1)
    assert facts(fleet).generation == 1
    assert len(brokers.outlets) == 1
    brokers.answering = True
    brokers.outlets[0].answer()
    await asyncio.sleep(0.1)
    assert (facts(fleet).generation, facts(fleet).destination, counts(fleet).dropped) == (2, "other", 0)
    assert opened(brokers) == ["audit_events", "other"]
    assert brokers.outlets[0].closed_after is not None


async def test_an_exchange_in_place_of_the_queue_drains_to_the_queue_first(fleet, brokers):
    brokers.answering = False
    apply(fleet, interval="1s", eventsPerInterval=5)
    await asyncio.sleep(0.1)
    apply(fleet, generation=2, interval="1s", exchange={"name": "audit", "routingKey": "${severity}"})
    assert facts(fleet).generation == 1
    brokers.answering = True
    brokers.outlets[0].answer()
    await asyncio.sleep(0.1)
    assert opened(brokers) == ["audit_events", "audit"]
    assert (facts(fleet).destination, facts(fleet).queue) == ("audit → ${severity}", "")
    assert counts(fleet).dropped == 0


@pytest.mark.parametrize("change", [{"routingKey": "${host}"}, {}], ids=["routingKey", "message"])
async def test_another_envelope_is_adopted_with_what_is_on_its_way(fleet, brokers, change):
    brokers.answering = False
    exchange = {"name": "audit", "routingKey": "${severity}"}
    apply(fleet, interval="1s", eventsPerInterval=5, exchange=exchange)
    await asyncio.sleep(1.1)
    message = {} if change else {"message": {"priority": 3}}
    apply(fleet, generation=2, interval="1s", eventsPerInterval=5, exchange=exchange | change, **message)
    assert facts(fleet).generation == 2
    assert counts(fleet).in_flight == 10
    brokers.answering = True
    brokers.outlets[0].answer()
    await asyncio.sleep(0.1)
    (outlet,) = brokers.outlets
    assert outlet.destination.envelope == (change.get("routingKey", "${severity}"), None if change else 3)
    assert (counts(fleet).published, counts(fleet).retried) == (10, 0)
    assert facts(fleet).destination == f"audit → {outlet.destination.envelope[0]}"


async def test_what_cannot_drain_in_time_is_dropped_as_target_changed(fleet, brokers):
    brokers.answering = False
    apply(fleet, interval="1s", eventsPerInterval=5)
    await asyncio.sleep(0.1)
    apply(fleet, generation=2, interval="1s", queue="never")
    apply(fleet, generation=3, interval="1s", queue="third")
    await asyncio.sleep(6)
    snapshot = fleet.find(REF)
    assert (snapshot.facts.generation, snapshot.facts.destination) == (3, "third")
    assert fleet.totals.dropped == {"target_changed": 5}
    assert conserved(snapshot)
    assert opened(brokers) == ["audit_events", "third"], "skipped ones never start"


async def test_deleting_drops_the_buffer_at_once_and_lets_written_events_be_confirmed(fleet, brokers):
    brokers.answering = False
    apply(fleet, interval="10ms", eventsPerInterval=10)
    await asyncio.sleep(0.1)
    brokers.taking = False
    await asyncio.sleep(1)
    outlet = brokers.outlets[0]
    fleet.discard("u1")
    assert fleet.snapshots() == []
    assert outlet.closed_after == 5.0
    (departed,) = series(fleet)
    assert departed.counts.buffered == 0
    assert departed.counts.in_flight > 0
    assert conserved(departed)
    written = len(outlet.written)
    outlet.answer()
    await asyncio.sleep(2)
    (departed,) = series(fleet)
    assert (departed.counts.in_flight, departed.counts.published, len(outlet.written)) == (0, written, written)
    await asyncio.sleep(70)
    assert series(fleet) == []


async def test_a_released_resource_generates_nothing_more_and_delivers_what_it_has(fleet, brokers):
    brokers.answering = False
    apply(fleet, interval="1s", eventsPerInterval=5)
    await asyncio.sleep(0.1)
    fleet.release("u1")
    assert fleet.snapshots() == []
    await asyncio.sleep(3)
    assert brokers.outlets[0].closed_after is None
    brokers.answering = True
    brokers.outlets[0].answer()
    await asyncio.sleep(0.1)
    (departed,) = series(fleet)
    assert (departed.counts.generated, departed.counts.published) == (5, 5)
    assert departed.facts.target_rate == 0, "who serves it now tells its rate"
    assert brokers.outlets[0].closed_after is not None
    apply(fleet, interval="1s", eventsPerInterval=5)
    await asyncio.sleep(0.1)
    assert counts(fleet).published == 5


@pytest.mark.parametrize("end", ["time", "discard", "stop", "stop_all", "shutdown"])
async def test_what_a_released_resource_cannot_deliver_is_dropped_in_the_end(fleet, brokers, end):
    brokers.answering = False
    apply(fleet, interval="1s", eventsPerInterval=5)
    await asyncio.sleep(0.1)
    fleet.release("u1")
    if end == "discard":
        fleet.discard("u1")
    elif end == "stop":
        fleet.stop(["u1"])
    elif end == "stop_all":
        await fleet.stop_all()
    elif end == "shutdown":
        await fleet.shutdown(1)
    await asyncio.sleep(6 if end == "time" else 0.01)
    if end == "discard":
        assert brokers.outlets[0].closed_after == 5.0, "what is written may still be confirmed"
    else:
        assert fleet.totals.dropped == {"shutdown_deadline": 5}
        assert brokers.outlets[0].closed_after == 0
    assert all(conserved(each) for each in series(fleet))


async def test_the_counts_of_a_namespace_are_the_sums_of_its_resources_and_outlive_them(fleet, brokers):
    def told():
        each = fleet.totals.namespaces[REF.namespace]
        return each.generated, each.published, each.dropped, each.retried, each.skipped

    def summed():
        rows = [row.counts for row in series(fleet) if row.ref.namespace == REF.namespace]
        names = ("generated", "published", "dropped", "retried", "skipped")
        return tuple(sum(getattr(row, name) for row in rows) for name in names)

    apply(fleet, interval="10ms", eventsPerInterval=10)
    fleet.apply(Ref(REF.namespace, "other"), "u2", 1, parse_spec({"interval": "20ms"}), Progress())
    await asyncio.sleep(1)
    brokers.taking = False
    await asyncio.sleep(5)
    assert told() == summed()
    assert min(told()[:2]) > 0
    assert told()[4] > 0, "there was no room for some"
    fleet.discard("u1")
    fleet.discard("u2")
    for outlet in brokers.outlets:
        outlet.answer()
    await asyncio.sleep(10)
    last = told()
    assert last == summed()
    assert last[0] == last[1] + last[2]
    await asyncio.sleep(80)
    assert series(fleet) == []
    assert told() == last


async def test_what_is_handed_over_has_come_to_rest_when_that_is_told(fleet, brokers):
    brokers.answering = False
    apply(fleet, interval="1s", eventsPerInterval=5)
    apply(fleet, uid="u2", ref=Ref("default", "stays"), interval="1s")
    await asyncio.sleep(0.1)
    handing_over = asyncio.create_task(fleet.hand_over(["u1", "unknown"]))
    await asyncio.sleep(1)
    assert not handing_over.done()
    brokers.answering = True
    brokers.outlets[0].answer()
    (ended,) = await handing_over
    assert (ended.uid, ended.counts.published, ended.counts.in_flight) == ("u1", 5, 0)
    assert ended.facts.progress.events_published == 5
    assert fleet.uids() == {"u2"}


async def test_what_is_served_elsewhere_already_is_stopped_at_once(fleet, brokers):
    brokers.answering = False
    apply(fleet, interval="1s", eventsPerInterval=5)
    await asyncio.sleep(0.1)
    fleet.stop(["u1", "unknown"])
    assert fleet.uids() == frozenset()
    assert brokers.outlets[0].closed_after == 0
    assert fleet.totals.dropped == {"shutdown_deadline": 5}


async def test_the_cap_of_a_namespace_is_divided_by_the_processes_that_serve_it(context):
    fleet = Fleet(dataclasses.replace(context, namespace_cap=Fraction(100)))
    for number in range(2):
        apply(fleet, uid=f"u{number}", ref=Ref("default", f"r{number}"), interval="10ms")
    await asyncio.sleep(1)

    def rate():
        return sum(each.facts.target_rate for each in fleet.snapshots())

    assert rate() == 100
    fleet.share_caps(4)
    await asyncio.sleep(0)
    assert rate() == 25
    fleet.share_caps(1)
    await asyncio.sleep(0)
    assert rate() == 100
    await fleet.shutdown(0)


async def test_a_recreated_name_is_another_generator_and_replaces_the_series(fleet):
    apply(fleet, interval="1s")
    await asyncio.sleep(3.5)
    fleet.discard("u1")
    apply(fleet, uid="u2", interval="1s", suspend=True)
    (row,) = series(fleet)
    assert (row.uid, row.counts.generated) == ("u2", 0)


async def test_an_invalid_spec_stops_the_generator_and_a_mended_one_starts_it_again(fleet):
    apply(fleet, interval="100ms")
    await asyncio.sleep(1)
    fleet.reject(REF, "u1", 2, "spec.interval: must be between 1ms and 24h")
    before = fleet.find(REF)
    assert (before.facts.generation, before.state) == (2, GeneratorState.FAILING)
    assert reason(fleet) is Reason.INVALID_SPEC
    await asyncio.sleep(5)
    assert counts(fleet).generated == before.counts.generated
    apply(fleet, generation=3, interval="100ms")
    await asyncio.sleep(1)
    assert counts(fleet).generated > before.counts.generated
    assert reason(fleet) is Reason.PUBLISHING


async def test_a_resource_without_a_broker_says_why(fleet, destinations):
    destinations.refused = DestinationUnavailable(Reason.NO_BROKER, "no default broker")
    apply(fleet, interval="1s")
    await asyncio.sleep(1)
    assert facts(fleet).ready == Ready(Reason.NO_BROKER, "no default broker")
    assert counts(fleet).generated == 0


async def test_who_listens_hears_of_a_resource_that_is_discarded_and_of_no_other_end(fleet):
    departures = []
    fleet.on_departure(departures.append)
    apply(fleet)
    apply(fleet, uid="u2", ref=Ref("default", "other"))
    fleet.discard("u1")
    fleet.discard("u1")
    await fleet.stop_all()
    assert departures == ["u1"]


async def test_a_lost_broker_is_unknown_for_thirty_seconds_and_then_false(fleet, brokers):
    apply(fleet, interval="1s")
    await asyncio.sleep(1.5)
    now = asyncio.get_running_loop().time()
    brokers.outlets[0].trouble(Trouble(Reason.BROKER_UNREACHABLE, "gone", now))
    assert facts(fleet).ready.early
    changes = []
    fleet.on_change(changes.append)
    await asyncio.sleep(29)
    assert changes == []
    await asyncio.sleep(3)
    assert changes == ["u1"], "the sweep notices that the damping is over"
    assert not facts(fleet).ready.early


async def test_sixty_seconds_of_skips_are_backpressure(fleet, brokers):
    apply(fleet, interval="10ms")
    await asyncio.sleep(1)
    brokers.taking = False
    await asyncio.sleep(58)
    assert reason(fleet) is Reason.PUBLISHING
    await asyncio.sleep(10)
    assert reason(fleet) is Reason.BACKPRESSURE


async def test_what_was_skipped_while_the_broker_was_away_is_no_backpressure_when_it_is_back(fleet, brokers):
    apply(fleet, interval="100ms")
    await asyncio.sleep(1)
    (outlet,) = brokers.outlets
    outlet.trouble(Trouble(Reason.BROKER_UNREACHABLE, "gone", asyncio.get_running_loop().time()))
    await asyncio.sleep(150)
    assert counts(fleet).skipped > 500
    reasons = set()
    outlet.ready()
    for _ in range(70):
        await asyncio.sleep(0.1)
        reasons.add(reason(fleet))
    assert reasons == {Reason.PUBLISHING}


async def test_what_was_skipped_while_the_broker_blocked_is_no_backpressure_afterwards(fleet, brokers):
    apply(fleet, interval="100ms")
    await asyncio.sleep(1)
    (outlet,) = brokers.outlets
    brokers.taking = False
    outlet.set_health(dataclasses.replace(outlet.health, blocked_since=asyncio.get_running_loop().time()))
    await asyncio.sleep(150)
    assert reason(fleet) is Reason.BROKER_BLOCKED
    brokers.taking = True
    outlet.set_health(dataclasses.replace(outlet.health, blocked_since=None))
    await asyncio.sleep(0.3)
    assert reason(fleet) is Reason.PUBLISHING


async def test_a_rate_above_the_cap_is_cut_and_said(fleet):
    apply(fleet, interval="100ms", eventsPerInterval=10_000)
    await asyncio.sleep(10)
    assert counts(fleet).published == pytest.approx(50_000, rel=0.02)
    assert facts(fleet).target_rate == 5000
    assert "100000" in facts(fleet).rate_limited
    assert fleet.totals.skipped["rate_limited"] > 900_000


async def test_a_stream_that_asks_for_nothing_is_idle_and_goes_on_by_itself(fleet):
    stages = [
        {"duration": "1h", "targetPercent": 0, "transition": "Step"},
        {"duration": "1h", "targetPercent": 100, "transition": "Step"},
    ]
    apply(fleet, interval="1s", traffic={"stages": stages})
    await asyncio.sleep(10)
    assert (reason(fleet), facts(fleet).target_rate, counts(fleet).generated) == (Reason.IDLE, 0, 0)
    await asyncio.sleep(3_600)
    assert (reason(fleet), facts(fleet).target_rate) == (Reason.PUBLISHING, 1)
    apply(fleet, generation=2, eventsPerInterval=0)
    await asyncio.sleep(2)
    assert reason(fleet) is Reason.IDLE


async def test_short_gaps_do_not_turn_ready(fleet):
    seen = set()
    apply(fleet, interval="100ms", traffic={"bursts": [{"every": "10s", "duration": "5s", "multiplierPercent": 0}]})
    await asyncio.sleep(12)
    for _ in range(60):
        await asyncio.sleep(1)
        seen.add((reason(fleet), facts(fleet).target_rate))
    assert seen == {(Reason.PUBLISHING, 0), (Reason.PUBLISHING, 10)}


async def test_shares_follow_rates_that_change_by_themselves(context):
    fleet = Fleet(dataclasses.replace(context, namespace_cap=Fraction(100)))
    stages = [
        {"duration": "10s", "targetPercent": 100, "transition": "Step"},
        {"duration": "10s", "targetPercent": 1_000, "transition": "Step"},
        {"duration": "10s", "targetPercent": 0, "transition": "Step"},
    ]
    apply(fleet, uid="staged", ref=Ref("a", "staged"), interval="100ms", traffic={"stages": stages})
    apply(fleet, uid="large", ref=Ref("a", "large"), interval="1ms")
    await asyncio.sleep(5)
    shares = []
    for _ in range(3):
        shares.append({each.ref.name: each.facts.target_rate for each in fleet.snapshots()})
        await asyncio.sleep(10)
    assert shares == [{"staged": 10, "large": 90}, {"staged": 50, "large": 50}, {"staged": 0, "large": 100}]


async def test_a_cap_is_divided_once_however_many_resources_come_in_one_turn(context, monkeypatch):
    divided = []
    monkeypatch.setattr(
        "audit_event_operator.engine.fleet.fair_shares",
        lambda asked, cap: divided.append(len(asked)) or dict.fromkeys(asked, cap),
    )
    fleet = Fleet(dataclasses.replace(context, namespace_cap=Fraction(100)))
    for number in range(50):
        apply(fleet, uid=f"u{number}", ref=Ref("default", f"r{number}"))
    await asyncio.sleep(0)
    assert divided == [50]
    await fleet.shutdown(0)


async def test_a_ramp_below_the_cap_of_its_namespace_is_not_cut(context):
    fleet = Fleet(dataclasses.replace(context, namespace_cap=Fraction(100)))
    apply(fleet, interval="1s", traffic={"stages": [{"duration": "60s", "targetPercent": 6_000}]})
    await asyncio.sleep(60)
    assert counts(fleet).skipped == 0
    assert counts(fleet).published == pytest.approx(1_800, abs=2)


async def test_a_namespace_cap_is_shared_fairly(context):
    fleet = Fleet(dataclasses.replace(context, namespace_cap=Fraction(100)))
    apply(fleet, uid="small", ref=Ref("a", "small"), interval="100ms")
    apply(fleet, uid="large", ref=Ref("a", "large"), interval="1ms")
    apply(fleet, uid="other", ref=Ref("b", "other"), interval="1ms")
    await asyncio.sleep(10.05)
    assert counts(fleet, Ref("a", "small")).published == pytest.approx(101, abs=1)
    assert counts(fleet, Ref("a", "large")).published == pytest.approx(900, abs=20)
    assert counts(fleet, Ref("b", "other")).published == pytest.approx(1000, abs=20)
    await fleet.shutdown(0)


async def test_a_crashed_generator_is_counted_shown_and_started_again(fleet, brokers, monkeypatch):
    apply(fleet, interval="1s")
    await asyncio.sleep(0.5)
    with monkeypatch.context() as patch:
        patch.setattr(Generator, "_step", lambda _: 1 / 0)
        await asyncio.sleep(0.6)
    assert (fleet.totals.generator_crashes, facts(fleet).restarts) == (1, 1)
    before = counts(fleet).published
    await asyncio.sleep(5)
    assert counts(fleet).published > before
    assert reason(fleet) is Reason.PUBLISHING


def _pauses(caplog):
    """The pauses before a restart, in seconds, as the log tells them."""
    found = (re.search(r"crashed; .* in ([\d.]+) s", record.message) for record in caplog.records)
    return [float(match[1]) for match in found if match]


async def test_a_generator_that_crashes_once_an_hour_starts_again_after_one_second_each_time(
    fleet, caplog, monkeypatch
):
    apply(fleet, interval="1s")
    generator = fleet.generator(REF)
    for crashes in (1, 2, 3):
        await asyncio.sleep(3600)
        with monkeypatch.context() as patch:
            patch.setattr(Generator, "_step", lambda _: 1 / 0)
            generator.wake()
            await asyncio.sleep(0.1)
        assert facts(fleet).restarts == crashes
        before = counts(fleet).published
        await asyncio.sleep(2)
        assert counts(fleet).published > before
    assert _pauses(caplog) == [1, 1, 1]


async def test_a_generator_that_crashes_at_once_waits_longer_each_time(fleet, caplog, monkeypatch):
    apply(fleet, interval="1s")
    await asyncio.sleep(0.1)
    monkeypatch.setattr(Generator, "_step", lambda _: 1 / 0)
    await asyncio.sleep(100)
    assert _pauses(caplog)[:7] == [1, 2, 4, 8, 16, 30, 30]


async def test_dropped_events_are_counted_for_the_run_and_go_on_after_a_restart(fleet, brokers):
    brokers.answering = False
    done = Progress(events_published=3, events_dropped=7)
    apply(fleet, progress=done, interval="1s", eventsPerInterval=5, delivery="AtMostOnce")
    await asyncio.sleep(0.1)
    brokers.outlets[0].answer(Outcome.NACK)
    assert (counts(fleet).dropped, facts(fleet).progress.events_dropped) == (5, 12)
    apply(fleet, generation=2, interval="1s", eventsPerInterval=5, delivery="AtMostOnce", runId="again")
    await asyncio.sleep(0.1)
    assert (counts(fleet).dropped, facts(fleet).progress.events_dropped) == (5, 0)
    brokers.outlets[0].answer(Outcome.NACK)
    assert facts(fleet).progress.events_dropped == 5


async def test_shutdown_delivers_what_it_can_and_accounts_for_the_rest(fleet, brokers):
    apply(fleet, interval="10ms")
    apply(fleet, uid="u2", ref=Ref("team", "stuck"), interval="10ms", queue="stuck")
    await asyncio.sleep(1)
    stuck = brokers.outlets[1]
    brokers.answering = False
    await asyncio.sleep(1)
    brokers.outlets[0].answer()
    await fleet.shutdown(20)
    assert not fleet.running
    rows = {row.ref.name: row for row in fleet.snapshots()}
    assert all(conserved(row) and row.counts.buffered == row.counts.in_flight == 0 for row in rows.values())
    assert rows["stuck"].counts.dropped > 0
    assert fleet.totals.dropped["shutdown_deadline"] == sum(row.counts.dropped for row in rows.values())
    assert stuck.closed_after == 0


async def test_a_closed_gate_lets_nothing_be_generated(context):
    gate, asked = FakeGate(), []
    assignment = SimpleNamespace(gate=lambda uid: asked.append(uid) or gate)
    fleet = Fleet(dataclasses.replace(context, assignment=assignment))
    apply(fleet, interval="100ms")
    await asyncio.sleep(1)
    gate.opened = False
    before = counts(fleet).generated
    await asyncio.sleep(5)
    assert counts(fleet).generated == before
    gate.opened = True
    await asyncio.sleep(1)
    assert before + 5 <= counts(fleet).generated <= before + 15, "no burst"
    assert set(asked) == {"u1"}
    await fleet.shutdown(0)


async def test_a_namespace_that_fills_the_memory_neither_stops_nor_blames_another_one(context, brokers):
    brokers.deaf = {"full"}
    fleet = Fleet(dataclasses.replace(context, budget=Budget(limit_bytes=400_000)))
    for number in range(5):
        apply(fleet, uid=f"a{number}", ref=Ref("a", f"greedy-{number}"), queue="full", interval="10ms")
    apply(fleet, uid="b1", ref=Ref("b", "steady"), queue="free", interval="10ms")
    await asyncio.sleep(90)
    apply(fleet, uid="b2", ref=Ref("b", "newcomer"), queue="free", interval="10ms")
    await asyncio.sleep(1)
    assert (counts(fleet, Ref("b", "steady")).skipped, counts(fleet, Ref("b", "newcomer")).skipped) == (0, 0)
    reasons = {str(each.ref): each.facts.ready.reason for each in fleet.snapshots()}
    assert reasons.pop("b/steady") is reasons.pop("b/newcomer") is Reason.PUBLISHING
    assert set(reasons.values()) == {Reason.MEMORY_EXHAUSTED}
    await fleet.shutdown(0)
    assert fleet.budget.used_bytes == 0
