"""Whatever the broker says, and in whatever order: every event is somewhere exactly once, and the ledger says where.

AEG_FUZZ_EXAMPLES sets how many orders are played, here and in the other plays with brokers; 10,000 take some minutes.
"""

import os
from functools import partial

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery
from support.doubles.confirm_machine import ConfirmMachine

EXAMPLES = int(os.environ.get("AEG_FUZZ_EXAMPLES", "150"))


def test_nothing_is_written_to_a_connection_that_the_broker_has_just_closed():
    machine = ConfirmMachine()
    machine.open_one(4, Delivery.AT_MOST_ONCE, DeclarationMode.CREATE_IF_MISSING)
    connection, (outlet,) = machine.answering(), machine.outlets
    peer, seen = connection.peer, connection.model
    machine.hear(connection, peer.block(), partial(seen.block, True))
    machine.put_into(outlet, 3, 10)
    says = peer.unblock() + peer.close_connection(320)
    machine.hear(connection, says, partial(seen.block, False), partial(seen.close, False))
    assert outlet.outbox.buffered == 3
    assert outlet.ledger.dropped_total == 0, "not even where nothing is sent twice"
    machine.teardown()


@pytest.mark.timeout(120 + EXAMPLES)  # what is found is made small, which takes a while
def test_no_order_of_answers_breaks_the_ledger():
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    how = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(ConfirmMachine, settings=how)
