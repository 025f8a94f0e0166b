"""Which bucket a resource falls into."""

from collections import Counter
from uuid import UUID

import pytest

from audit_event_operator.cluster.leadership.buckets import BUCKETS, bucket_lease_name, bucket_of


@pytest.mark.parametrize(
    ("text", "key"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_the_bucket_is_the_top_four_bits_of_the_published_fnv_1a_values(text, key):
    assert bucket_of(text) == key >> 60


def test_the_uids_of_ten_thousand_resources_spread_evenly():
    counts = Counter(bucket_of(str(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128, version=4))) for number in range(10_000))  # fmt: skip  # noqa: E501
    assert counts.keys() == set(range(BUCKETS))
    assert min(counts.values()) > 530
    assert max(counts.values()) < 720


def test_the_name_of_a_lease_tells_the_bucket_and_of_how_many():
    assert [bucket_lease_name("op", each) for each in (0, 15)] == ["op-00-of-16", "op-15-of-16"]
