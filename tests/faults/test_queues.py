"""What can happen to a queue: deleted, created later, full, with other properties; and to the rights on it."""

import time

import pytest

from support.faults.harness import span
from support.parts.rabbitmq import RabbitMQ

STEADY = {"interval": "10ms", "eventsPerInterval": 2}  # 200/s


def limit(broker: RabbitMQ, policy: str, queue: str, **definition: object) -> None:
    row = {"vhost": "/", "name": policy, "pattern": f"^{queue}$", "apply-to": "queues", "definition": definition}
    broker.define(policies=[row])


@pytest.mark.row(11)
@pytest.mark.timeout(300)
def test_a_queue_that_must_exist_and_is_deleted_is_waited_for(harness, measured) -> None:
    harness.start()
    harness.broker.declare(harness.queue())
    harness.stream("steady", **STEADY, queueDeclaration={"mode": "MustExist"})
    with harness.watched():
        harness.wait_published("steady", 200)
        harness.broker.delete(harness.queue())
        harness.resources.wait_ready("steady", "False", "QueueNotFound", timeout_seconds=30)
        attempts = harness.attempts("returned")
        published = harness.value("events_published_total", "steady")
        time.sleep(span(120, 6))  # it is missing
        assert harness.value("events_published_total", "steady") == published
        churn = harness.attempts("returned") - attempts
        harness.broker.declare(harness.queue())
        harness.wait_for("steady", "Publishing", timeout_seconds=330 if span(1, 0) else 30)
        harness.wait_published("steady", 100)
        harness.settle()
    assert churn == 0, "nothing is written to a queue that is not there"
    delivery = harness.check_delivery(broker_discards=True)
    measured(f"{attempts:.0f} came back, then none was written until the queue was there; {delivery} (deleted with it)")


@pytest.mark.row(12)
def test_a_deleted_queue_is_declared_again(harness, measured) -> None:
    harness.start()
    harness.stream("steady", **STEADY)
    with harness.watched():
        harness.wait_published("steady", 200)
        harness.broker.delete(harness.queue())
        began = time.monotonic()
        harness.operator.wait_until(
            lambda: harness.broker.queue_depth(harness.queue()) > 0, what="the queue to be there again"
        )
        took = time.monotonic() - began
        harness.wait_published("steady", 100)
        harness.settle()
    assert took < 5
    measured(f"goes on after {took:.1f} s; {harness.check_delivery(broker_discards=True)} (deleted with it)")


@pytest.mark.row(13)
@pytest.mark.timeout(300)
def test_a_full_queue_that_rejects_gets_everything_in_the_end(harness, own_rabbitmq, policy, measured) -> None:
    harness.start()
    harness.broker.declare(harness.queue())
    limit(own_rabbitmq, policy, harness.queue(), **{"max-length": 10, "overflow": "reject-publish"})
    with harness.watched():
        harness.stream("steady", **STEADY, until="RejectedByBroker")
        nacks = harness.attempts("nack")
        own_rabbitmq.rabbitmqctl("clear_policy", policy)
        harness.wait_for("steady", "Publishing")
        harness.wait_published("steady", 200)
        harness.settle()
    assert nacks >= 3
    assert harness.value("events_dropped_total", "steady") == 0
    measured(f"{nacks:.0f} nacks; {harness.check_delivery()}")


@pytest.mark.row(14)
def test_what_a_full_queue_throws_away_after_its_confirm_is_published(harness, own_rabbitmq, policy, measured) -> None:
    harness.start()
    harness.broker.declare(harness.queue())
    limit(own_rabbitmq, policy, harness.queue(), **{"max-length": 10})
    harness.stream("steady", **STEADY)
    with harness.watched():
        harness.wait_published("steady", 500)
        assert harness.resources.ready("steady") == ("True", "Publishing")
        harness.settle()
    delivery = harness.check_delivery(broker_discards=True)
    assert delivery.in_queue <= 10
    assert len(delivery.missing) == delivery.published - delivery.in_queue
    measured(f"{delivery.published} published, {delivery.in_queue} kept by the broker, Ready stays True")


@pytest.mark.row(16)
@pytest.mark.parametrize("wanted", ["Classic", "Quorum"])
def test_a_queue_with_other_properties_is_used_as_it_is(wanted, harness, measured) -> None:
    harness.start()
    harness.broker.declare(harness.queue(), {"x-max-length": 100_000})
    harness.stream("steady", **STEADY, queueDeclaration={"type": wanted})
    harness.wait_published("steady", 100)
    harness.settle()
    measured(f"{wanted} wanted, a classic one with a length limit there: {harness.check_delivery()}")


@pytest.mark.row(17)
@pytest.mark.timeout(300)
def test_rights_that_are_taken_away_are_missed_and_their_return_is_noticed(harness, own_rabbitmq, measured) -> None:
    user, password = f"user-{harness.namespace}", "a-password"
    own_rabbitmq.add_user(user, password)
    secret = harness.broker.secret("limited", harness.namespace, username=user, password=password)
    assert harness.plane.request("POST", f"/api/v1/namespaces/{harness.namespace}/secrets", secret).status == 201
    harness.start()
    harness.stream("steady", **STEADY, rabbitmq={"secretRef": {"name": "limited"}})
    with harness.watched():
        harness.wait_published("steady", 100)
        own_rabbitmq.rabbitmqctl("clear_permissions", "-p", "/", user)
        own_rabbitmq.close_all_connections()  # what is open may go on for long: the broker remembers
        message = harness.wait_for("steady", "AccessRefused", "VirtualHostNotFound")
        assert user not in message
        connects = harness.connects()
        time.sleep(span(120, 8))  # nobody mends it
        tries = harness.connects() - connects
        own_rabbitmq.rabbitmqctl("set_permissions", "-p", "/", user, ".*", ".*", ".*")
        harness.wait_for("steady", "Publishing", timeout_seconds=330 if span(1, 0) else 30)
        harness.wait_published("steady", 100)
        harness.settle()
    assert tries <= 8
    measured(f"{tries:.0f} logins in {span(120, 8):.0f} s without rights; {harness.check_delivery()}")
