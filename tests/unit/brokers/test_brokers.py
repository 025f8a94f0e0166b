"""What RabbitMQ's brokers carry."""

import pytest

from audit_event_operator.targets.target import Target
from support.doubles.memory_broker import Place
from support.parts.outlets import Producers


async def test_a_destination_that_is_not_in_rabbitmq_is_an_error_of_assembly() -> None:
    async with Producers(Target("mq", 5672, "/", "u", "p")) as producers:
        with pytest.raises(TypeError, match=r"RabbitMQDestination.*somewhere"):
            producers.brokers.open(Place("somewhere"), None, None)
