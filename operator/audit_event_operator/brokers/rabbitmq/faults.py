"""What can go wrong with a broker: a reason and a sentence for each.

The sentences are fixed. The broker's own words go to the log only, cleaned and cut. Knows no clock and retries nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.targets.target import Target

LOG_TEXT_LIMIT: Final = 256

# RabbitMQ names the user at the end of its sentences: "… in vhost '/' refused for user 'name'".
_USER_IN_TEXT: Final = re.compile(r"user '.*'")

CONNECTION_FORCED: Final = 320
ACCESS_REFUSED: Final = 403
NOT_FOUND: Final = 404
RESOURCE_LOCKED: Final = 405
PRECONDITION_FAILED: Final = 406
NOT_ALLOWED: Final = 530


class ConnectResult(StrEnum):
    """How a connection attempt ended."""

    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    AUTHENTICATION_FAILED = "authentication_failed"
    ACCESS_REFUSED = "access_refused"
    VIRTUAL_HOST_NOT_FOUND = "vhost_not_found"
    TLS_FAILED = "tls_failed"
    HOST_NOT_ALLOWED = "host_not_allowed"
    TARGET_UNAVAILABLE = "target_unavailable"


_RESULTS: Final = {
    Reason.BROKER_UNREACHABLE: ConnectResult.UNREACHABLE,
    Reason.AUTHENTICATION_FAILED: ConnectResult.AUTHENTICATION_FAILED,
    Reason.ACCESS_REFUSED: ConnectResult.ACCESS_REFUSED,
    Reason.VIRTUAL_HOST_NOT_FOUND: ConnectResult.VIRTUAL_HOST_NOT_FOUND,
    Reason.TLS_VERIFICATION_FAILED: ConnectResult.TLS_FAILED,
    Reason.HOST_NOT_ALLOWED: ConnectResult.HOST_NOT_ALLOWED,
}


class BrokerFault(Exception):  # noqa: N818 - a finding
    """Why there is no delivery.

    Args:
        reason: the condition's reason.
        message: the sentence for the user.
        hard: the broker closed on what it was sent; the same events may make it close again.
        until_confirm: only a confirm shows that it is over, not a declared queue.
        detail: for the log.
    """

    def __init__(
        self, reason: Reason, message: str, *, hard: bool = False, until_confirm: bool = False, detail: str = ""
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.hard = hard
        self.until_confirm = until_confirm
        self.detail = clean(detail)

    @property
    def slow(self) -> bool:
        """Whether only the user can fix it, so that frequent retries are pointless."""
        return self.reason.readiness.stalled

    @property
    def result(self) -> ConnectResult:
        """How to count it as a connection attempt."""
        return _RESULTS.get(self.reason, ConnectResult.TARGET_UNAVAILABLE)


def label(target: Target) -> str:
    """`host:port/vhost`, never the user."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return f"{host}:{target.port}/{quote(target.virtual_host, safe='')}"


def clean(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Foreign text for the log: printable, one line, at most 256 characters, without what must not be shown."""
    text = _USER_IN_TEXT.sub("user …", text)
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    return "".join(char if char.isprintable() else " " for char in text)[:LOG_TEXT_LIMIT]


def unreachable(broker: str, detail: str = "", *, until_confirm: bool = True) -> BrokerFault:
    """No connection, for no reason that can be told more exactly."""
    return BrokerFault(
        Reason.BROKER_UNREACHABLE,
        f"Cannot connect to broker {broker}. Check that RabbitMQ is running and that host and port are correct.",
        until_confirm=until_confirm,
        detail=detail,
    )


def mute(broker: str) -> BrokerFault:
    """A deadline has passed."""
    return BrokerFault(
        Reason.BROKER_UNREACHABLE,
        f"Broker {broker} did not answer in time. Check that RabbitMQ listens there, that it is not overloaded, and that "
        "the port matches tls.mode.",
        until_confirm=True,
    )


def nonsense(broker: str, detail: str) -> BrokerFault:
    """It talks, but violates the protocol."""
    return BrokerFault(
        Reason.BROKER_UNREACHABLE,
        f"{broker} violates AMQP 0-9-1. Check that it is RabbitMQ, and check any proxy in front of it.",
        until_confirm=True,
        detail=detail,
    )


def no_second_channel(broker: str) -> BrokerFault:
    """Queues are declared on channels of their own, because the broker closes a channel to say no."""
    return BrokerFault(
        Reason.REJECTED_BY_BROKER,
        f"Broker {broker} allows one channel per connection; two are needed. Raise its channel_max.",
    )


def target_fault(answer: DestinationUnavailable) -> BrokerFault:
    """The broker's address or credentials are unknown."""
    return BrokerFault(answer.reason, answer.message)


def publish_refused(broker: str, queue: str, detail: str) -> BrokerFault:
    """403 on the publishing channel."""
    return BrokerFault(
        Reason.ACCESS_REFUSED,
        f'Broker {broker} does not allow this user to publish to queue "{queue}". Grant write permission on amq.default.',
        until_confirm=True,
        detail=detail,
    )


def queue_fault(code: int, text: str, broker: str, queue: str, *, create: bool) -> BrokerFault:
    """Why a queue could not be declared; `create`: it was to be made, not only looked up."""
    detail = f"{code} {text}"
    if code == NOT_FOUND:
        return queue_missing(broker, queue, detail)
    if code == RESOURCE_LOCKED:
        return BrokerFault(
            Reason.QUEUE_LOCKED,
            f'Queue "{queue}" on {broker} is exclusive to another connection. Close that connection, or use another queue.',
            detail=detail,
        )
    if code == PRECONDITION_FAILED:
        return BrokerFault(
            Reason.QUEUE_ARGUMENTS_MISMATCH,
            f'Queue "{queue}" on {broker} cannot be created as queueDeclaration asks: it exists with other arguments, or a '
            "broker policy forbids it. Delete the queue, or change queueDeclaration.type.",
            detail=detail,
        )
    if code == ACCESS_REFUSED:
        way_out = (
            "Grant configure permission on it, or create the queue and set queueDeclaration.mode to MustExist."
            if create
            else "Grant write permission on it: RabbitMQ 4.3 and newer answers only users with a permission on the queue."
        )
        return BrokerFault(
            Reason.ACCESS_REFUSED,
            f'Broker {broker} does not allow this user to {"create" if create else "look up"} queue "{queue}". {way_out}',
            detail=detail,
        )
    return BrokerFault(
        Reason.REJECTED_BY_BROKER,
        f'Broker {broker} refused to declare queue "{queue}"; check its log.',
        detail=detail,
    )


def queue_missing(broker: str, queue: str, detail: str = "") -> BrokerFault:
    """The queue must exist and does not."""
    return BrokerFault(
        Reason.QUEUE_NOT_FOUND,
        f'Queue "{queue}" does not exist on {broker}. Create it, or set queueDeclaration.mode to CreateIfMissing.',
        detail=detail,
    )


def confirm_timeout(broker: str, queue: str, seconds: float) -> BrokerFault:
    """The broker has been silent about an event for too long."""
    return BrokerFault(
        Reason.CONFIRM_TIMEOUT,
        f'Broker {broker} has not confirmed an event for queue "{queue}" within {seconds:g} s; everything unconfirmed is '
        "sent again. Check the queue: a quorum queue without a majority does this.",
        until_confirm=True,
    )


def nacked(broker: str, queue: str) -> BrokerFault:
    """Several negative answers in a row."""
    return BrokerFault(
        Reason.REJECTED_BY_BROKER,
        f'Broker {broker} rejects events for queue "{queue}": the queue is full (overflow reject-publish) or failing. '
        "Events are retried. Consume from the queue, or raise its limit.",
        until_confirm=True,
    )


def host_not_allowed(target: Target) -> BrokerFault:
    """The host policy forbids it; nothing was dialled."""
    return BrokerFault(
        Reason.HOST_NOT_ALLOWED,
        f'The operator is not allowed to connect to broker host "{target.host}". Name another host in the Secret, or have '
        "this one added to AEG_ALLOWED_BROKER_HOSTS.",
    )


def bad_tls_material(what: str) -> BrokerFault:
    """A certificate or key that cannot be read."""
    return BrokerFault(
        Reason.SECRET_INVALID, f"{what} is unusable: it is not PEM, or key and certificate do not match. Correct it."
    )
