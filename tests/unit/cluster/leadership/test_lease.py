"""What a Lease says, and what to do about it."""

from datetime import UTC, datetime

import pytest

from audit_event_operator.cluster.leadership.lease import (
    LeaseTiming,
    Record,
    may_write,
    read_lease,
    released_lease,
    renewed_lease,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.mark.parametrize(
    ("record", "unchanged_seconds", "ours"),
    [
        (Record(holder="me"), 0, True),
        (Record(holder="me"), 100, True),
        (Record(holder=""), 0, True),
        (Record(holder="other"), 14.9, False),
        (Record(holder="other"), 15, True),
        (Record(holder="other", duration_seconds=60), 59, False),
    ],
)
def test_the_lease_is_taken_when_it_is_free_or_has_not_changed_for_as_long_as_it_stands(
    record, unchanged_seconds, ours
):
    assert may_write(record, "me", unchanged_seconds) is ours


@pytest.mark.parametrize("lease", [{}, {"spec": None}, {"spec": {"leaseTransitions": "x", "leaseDurationSeconds": -1}}])
def test_a_strange_lease_is_a_free_one(lease):
    assert read_lease(lease) == Record()


def test_a_renewal_keeps_what_is_not_ours_to_change():
    spec = {"holderIdentity": "other", "leaseTransitions": 4, "strategy": "x"}
    written = renewed_lease({"metadata": {"labels": {"a": "b"}}, "spec": spec}, "me", LeaseTiming(), NOW)
    assert written["metadata"] == {"labels": {"a": "b"}}
    moment = "2026-01-02T03:04:05.678901Z"
    assert written["spec"] == {
        "holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": moment, "acquireTime": moment,
        "leaseTransitions": 5, "strategy": "x",
    }  # fmt: skip


def test_a_lease_that_is_given_back_has_no_holder_and_keeps_the_rest():
    released = released_lease({"spec": {"holderIdentity": "me", "leaseTransitions": 4}})
    assert released["spec"] == {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 4}
