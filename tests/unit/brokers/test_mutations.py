"""The state machine is worth something: mistakes that are easily made in the handling of confirms do not get past it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from audit_event_operator.brokers.rabbitmq.channel_session import ChannelSession
from audit_event_operator.brokers.rabbitmq.inflight import InFlight
from support.doubles.confirm_machine import ConfirmMachine

Patch = pytest.MonkeyPatch


def an_ack_after_a_return_counts_as_published(patch: Patch) -> None:
    patch.setattr(ChannelSession, "_sort_out_returned", lambda _self, _feed, parcels: parcels)


def an_answer_for_many_settles_one(patch: Patch) -> None:
    settle = InFlight.settle
    patch.setattr(InFlight, "settle", lambda self, tag, *, multiple: settle(self, tag, multiple=False))


def an_answer_for_one_settles_all_before(patch: Patch) -> None:
    settle = InFlight.settle
    patch.setattr(InFlight, "settle", lambda self, tag, *, multiple: settle(self, tag, multiple=True))


def answers_are_taken_for_the_next_tag(patch: Patch) -> None:
    settle = InFlight.settle
    patch.setattr(InFlight, "settle", lambda self, tag, *, multiple: settle(self, tag + 1, multiple=multiple))


def answers_are_taken_for_the_tag_before(patch: Patch) -> None:
    settle = InFlight.settle
    patch.setattr(InFlight, "settle", lambda self, tag, *, multiple: settle(self, tag - 1, multiple=multiple))


def delivery_tags_count_from_zero(patch: Patch) -> None:
    begin = InFlight.__init__

    def from_zero(self: Any) -> None:
        begin(self)
        self._next_tag = 0

    patch.setattr(InFlight, "__init__", from_zero)


def what_was_in_flight_when_the_line_broke_is_forgotten(patch: Patch) -> None:
    patch.setattr(InFlight, "take_all", lambda _self: [])


def an_outlet_that_ends_leaves_its_parcels_behind(patch: Patch) -> None:
    patch.setattr(ChannelSession, "abandon", lambda _self, _feed: [])


MUTATIONS: list[Callable[[Patch], None]] = [
    an_ack_after_a_return_counts_as_published,
    an_answer_for_many_settles_one,
    an_answer_for_one_settles_all_before,
    answers_are_taken_for_the_next_tag,
    answers_are_taken_for_the_tag_before,
    delivery_tags_count_from_zero,
    what_was_in_flight_when_the_line_broke_is_forgotten,
    an_outlet_that_ends_leaves_its_parcels_behind,
]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_the_state_machine_finds_the_mistake(mutate: Callable[[Patch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            ConfirmMachine,
            settings=settings(
                max_examples=400,
                stateful_step_count=40,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
