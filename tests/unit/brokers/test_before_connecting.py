"""What is settled before there is a connection: which destinations are carried, who looks a target up, how TLS is spoken."""

import ssl

import pytest

from audit_event_operator.brokers.rabbitmq.dial import tls_context
from audit_event_operator.brokers.rabbitmq.resolver import Resolver
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.targets.target import Target, TLSMaterial
from support.doubles.memory_broker import Place
from support.doubles.producer import SECRET, Targets
from support.parts.outlets import Producers

TARGET = Target("mq", 5672, "/", "u", "p")


async def test_a_destination_that_is_not_in_rabbitmq_is_an_error_of_assembly():
    async with Producers(TARGET) as producers:
        with pytest.raises(TypeError, match=r"RabbitMQDestination.*somewhere"):
            producers.brokers.open(Place("somewhere"), None, None)


async def test_attempts_always_look_and_watchers_share():
    targets = Targets(TARGET)
    resolver = Resolver(targets)
    assert await resolver.recent(SECRET, 60) == TARGET
    assert await resolver.recent(SECRET, 60) == TARGET
    assert targets.asked == 1
    assert await resolver.resolve(SECRET) == TARGET
    assert targets.asked == 2
    resolver.forget(SECRET)
    await resolver.recent(SECRET, 60)
    assert targets.asked == 3


async def test_a_no_is_shared_too():
    targets = Targets(DestinationUnavailable(Reason.SECRET_NOT_FOUND, "none"))
    resolver = Resolver(targets)
    for _ in range(3):
        with pytest.raises(DestinationUnavailable, match="none"):
            await resolver.recent(SECRET, 60)
    assert targets.asked == 1


def test_a_certificate_and_its_name_are_always_verified_and_old_versions_are_not_spoken():
    context = tls_context(TLSMaterial())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
