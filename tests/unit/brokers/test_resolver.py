"""Who shares a look at a target."""

import pytest

from audit_event_operator.brokers.rabbitmq.resolver import Resolver
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.targets.target import Target
from support.doubles.producer import SECRET, Targets

TARGET = Target("mq", 5672, "/", "u", "p")


async def test_attempts_always_look_and_watchers_share() -> None:
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


async def test_a_no_is_shared_too() -> None:
    targets = Targets(DestinationUnavailable(Reason.SECRET_NOT_FOUND, "none"))
    resolver = Resolver(targets)
    for _ in range(3):
        with pytest.raises(DestinationUnavailable, match="none"):
            await resolver.recent(SECRET, 60)
    assert targets.asked == 1
