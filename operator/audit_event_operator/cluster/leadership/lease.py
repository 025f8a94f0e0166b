"""The Lease as values: what it says, what to do about it, and how to write it. Pure.

Times that a Lease carries are compared, never trusted: clocks differ. How long it has not changed is the reader's own count.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field

from audit_event_operator.resource.durations import Seconds

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """The Lease's times in seconds. Each is a setting."""

    duration: Annotated[int, Field(ge=1, le=3600)] = 15
    """How long the Lease stays valid without renewal."""
    renew: Seconds = 10
    """Deadline for the leader's renewal."""
    retry: Seconds = 2
    """Time between two attempts to acquire or renew the Lease."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a Lease says. `renewed` is only compared, never read as a time."""

    holder: str = ""
    renewed: str = ""
    transitions: int = 0
    duration_seconds: float = 15.0


def read_lease(lease: Json) -> Record:
    """Read a Lease; what is missing or strange counts as nothing."""
    spec = lease.get("spec") or {}
    transitions, duration = spec.get("leaseTransitions"), spec.get("leaseDurationSeconds")
    return Record(
        holder=str(spec.get("holderIdentity") or ""),
        renewed=str(spec.get("renewTime") or ""),
        transitions=transitions if isinstance(transitions, int) else 0,
        duration_seconds=float(duration) if isinstance(duration, int) and duration > 0 else 15.0,
    )


def may_write(record: Record, identity: str, unchanged_seconds: float) -> bool:
    """Whether a Lease is ours to renew or to take: we hold it, nobody does, or its holder has not renewed it in time.

    `unchanged_seconds` is for how long we have seen it like this, by our own clock and without a break.
    """
    return record.holder in ("", identity) or unchanged_seconds >= record.duration_seconds


def new_lease(namespace: str, name: str) -> Json:
    """A Lease that nobody holds yet."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
    }


def renewed_lease(lease: Json, identity: str, timing: LeaseTiming, now: datetime) -> Json:
    """The Lease as we want it to be: ours, renewed now. Keeps what is not ours to change."""
    before, micro_time = read_lease(lease), now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {
        **(lease.get("spec") or {}),
        "holderIdentity": identity,
        "leaseDurationSeconds": max(1, round(timing.duration)),
        "renewTime": micro_time,
    }
    if before.holder != identity:
        spec |= {"acquireTime": micro_time, "leaseTransitions": before.transitions + 1}
    return {**lease, "spec": spec}


def released_lease(lease: Json) -> Json:
    """The Lease without a holder, so that the next one need not wait for it to expire."""
    return {**lease, "spec": {**(lease.get("spec") or {}), "holderIdentity": "", "leaseDurationSeconds": 1}}
