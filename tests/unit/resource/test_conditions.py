"""The table of reasons."""

import pytest

from audit_event_operator.resource.conditions import Readiness, Ready, Reason


@pytest.mark.parametrize("reason", Reason)
def test_a_generator_that_is_not_ready_is_either_being_helped_or_stuck(reason):
    status, reconciling, stalled = Ready(reason, "").readiness
    assert (reconciling + stalled) == (0 if status == "True" else 1)


@pytest.mark.parametrize("reason", Reason)
def test_fresh_trouble_is_unknown_unless_it_needs_the_user(reason):
    settled = reason.readiness
    expected = Readiness("Unknown", reconciling=True) if settled.reconciling else settled
    assert Ready(reason, "", early=True).readiness == expected
