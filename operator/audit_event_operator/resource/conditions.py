"""The one table of reasons: what each means for Ready, and so for kstatus, Argo CD and `kubectl wait`.

A reason is what happened. The engine decides when to report it (damping, first confirm), status.py how to write it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

ConditionStatus = Literal["True", "False", "Unknown"]


class Reason(StrEnum):
    """Why a generator is ready or not: the `reason` of its Ready condition."""

    STARTING = "Starting"
    PUBLISHING = "Publishing"
    CONNECTED = "Connected"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    BROKER_UNREACHABLE = "BrokerUnreachable"
    BROKER_BLOCKED = "BrokerBlocked"
    BACKPRESSURE = "Backpressure"
    REJECTED_BY_BROKER = "RejectedByBroker"
    CONFIRM_TIMEOUT = "ConfirmTimeout"
    INVALID_SPEC = "InvalidSpec"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a reason, not a secret
    SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105
    SECRET_INVALID = "SecretInvalid"  # noqa: S105
    CLUSTER_NOT_FOUND = "ClusterNotFound"
    NO_BROKER = "NoBroker"
    AUTHENTICATION_FAILED = "AuthenticationFailed"
    ACCESS_REFUSED = "AccessRefused"
    VIRTUAL_HOST_NOT_FOUND = "VirtualHostNotFound"
    TLS_VERIFICATION_FAILED = "TLSVerificationFailed"
    HOST_NOT_ALLOWED = "HostNotAllowed"
    QUEUE_NOT_FOUND = "QueueNotFound"
    QUEUE_ARGUMENTS_MISMATCH = "QueueArgumentsMismatch"
    QUEUE_LOCKED = "QueueLocked"


class DestinationUnavailable(Exception):  # noqa: N818 - it is an answer, not a fault
    """A resource's events have nowhere to go; carries the condition's reason and a sentence for the user."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class CompletionReason(StrEnum):
    """Which bound ended a run: the `reason` of the Complete condition."""

    MAX_EVENTS_REACHED = "MaxEventsReached"
    DURATION_ELAPSED = "DurationElapsed"


class Readiness(NamedTuple):
    """What a reason means: the Ready condition's status, and whether Reconciling or Stalled accompanies it."""

    status: ConditionStatus
    reconciling: bool = False
    stalled: bool = False


_READY = Readiness("True")
_BUSY = Readiness("False", reconciling=True)
_STUCK = Readiness("False", stalled=True)

READINESS: Final[Mapping[Reason, Readiness]] = MappingProxyType(
    {
        Reason.STARTING: Readiness("Unknown", reconciling=True),
        Reason.PUBLISHING: _READY,
        Reason.CONNECTED: _READY,
        Reason.SUSPENDED: _READY,
        Reason.COMPLETED: _READY,
        Reason.BROKER_UNREACHABLE: _BUSY,
        Reason.BROKER_BLOCKED: _BUSY,
        Reason.BACKPRESSURE: _BUSY,
        Reason.REJECTED_BY_BROKER: _BUSY,
        Reason.CONFIRM_TIMEOUT: _BUSY,
        Reason.INVALID_SPEC: _STUCK,
        Reason.SECRET_NOT_FOUND: _STUCK,
        Reason.SECRET_NOT_ALLOWED: _STUCK,
        Reason.SECRET_INVALID: _STUCK,
        Reason.CLUSTER_NOT_FOUND: _STUCK,
        Reason.NO_BROKER: _STUCK,
        Reason.AUTHENTICATION_FAILED: _STUCK,
        Reason.ACCESS_REFUSED: _STUCK,
        Reason.VIRTUAL_HOST_NOT_FOUND: _STUCK,
        Reason.TLS_VERIFICATION_FAILED: _STUCK,
        Reason.HOST_NOT_ALLOWED: _STUCK,
        Reason.QUEUE_NOT_FOUND: _STUCK,
        Reason.QUEUE_ARGUMENTS_MISMATCH: _STUCK,
        Reason.QUEUE_LOCKED: _STUCK,
    }
)


def readiness(reason: Reason, *, early: bool = False) -> Readiness:
    """Look up what a reason means.

    Args:
        reason: why the generator is in its state.
        early: the trouble is younger than its damping: Unknown instead of False, and Reconciling.
            No effect on reasons that are ready or stalled.
    """
    settled = READINESS[reason]
    return Readiness("Unknown", reconciling=True) if early and settled.reconciling else settled


@dataclass(frozen=True, slots=True)
class Ready:
    """The Ready condition in the making: one reason of the table, and a sentence for the user.

    `early`: the trouble is younger than its damping (see `readiness`).
    """

    reason: Reason
    message: str
    early: bool = False

    @property
    def readiness(self) -> Readiness:
        """What it means for the conditions."""
        return readiness(self.reason, early=self.early)


@dataclass(frozen=True, slots=True)
class Completion:
    """The Complete condition in the making: which bound ended the run, and a sentence that tells."""

    reason: CompletionReason
    message: str
