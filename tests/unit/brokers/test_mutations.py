"""The state machine is worth something: mistakes that are easily made in the handling of confirms do not get past it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from audit_event_operator.brokers.rabbitmq.channel_session import ChannelSession
from audit_event_operator.brokers.rabbitmq.inflight import InFlight
from support.doubles.confirm_machine import ConfirmMachine

Mutation = tuple[type[Any], str, Callable[..., Any]]


def settling(changed):
    """Answers are taken for others than they are about."""
    settle = InFlight.settle

    def settle_others(self, tag, *, multiple):
        tag, multiple = changed(tag, multiple)
        return settle(self, tag, multiple=multiple)

    return InFlight, "settle", settle_others


def count_from_zero(flight, begin=InFlight.__init__):
    begin(flight)
    flight._next_tag = 0


MUTATIONS = {
    "an ack after a return counts as published": (ChannelSession, "_sort_out_returned", lambda *given: given[-1]),
    "an answer for many settles one": settling(lambda tag, _multiple: (tag, False)),
    "an answer for one settles all before": settling(lambda tag, _multiple: (tag, True)),
    "answers are taken for the next tag": settling(lambda tag, multiple: (tag + 1, multiple)),
    "answers are taken for the tag before": settling(lambda tag, multiple: (tag - 1, multiple)),
    "delivery tags count from zero": (InFlight, "__init__", count_from_zero),
    "what was in flight when the line broke is forgotten": (InFlight, "take_all", lambda _self: []),
    "an outlet that ends leaves its parcels behind": (ChannelSession, "abandon", lambda _self, _feed: []),
}


SEARCH = settings(
    max_examples=400, stateful_step_count=40, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    report_multiple_bugs=False, suppress_health_check=list(HealthCheck), print_blob=False,
)  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_state_machine_finds_the_mistake(mutation, monkeypatch):
    monkeypatch.setattr(*MUTATIONS[mutation])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(ConfirmMachine, settings=SEARCH)
