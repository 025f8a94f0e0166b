"""Which of the sixteen buckets a resource falls into. Pure.

A bucket is what one replica has as a whole: its resources, for as long as it holds the bucket's Lease. Sixteen is a constant,
as all replicas of one installation must divide alike; it stands in the names of the Leases. The key is the one of Kubernetes'
`shardRange` (KEP-5866), FNV-1a of the UID in 64 bits, so that the API server may filter by it one day.
"""

from typing import Final

BUCKETS: Final = 16

_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3
_64_BITS: Final = 0xFFFFFFFFFFFFFFFF
_TOP_BITS: Final = 60


def bucket_of(uid: str) -> int:
    """The bucket of the resource with this UID, 0 to 15: the top four bits of the UID's FNV-1a hash."""
    key = _FNV_OFFSET
    for byte in uid.encode():
        key = ((key ^ byte) * _FNV_PRIME) & _64_BITS
    return key >> _TOP_BITS


def bucket_lease_name(lease_name: str, bucket: int) -> str:
    """The name of a bucket's Lease, for example `audit-event-operator-00-of-16`."""
    return f"{lease_name}-{bucket:02}-of-{BUCKETS}"
