"""Two real operators, one API server, one broker: one works, and the work moves on when it should, never twice."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess
from support.parts.rabbitmq import Broker
from support.waiting import wait_until


@pytest.fixture
def stream(generators: Generators, queue: str) -> Iterator[str]:
    """The queue of a generator that publishes ten events per second."""
    generators.create("stream", queue=queue, interval="100ms")
    return queue


@pytest.fixture
def pair(start_operator: Callable[..., OperatorProcess], stream: str, rabbitmq: Broker) -> list[OperatorProcess]:
    """The one that leads, and the one that stands by."""
    leader = start_operator("first")
    wait_until(lambda: rabbitmq.queue_depth(stream) > 0, what="events")
    standby = start_operator("second")
    assert (leader.get_json("/healthz").get("leader"), standby.get_json("/healthz").get("leader")) != (False, True)
    return [leader, standby]


def published(operator: OperatorProcess) -> float:
    with suppress(OSError):
        return operator.metric("audit_event_operator_generator_events_published_total", generator="stream") or 0.0
    return 0.0


def generated_by(operator: OperatorProcess) -> float:
    return operator.metric("audit_event_generator_events_total") or 0.0


def seconds_until_it_publishes(operator: OperatorProcess, timeout_seconds: float) -> float:
    started = time.monotonic()
    operator.wait_until(lambda: published(operator) > 0, timeout_seconds=timeout_seconds, what="events of the standby")
    return time.monotonic() - started


def test_the_standby_is_well_and_publishes_nothing(pair) -> None:
    leader, standby = pair
    before = published(leader)
    leader.wait_until(lambda: published(leader) > before, what="more events")
    assert published(standby) == 0
    assert [standby.status_of(path) for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
    assert standby.get_json("/healthz")["leader"] is False
    assert standby.post("/generate_event", {"event_type": "user_login"}).status == 503
    assert leader.metric("audit_event_operator_leader") == 1
    assert standby.metric("audit_event_operator_leader") == 0


def test_after_sigkill_the_work_moves_within_twenty_seconds(pair) -> None:
    leader, standby = pair
    leader.kill()
    assert seconds_until_it_publishes(standby, 30) <= 20


def test_after_sigterm_the_work_moves_within_five_seconds_and_no_count_is_lost(
    pair, generators, rabbitmq, stream
) -> None:
    leader, standby = pair
    stopped = leader.stop()
    done = generators.status("stream")["eventsPublished"]
    took = seconds_until_it_publishes(standby, 20)
    assert stopped.exit_code == 0
    assert stopped.seconds + took <= 5 + 2  # leaving includes draining and the last status
    assert took <= 5
    assert done > 0
    assert rabbitmq.queue_depth(stream) >= done


def test_a_stopped_holder_publishes_nothing_after_it_goes_on(pair) -> None:
    leader, standby = pair
    asked, before = time.monotonic(), generated_by(leader)
    leader.pause()
    between = time.monotonic() - asked
    seconds_until_it_publishes(standby, 30)
    leader.resume()
    leader.wait_for_log("Lost the Lease", timeout_seconds=20)
    time.sleep(1)
    due = 10 * between + 1
    assert generated_by(leader) - before <= due, "what was due between the question and SIGSTOP, and nothing since"
    assert leader.get_json("/healthz")["leader"] is False
    assert leader.status_of("/readyz") == 200
