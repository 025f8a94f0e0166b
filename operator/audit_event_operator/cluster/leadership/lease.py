"""Leases as values: what they say, and how to write them. Pure.

A replica has one Lease of its own, its *member Lease*, which it renews. Each of the sixteen buckets has one, which is written
only when it changes hands. Times that a Lease carries are compared, never trusted: clocks differ. How long a Lease has not
changed is the reader's own count.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import Field

from audit_event_operator.cluster.leadership.buckets import BUCKETS, bucket_lease_name
from audit_event_operator.resource.durations import Seconds
from audit_event_operator.resource.names import GROUP

Json = dict[str, Any]

INSTALLATION_LABEL: Final = f"{GROUP}/installation"
"""The label of all Leases of one installation; its value is the installation's name."""
STATUSES_ANNOTATION: Final = f"{GROUP}/statuses-until"
"""On the Lease of a free bucket: the resourceVersion of the last status that was written for it."""

_MOST_NAME_CHARACTERS: Final = 253


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """The times of Leases in seconds. Each is a setting; they must be alike in all replicas."""

    duration: Annotated[int, Field(ge=1, le=3600)] = 10
    """How long a replica that does not renew its Lease keeps its buckets."""
    renew: Seconds = 6
    """After so long without a renewal a replica that has company stops by itself."""
    retry: Seconds = 2
    """Time between two renewals, and between two looks at all Leases."""


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """What a member Lease says. `renewed` is only compared, never read as a time; `stays`: it wants buckets."""

    identity: str
    stays: bool
    renewed: str
    version: str


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """What a bucket's Lease says. `holder` is empty when nobody holds it; `version` is empty while there is no such Lease."""

    holder: str = ""
    transitions: int = 0
    version: str = ""
    statuses_until: str = ""


def member_lease_name(lease_name: str, identity: str) -> str:
    """The name of a replica's own Lease; what a name must not have becomes a dash."""
    tail = re.sub(r"[^a-z0-9]+", "-", identity.lower()).strip("-")
    room = _MOST_NAME_CHARACTERS - len(lease_name) - len("-member-")
    return f"{lease_name}-member-{tail[-room:].strip('-')}"


def read_bucket(lease: Json) -> BucketRecord:
    """Read a bucket's Lease; what is missing or strange counts as nothing."""
    spec, metadata = lease.get("spec") or {}, lease.get("metadata") or {}
    transitions = spec.get("leaseTransitions")
    return BucketRecord(
        holder=str(spec.get("holderIdentity") or ""),
        transitions=transitions if isinstance(transitions, int) else 0,
        version=str(metadata.get("resourceVersion") or ""),
        statuses_until=str((metadata.get("annotations") or {}).get(STATUSES_ANNOTATION) or ""),
    )


def read_member(lease: Json) -> MemberRecord | None:
    """Read a member Lease; None when it does not tell who the member is."""
    spec, metadata = lease.get("spec") or {}, lease.get("metadata") or {}
    identity = (metadata.get("annotations") or {}).get(MEMBER_ANNOTATION)
    if not isinstance(identity, str) or not identity:
        return None
    return MemberRecord(
        identity=identity,
        stays=bool(spec.get("holderIdentity")),
        renewed=str(spec.get("renewTime") or ""),
        version=str(metadata.get("resourceVersion") or ""),
    )


MEMBER_ANNOTATION: Final = f"{GROUP}/member"
"""On a member Lease: who the member is, also once it holds its own Lease no more because it leaves."""


def sort_leases(leases: list[Json], lease_name: str) -> tuple[list[MemberRecord], dict[int, BucketRecord]]:
    """All Leases of an installation: the members, and the buckets, those without a Lease included."""
    buckets = {bucket_lease_name(lease_name, each): each for each in range(BUCKETS)}
    records = dict.fromkeys(range(BUCKETS), BucketRecord())
    members = []
    for lease in leases:
        bucket = buckets.get(str((lease.get("metadata") or {}).get("name")))
        if bucket is not None:
            records[bucket] = read_bucket(lease)
        elif (member := read_member(lease)) is not None:
            members.append(member)
    return members, records


def member_lease(
    namespace: str, lease_name: str, identity: str, *, stays: bool, version: str, timing: LeaseTiming, now: datetime
) -> Json:
    """The Lease of a replica that is alive at `now`; one that is about to leave does not hold it any more."""
    metadata: Json = {
        "name": member_lease_name(lease_name, identity),
        "namespace": namespace,
        "labels": {INSTALLATION_LABEL: lease_name},
        "annotations": {MEMBER_ANNOTATION: identity},
    }
    spec = {
        "holderIdentity": identity if stays else "",
        "leaseDurationSeconds": max(1, round(timing.duration)),
        "renewTime": _micro_time(now),
    }
    return _lease(metadata, spec, version)


def bucket_lease(
    namespace: str,
    lease_name: str,
    bucket: int,
    record: BucketRecord,
    *,
    holder: str,
    now: datetime,
    statuses_until: str = "",
) -> Json:
    """A bucket's Lease in the hands of `holder`, empty for nobody's; it fails where another write came after `record`."""
    metadata: Json = {
        "name": bucket_lease_name(lease_name, bucket),
        "namespace": namespace,
        "labels": {INSTALLATION_LABEL: lease_name},
    }
    if statuses_until:
        metadata["annotations"] = {STATUSES_ANNOTATION: statuses_until}
    spec: Json = {"holderIdentity": holder, "leaseTransitions": record.transitions, "renewTime": _micro_time(now)}
    if holder and holder != record.holder:
        spec |= {"acquireTime": _micro_time(now), "leaseTransitions": record.transitions + 1}
    return _lease(metadata, spec, record.version)


def _lease(metadata: Json, spec: Json, version: str) -> Json:
    if version:
        metadata["resourceVersion"] = version
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _micro_time(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
