"""Queues are declared on channels of their own, of which a connection has only so many."""

import logging
from functools import partial

import pytest

from audit_event_operator.brokers.rabbitmq import brokers
from audit_event_operator.engine.ledger import DropReason
from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery
from audit_event_operator.resource.conditions import Reason
from support.doubles.confirm_machine import ConfirmMachine


@pytest.fixture
def machine():
    made = ConfirmMachine()
    yield made
    made.teardown()


def open_some(machine, count, queues=1):
    for number in range(count):
        queue = f"q{number % queues}"
        machine.open_one(4, Delivery.AT_LEAST_ONCE, DeclarationMode.CREATE_IF_MISSING, queue)


def ready(machine):
    return sum(outlet.health.ready_since is not None for outlet in machine.outlets)


def reconnect(machine):
    connection = machine.answering()
    machine.loop.do(connection.line.hang_up)
    assert ready(machine) == 0
    machine.loop.advance(3)


@pytest.mark.parametrize("channels", [2, 3, 20])
def test_more_outlets_than_channels_are_all_declared_also_after_a_reconnect(machine, channels):
    machine.channel_max = channels
    open_some(machine, 50)
    assert ready(machine) == 50
    reconnect(machine)
    assert ready(machine) == 50


def test_outlets_of_one_queue_ask_the_broker_once_between_them(machine):
    open_some(machine, 300)
    asked = []
    machine.hears = lambda name, _channel, _method: asked.append(name)
    reconnect(machine)
    assert ready(machine) == 300
    assert asked.count("Queue.Declare") == 1


def test_no_more_queues_are_declared_at_once_than_rabbitmq_has_channels_by_default(machine, monkeypatch):
    monkeypatch.setattr(brokers, "LINKS_PER_REFERENCE", 1)
    open_some(machine, 300, queues=300)
    most = 0

    def watch(name, _channel, _method):
        nonlocal most
        most = max(most, len(machine.connections[-1]._channels))

    machine.hears = watch
    reconnect(machine)
    assert ready(machine) == 300
    assert 50 < most <= 101


def test_a_broker_without_a_second_channel_is_told_of(machine):
    machine.channel_max = 1
    open_some(machine, 2)
    for outlet in machine.outlets:
        trouble = outlet.health.trouble
        assert trouble is not None
        assert trouble.reason is Reason.REJECTED_BY_BROKER
        assert "channel_max" in trouble.message
    machine.channel_max = 10
    reconnect(machine)
    assert ready(machine) == 2


def test_an_outlet_that_ends_while_it_declares_leaves_no_channel_behind(machine):
    open_some(machine, 2)
    connection = machine.answering()
    machine.mute = True
    open_some(machine, 1)  # its channel is asked for, and the answer comes when nobody waits any more
    machine.close(machine.outlets[-1], DropReason.RESOURCE_DELETED, 0)
    machine.mute = False
    number = max(connection._channels)
    assert number != connection.peer.publishing_channel
    machine.loop.do(connection.line.say, connection.peer.opened(number))
    assert set(connection._channels) == {connection.peer.publishing_channel}


def test_a_broker_that_returns_without_end_and_never_answers_does_not_fill_the_memory(machine, caplog, monkeypatch):
    monkeypatch.setattr("audit_event_operator.brokers.rabbitmq.channel_session.MOST_RETURNED", 10)
    open_some(machine, 1)
    machine.put_into(machine.outlets[0], 2, 10)
    connection = machine.answering()
    says = b"".join(connection.peer.returned(f"stranger-{number}") for number in range(12))
    caplog.set_level(logging.WARNING, "audit_event_operator")
    machine.hear(connection, says, partial(machine.model.ended, connection.model))
    assert connection.is_closed
    assert "violates AMQP" in caplog.text
    machine.every_event_is_somewhere_exactly_once()
