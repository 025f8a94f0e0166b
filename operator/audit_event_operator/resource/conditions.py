"""The one table of reasons: what each means for Ready, and so for kstatus, Argo CD and `kubectl wait`.

A reason is what happened. The engine decides when to report it (damping, first confirm), status.py how to write it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Self

ConditionStatus = Literal["True", "False", "Unknown"]


class Readiness(NamedTuple):
    """What a reason means: the Ready condition's status, and whether Reconciling or Stalled accompanies it."""

    status: ConditionStatus
    reconciling: bool = False
    stalled: bool = False


_READY: Final = Readiness("True")
_BUSY: Final = Readiness("False", reconciling=True)
_STUCK: Final = Readiness("False", stalled=True)


class Reason(StrEnum):
    """Why a generator is ready or not: the `reason` of its Ready condition, and what it means once damping is over."""

    readiness: Readiness

    def __new__(cls, word: str, readiness: Readiness) -> Self:
        """Make a member that is its word and knows its meaning."""
        reason = str.__new__(cls, word)
        reason._value_ = word
        reason.readiness = readiness
        return reason

    STARTING = "Starting", Readiness("Unknown", reconciling=True)
    WAITING_FOR_TURN = "WaitingForTurn", Readiness("Unknown", reconciling=True)
    PUBLISHING = "Publishing", _READY
    CONNECTED = "Connected", _READY
    IDLE = "Idle", _READY
    SUSPENDED = "Suspended", _READY
    COMPLETED = "Completed", _READY
    BROKER_UNREACHABLE = "BrokerUnreachable", _BUSY
    BROKER_BLOCKED = "BrokerBlocked", _BUSY
    BACKPRESSURE = "Backpressure", _BUSY
    REJECTED_BY_BROKER = "RejectedByBroker", _BUSY
    UNROUTABLE = "Unroutable", _BUSY
    MEMORY_EXHAUSTED = "MemoryExhausted", _BUSY
    CONFIRM_TIMEOUT = "ConfirmTimeout", _BUSY
    TERMINATING = "Terminating", _BUSY
    INVALID_SPEC = "InvalidSpec", _STUCK
    SECRET_NOT_FOUND = "SecretNotFound", _STUCK
    SECRET_NOT_ALLOWED = "SecretNotAllowed", _STUCK
    SECRET_INVALID = "SecretInvalid", _STUCK
    CLUSTER_NOT_FOUND = "ClusterNotFound", _STUCK
    NO_BROKER = "NoBroker", _STUCK
    AUTHENTICATION_FAILED = "AuthenticationFailed", _STUCK
    ACCESS_REFUSED = "AccessRefused", _STUCK
    VIRTUAL_HOST_NOT_FOUND = "VirtualHostNotFound", _STUCK
    TLS_VERIFICATION_FAILED = "TLSVerificationFailed", _STUCK
    HOST_NOT_ALLOWED = "HostNotAllowed", _STUCK
    QUEUE_NOT_FOUND = "QueueNotFound", _STUCK
    QUEUE_ARGUMENTS_MISMATCH = "QueueArgumentsMismatch", _STUCK
    QUEUE_LOCKED = "QueueLocked", _STUCK
    EXCHANGE_NOT_FOUND = "ExchangeNotFound", _STUCK
    CONNECTION_LIMIT = "ConnectionLimit", _STUCK
    QUOTA_EXCEEDED = "QuotaExceeded", _STUCK


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


@dataclass(frozen=True, slots=True)
class Ready:
    """The Ready condition in the making: one reason of the table, and a sentence for the user.

    `early`: the trouble is younger than its damping: Unknown instead of False, and Reconciling. No effect on reasons that are
    ready or stalled.
    """

    reason: Reason
    message: str
    early: bool = False

    @property
    def readiness(self) -> Readiness:
        """What it means for the conditions."""
        settled = self.reason.readiness
        return Readiness("Unknown", reconciling=True) if self.early and settled.reconciling else settled


@dataclass(frozen=True, slots=True)
class Completion:
    """The Complete condition in the making: which bound ended the run, and a sentence that tells."""

    reason: CompletionReason
    message: str
