"""What Leases say, and how they are written."""

from datetime import UTC, datetime

import pytest

from audit_event_operator.cluster.leadership.buckets import BUCKETS
from audit_event_operator.cluster.leadership.lease import (
    BucketRecord,
    LeaseTiming,
    MemberRecord,
    bucket_lease,
    member_lease,
    member_lease_name,
    read_bucket,
    read_member,
    sort_leases,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MOMENT = "2026-01-02T03:04:05.678901Z"


@pytest.mark.parametrize("lease", [{}, {"spec": None, "metadata": None}, {"spec": {"leaseTransitions": "x"}}])
def test_a_strange_lease_is_a_free_bucket_and_no_member(lease):
    assert read_bucket(lease) == BucketRecord()
    assert read_member(lease) is None


@pytest.mark.parametrize("stays", [True, False])
def test_a_member_lease_tells_who_and_whether_it_stays(stays):
    lease = member_lease("ops", "op", "pod-1", stays=stays, version="7", timing=LeaseTiming(), now=NOW)
    assert read_member(lease) == MemberRecord("pod-1", stays, MOMENT, "7")
    assert lease["spec"]["leaseDurationSeconds"] == 10


def test_a_bucket_that_is_taken_counts_one_more_change_and_tells_when():
    lease = bucket_lease("ops", "op", 3, BucketRecord("", 4, "9", "55"), holder="pod-1", now=NOW)
    assert read_bucket(lease) == BucketRecord("pod-1", 5, "9")
    assert lease["spec"]["acquireTime"] == MOMENT


def test_a_bucket_that_is_written_again_by_its_holder_counts_no_change():
    lease = bucket_lease("ops", "op", 3, BucketRecord("pod-1", 5, "9"), holder="pod-1", now=NOW)
    assert read_bucket(lease) == BucketRecord("pod-1", 5, "9")
    assert "acquireTime" not in lease["spec"]


def test_a_bucket_that_is_given_tells_the_last_status():
    lease = bucket_lease("ops", "op", 3, BucketRecord("pod-1", 5, "9"), holder="", now=NOW, statuses_until="321")
    assert read_bucket(lease) == BucketRecord("", 5, "9", "321")


def test_all_leases_are_sorted_and_a_bucket_without_one_is_free():
    member = member_lease("ops", "op", "pod-1", stays=True, version="1", timing=LeaseTiming(), now=NOW)
    bucket = bucket_lease("ops", "op", 15, BucketRecord(version="2"), holder="pod-1", now=NOW)
    members, buckets = sort_leases([member, bucket, {"metadata": {"name": "a-stranger"}}], "op")
    assert [each.identity for each in members] == ["pod-1"]
    assert set(buckets) == set(range(BUCKETS))
    assert {number for number, each in buckets.items() if each.holder} == {15}


def test_the_name_of_a_member_lease_is_a_valid_name_and_differs_by_the_end_of_the_identity():
    assert member_lease_name("op", "Pod_1.x") == "op-member-pod-1-x"
    long = member_lease_name("op", "x" * 300 + "-tail")
    assert len(long) <= 253
    assert long.endswith("-tail")
