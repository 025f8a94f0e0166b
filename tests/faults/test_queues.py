"""What can happen to a queue: deleted, created later, full, with other properties; and to the rights on it."""

import time
from collections.abc import Iterator

import pytest

from support.faults.measurements import Measured
from support.faults.stage import Stage, span
from support.parts.rabbitmq import RabbitMQ

STEADY = {"interval": "10ms", "eventsPerInterval": 2}  # 200/s


@pytest.fixture
def policy(own_rabbitmq: RabbitMQ, stage: Stage) -> Iterator[str]:
    """The name of a policy for this test's queues; gone afterwards."""
    name = f"policy-{stage.namespace}"
    yield name
    if name in own_rabbitmq.rabbitmqctl("list_policies"):
        own_rabbitmq.rabbitmqctl("clear_policy", name)


def limit(broker: RabbitMQ, policy: str, queue: str, **definition: object) -> None:
    row = {"vhost": "/", "name": policy, "pattern": f"^{queue}$", "apply-to": "queues", "definition": definition}
    broker.define(policies=[row])


@pytest.mark.row(11)
@pytest.mark.timeout(300)
def test_a_queue_that_must_exist_and_is_deleted_is_waited_for(stage: Stage, saw: Measured) -> None:
    stage.start()
    stage.broker.declare(stage.queue())
    stage.stream("steady", **STEADY, queueDeclaration={"mode": "MustExist"})
    with stage.watched():
        stage.wait_published("steady", 200)
        stage.broker.delete(stage.queue())
        stage.resources.wait_ready("steady", "False", "QueueNotFound", timeout_seconds=30)
        attempts = stage.attempts("returned")
        published = stage.value("events_published_total", "steady")
        time.sleep(span(120, 6))  # it is missing
        assert stage.value("events_published_total", "steady") == published
        churn = stage.attempts("returned") - attempts
        stage.broker.declare(stage.queue())
        stage.wait_for("steady", "Publishing", timeout_seconds=330 if span(1, 0) else 30)
        stage.wait_published("steady", 100)
        stage.calm()
    assert churn == 0, "nothing is written to a queue that is not there"
    verdict = stage.verdict(broker_discards=True)
    saw(f"{attempts:.0f} came back, then none was written until the queue was there; {verdict} (deleted with it)")


@pytest.mark.row(12)
def test_a_deleted_queue_is_declared_again(stage: Stage, saw: Measured) -> None:
    stage.start()
    stage.stream("steady", **STEADY)
    with stage.watched():
        stage.wait_published("steady", 200)
        stage.broker.delete(stage.queue())
        began = time.monotonic()
        stage.operator.wait_until(
            lambda: stage.broker.queue_depth(stage.queue()) > 0, what="the queue to be there again"
        )
        took = time.monotonic() - began
        stage.wait_published("steady", 100)
        stage.calm()
    assert took < 5
    saw(f"goes on after {took:.1f} s; {stage.verdict(broker_discards=True)} (deleted with it)")


@pytest.mark.row(13)
@pytest.mark.timeout(300)
def test_a_full_queue_that_rejects_gets_everything_in_the_end(
    stage: Stage, own_rabbitmq: RabbitMQ, policy: str, saw: Measured
) -> None:
    stage.start()
    stage.broker.declare(stage.queue())
    limit(own_rabbitmq, policy, stage.queue(), **{"max-length": 10, "overflow": "reject-publish"})
    with stage.watched():
        stage.stream("steady", **STEADY, until="RejectedByBroker")
        nacks = stage.attempts("nack")
        own_rabbitmq.rabbitmqctl("clear_policy", policy)
        stage.wait_for("steady", "Publishing")
        stage.wait_published("steady", 200)
        stage.calm()
    assert nacks >= 3
    assert stage.value("events_dropped_total", "steady") == 0
    saw(f"{nacks:.0f} nacks; {stage.verdict()}")


@pytest.mark.row(14)
def test_what_a_full_queue_throws_away_after_its_confirm_is_published(
    stage: Stage, own_rabbitmq: RabbitMQ, policy: str, saw: Measured
) -> None:
    stage.start()
    stage.broker.declare(stage.queue())
    limit(own_rabbitmq, policy, stage.queue(), **{"max-length": 10})
    stage.stream("steady", **STEADY)
    with stage.watched():
        stage.wait_published("steady", 500)
        assert stage.resources.ready("steady") == ("True", "Publishing")
        stage.calm()
    verdict = stage.verdict(broker_discards=True)
    assert verdict.in_queue <= 10
    assert len(verdict.missing) == verdict.published - verdict.in_queue
    saw(f"{verdict.published} published, {verdict.in_queue} kept by the broker, Ready stays True")


@pytest.mark.row(16)
@pytest.mark.parametrize("wanted", ["Classic", "Quorum"])
def test_a_queue_with_other_properties_is_used_as_it_is(wanted: str, stage: Stage, saw: Measured) -> None:
    stage.start()
    stage.broker.declare(stage.queue(), {"x-max-length": 100_000})
    stage.stream("steady", **STEADY, queueDeclaration={"type": wanted})
    stage.wait_published("steady", 100)
    stage.calm()
    saw(f"{wanted} wanted, a classic one with a length limit there: {stage.verdict()}")


@pytest.mark.row(17)
@pytest.mark.timeout(300)
def test_rights_that_are_taken_away_are_missed_and_their_return_is_noticed(
    stage: Stage, own_rabbitmq: RabbitMQ, saw: Measured
) -> None:
    user, password = f"user-{stage.namespace}", "a-password"
    own_rabbitmq.add_user(user, password)
    secret = stage.broker.secret("limited", stage.namespace, username=user, password=password)
    assert stage.plane.request("POST", f"/api/v1/namespaces/{stage.namespace}/secrets", secret).status == 201
    stage.start()
    stage.stream("steady", **STEADY, rabbitmq={"secretRef": {"name": "limited"}})
    with stage.watched():
        stage.wait_published("steady", 100)
        own_rabbitmq.rabbitmqctl("clear_permissions", "-p", "/", user)
        own_rabbitmq.close_all_connections()  # what is open may go on for long: the broker remembers
        message = stage.wait_for("steady", "AccessRefused", "VirtualHostNotFound")
        assert user not in message
        connects = stage.connects()
        time.sleep(span(120, 8))  # nobody mends it
        tries = stage.connects() - connects
        own_rabbitmq.rabbitmqctl("set_permissions", "-p", "/", user, ".*", ".*", ".*")
        stage.wait_for("steady", "Publishing", timeout_seconds=330 if span(1, 0) else 30)
        stage.wait_published("steady", 100)
        stage.calm()
    assert tries <= 8
    saw(f"{tries:.0f} logins in {span(120, 8):.0f} s without rights; {stage.verdict()}")
