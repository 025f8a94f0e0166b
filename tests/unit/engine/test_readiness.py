"""Which reason a generator deserves."""

import dataclasses

import pytest

from audit_event_operator.engine.ports import OutletHealth, Trouble
from audit_event_operator.engine.readiness import Circumstances, Damping, decide_ready
from audit_event_operator.resource.conditions import Completion, CompletionReason, Ready, Reason

READY = OutletHealth(ready_since=0.0, connected=True, broker="rabbit.test:5672/%2F")
SEEN = Circumstances(now=100.0, destination="audit_events", longest_gap_seconds=5.0, health=READY)


def decided(**changes):
    return decide_ready(dataclasses.replace(SEEN, **changes), Damping())


def lost(since, reason=Reason.BROKER_UNREACHABLE, ready_since=None):
    return OutletHealth(ready_since=ready_since, trouble=Trouble(reason, "what is wrong", since), broker=READY.broker)


def test_nothing_confirmed_yet_is_starting():
    assert decided().reason is Reason.STARTING
    assert "first confirm" in decided().message
    assert "Connecting" in decided(health=None).message


def test_a_confirm_makes_it_publishing():
    assert decided(confirmed=True).reason is Reason.PUBLISHING


def test_a_declared_queue_is_enough_above_sixty_seconds():
    assert decided(longest_gap_seconds=61).reason is Reason.CONNECTED
    assert decided(longest_gap_seconds=60).reason is Reason.STARTING
    assert decided(longest_gap_seconds=61, idle=False).reason is Reason.STARTING


@pytest.mark.parametrize(("now", "early"), [(0.0, True), (29.9, True), (30.0, False), (3600.0, False)])
def test_an_unreachable_broker_is_early_for_thirty_seconds(now, early):
    assert decided(now=now, health=lost(0.0)) == Ready(Reason.BROKER_UNREACHABLE, "what is wrong", early)


def test_a_slow_stream_is_well_as_soon_as_its_broker_is_back():
    assert decided(longest_gap_seconds=3600, health=lost(0.0, ready_since=50.0)).reason is Reason.CONNECTED
    assert decided(longest_gap_seconds=5, health=lost(0.0, ready_since=50.0)).reason is Reason.BROKER_UNREACHABLE


def test_what_only_the_user_can_mend_is_said_at_once():
    health = lost(99.9, Reason.AUTHENTICATION_FAILED)
    assert decided(health=health, confirmed=True) == Ready(Reason.AUTHENTICATION_FAILED, "what is wrong")


def test_a_block_is_said_after_thirty_seconds():
    blocked = dataclasses.replace(READY, blocked_since=71.0)
    assert decided(health=blocked, confirmed=True).reason is Reason.PUBLISHING
    assert decided(health=blocked, confirmed=True, now=101.0).reason is Reason.BROKER_BLOCKED


def test_who_uses_up_the_memory_is_told_so_after_a_minute_and_why():
    rejected = dataclasses.replace(READY, trouble=Trouble(Reason.REJECTED_BY_BROKER, "The queue refuses.", 0.0))
    ready = decided(exhausted_since=40.0, health=rejected, confirmed=True)
    assert ready.reason is Reason.MEMORY_EXHAUSTED
    assert ready.message.endswith("The queue refuses.")
    assert decided(exhausted_since=41.0, health=rejected, confirmed=True).reason is Reason.REJECTED_BY_BROKER
    assert decided(exhausted_since=40.0, confirmed=True).reason is Reason.MEMORY_EXHAUSTED
    assert decided(exhausted_since=40.0, health=lost(0.0)).reason is Reason.BROKER_UNREACHABLE


def test_sixty_seconds_of_skips_are_backpressure():
    assert decided(confirmed=True, skipping_since=41.0).reason is Reason.PUBLISHING
    assert decided(confirmed=True, skipping_since=40.0).reason is Reason.BACKPRESSURE


def test_what_the_user_asked_for_comes_before_what_the_broker_does():
    done = Completion(CompletionReason.MAX_EVENTS_REACHED, "done")
    assert decided(health=lost(0.0), suspended=True).reason is Reason.SUSPENDED
    assert decided(health=lost(0.0), suspended=True, complete=done).reason is Reason.COMPLETED
    assert decided(invalid="spec.queue is wrong", complete=done) == Ready(Reason.INVALID_SPEC, "spec.queue is wrong")
    assert decided(unavailable=Trouble(Reason.NO_BROKER, "none", 0.0)) == Ready(Reason.NO_BROKER, "none")
