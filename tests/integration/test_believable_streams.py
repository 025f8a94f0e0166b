"""Streams of users who behave, from a real queue: the platform's rules and a checker read what a consumer reads."""

import os

import pytest

from support.judges.consistency import ConsistencyChecker
from support.judges.counting import all_judges
from support.judges.event import Seen, read
from support.parts.consumer import Consumer
from support.waiting import wait_until

pytestmark = pytest.mark.integration

QUIET_SECONDS = int(os.environ.get("AEG_TEST_QUIET_SECONDS", "120"))
"""How long a stream has to stay silent; ten minutes in `make soak`."""


def published(consumer: Consumer) -> list[Seen]:
    """Each event once, in the order of its first arrival."""
    found = {each.message.properties.message_id: each.message.body for each in consumer.arrivals}
    return [read(body) for body in found.values() if body.startswith(b"{")]


@pytest.mark.timeout(180)
def test_a_stream_stays_quiet_and_consistent_over_a_kill_and_a_new_mix(
    start_operator, generators, cluster, rabbitmq, consumer, queue
) -> None:
    first = start_operator(AEG_STATUS_COUNTER_SECONDS="1")
    generators.create("fleet", queue=queue, interval="20ms", activity="Sessions")
    generators.wait_for("fleet", "Publishing")
    consumer.wait_for(600, timeout_seconds=40)
    first.kill()
    cluster.delete_leases()
    told = generators.status("fleet")["eventsPublished"]
    rabbitmq.publish(queue, b"the end of the first")
    wait_until(
        lambda: consumer.arrivals[-1].message.body == b"the end of the first", what="all that the first published"
    )
    before = len(published(consumer))
    second = start_operator("second", AEG_STATUS_COUNTER_SECONDS="1")
    second.wait_until(lambda: generators.status("fleet").get("eventsPublished", 0) > told + 300, what="it to go on")
    mix = {"sudo_command": 8, "user_login_success": 1, "user_logout": 1, "cron_job": 1}
    generators.patch("fleet", eventMix=mix)
    after_patch = len(consumer.arrivals)
    consumer.wait_for(after_patch + 300, timeout_seconds=40)
    events = published(consumer)
    assert {event.event_type for event in events[after_patch + 50 :]} >= {"sudo_command", "scheduled_job"}
    checker, judges, alerts = ConsistencyChecker(target=50), all_judges(), []
    for number, event in enumerate(events):
        if number == before:
            checker.restart(event.time_seconds)
        checker.feed(event)
        alerts += [alert for judge in judges for alert in judge.feed(event)]
    assert checker.violations == []
    assert alerts == []


@pytest.mark.timeout(QUIET_SECONDS + 120)
def test_five_events_a_second_raise_no_alert_over_a_kill(
    start_operator, generators, cluster, rabbitmq, consumer, queue, measured
) -> None:
    first = start_operator(AEG_STATUS_COUNTER_SECONDS="1")
    generators.create("fleet", queue=queue, interval="200ms", activity="Sessions")
    consumer.wait_for(5 * QUIET_SECONDS // 2, timeout_seconds=QUIET_SECONDS)
    first.kill()
    cluster.delete_leases()
    rabbitmq.publish(queue, b"the end of the first")
    wait_until(
        lambda: consumer.arrivals[-1].message.body == b"the end of the first", what="all that the first published"
    )
    before = len(published(consumer))
    start_operator("second")
    consumer.wait_for_more(5 * QUIET_SECONDS // 2, timeout_seconds=QUIET_SECONDS)
    checker, judges, alerts = ConsistencyChecker(target=50), all_judges(), []
    events = published(consumer)
    for number, event in enumerate(events):
        if number == before:
            checker.restart(event.time_seconds)
        checker.feed(event)
        alerts += [alert for judge in judges for alert in judge.feed(event)]
    assert alerts == []
    assert checker.violations == []
    measured(f"{len(events)} events at 5/s, {checker.failures} failed logins, no alert")


def test_made_up_hosts_have_one_label_and_advice_is_shown(start_operator, generators, consumer, queue) -> None:
    operator = start_operator()
    mix = {"user_login_failure": 1, "sudo_command": 1, "user_login_success": 1, "user_logout": 1}
    generators.create("few", queue=queue, interval="20ms", activity="Sessions", eventMix=mix)
    generators.wait_for("few", "Publishing")
    consumer.wait_for(100)
    assert len({event.host for event in published(consumer)}) > 5
    labels = {"event_type": "sudo_command", "server_hostname": "generated"}
    assert operator.metric("audit_event_generator_events_total", **labels)
    warning = generators.condition("few", "ConfigurationWarning")
    assert warning["reason"] == "MoreFailuresThanQuietAllows"
