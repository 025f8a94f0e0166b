"""What can go wrong with a broker: a reason and a sentence for each.

The sentences are fixed. The broker's own words go to the log only, cleaned and cut. Knows no clock and retries nothing.
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple
from urllib.parse import quote

from audit_event_operator.resource.conditions import Reason
from audit_event_operator.targets.target import Target

LOG_TEXT_LIMIT: Final = 256

# RabbitMQ names the user at the end of its sentences: "… in vhost '/' refused for user 'name'".
_USER_IN_TEXT: Final = re.compile(r"user '.*'")


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
    """Why there is no delivery: the condition's reason, a sentence for the user, and a detail for the log.

    `until_confirm`: only a confirm shows that it is over, not a declared queue. `hard`: the broker closed on what it was
    sent; the same events may make it close again.
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
    def of_declaration(self) -> bool:
        """Whether the connection is fine, and it is for the next declaration to find out when it is over."""
        return self.reason is Reason.EXCHANGE_NOT_FOUND

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
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return "".join(char if char.isprintable() else " " for char in text)[:LOG_TEXT_LIMIT]


class Finding(NamedTuple):
    """One thing that can be wrong, and the sentence about it; see `BrokerFault`."""

    reason: Reason
    until_confirm: bool
    sentence: str
    hard: bool = False

    def at(self, broker: str = "", *, detail: str = "", **names: object) -> BrokerFault:
        """The fault of this broker; `names` are what else the sentence is about."""
        message = self.sentence.format(broker=broker, **names)
        return BrokerFault(self.reason, message, hard=self.hard, until_confirm=self.until_confirm, detail=detail)


# What shows that it is over.
DECLARE, CONFIRM = False, True

# fmt: off
# Connecting.
UNREACHABLE: Final = Finding(Reason.BROKER_UNREACHABLE, CONFIRM,
    "Cannot connect to broker {broker}. Check that RabbitMQ is running and that host and port are correct.")
UNKNOWN_NAME: Final = Finding(Reason.BROKER_UNREACHABLE, CONFIRM,
    "Cannot resolve the host name of broker {broker}. Check the name and the cluster's DNS.")
MUTE: Final = Finding(Reason.BROKER_UNREACHABLE, CONFIRM,
    "Broker {broker} did not answer in time. Check that RabbitMQ listens there, that it is not overloaded, and that the port "
    "matches tls.mode.")
OTHER_PROTOCOL: Final = Finding(Reason.BROKER_UNREACHABLE, CONFIRM,
    "{broker} does not speak AMQP 0-9-1. Check that the port is RabbitMQ's and that tls.mode matches it.")
HOST_NOT_ALLOWED: Final = Finding(Reason.HOST_NOT_ALLOWED, DECLARE,
    'The operator is not allowed to connect to broker host "{host}". Name another host in the Secret, or have this one added '
    "to AEG_ALLOWED_BROKER_HOSTS.")
WRONG_CREDENTIALS: Final = Finding(Reason.AUTHENTICATION_FAILED, DECLARE,
    "Broker {broker} rejected the user name or password. Correct the credentials that this resource uses.")
NO_VIRTUAL_HOST: Final = Finding(Reason.VIRTUAL_HOST_NOT_FOUND, DECLARE,
    "Broker {broker} has no such virtual host. Create it, or correct rabbitmq.vhost or the Secret's vhost.")
VIRTUAL_HOST_REFUSED: Final = Finding(Reason.ACCESS_REFUSED, DECLARE,
    "Broker {broker} denies this user access to the virtual host. Grant permissions there.")
CONNECTION_QUOTA: Final = Finding(Reason.QUOTA_EXCEEDED, DECLARE,
    "Broker {broker} allows this user or virtual host no more connections (max-connections). Close some, let resources share "
    "queues, or raise the limit there.")
CHANNEL_QUOTA: Final = Finding(Reason.QUOTA_EXCEEDED, DECLARE,
    "Broker {broker} allows this user no more channels (max-channels); each connection needs two. Raise the limit there.")
BAD_TLS_MATERIAL: Final = Finding(Reason.SECRET_INVALID, DECLARE,
    "{what} is unusable: it is not PEM, or key and certificate do not match. Correct it.")
WRONG_CERTIFICATE_NAME: Final = Finding(Reason.TLS_VERIFICATION_FAILED, DECLARE,
    "The certificate of broker {broker} is not valid for this host. Use the host name it was issued for, or issue one for "
    "{host}.")
UNVERIFIED_CERTIFICATE: Final = Finding(Reason.TLS_VERIFICATION_FAILED, DECLARE,
    "The certificate of broker {broker} cannot be verified. Put the issuing authority's certificate into the Secret's ca.crt, "
    "or renew the broker's.")
TLS_FAILED: Final = Finding(Reason.TLS_VERIFICATION_FAILED, DECLARE,
    "TLS handshake with broker {broker} failed. Check that the port speaks TLS. If the broker requires a client certificate, "
    "put it into the Secret (tls.crt, tls.key).")
WAITING_FOR_TURN: Final = Finding(Reason.WAITING_FOR_TURN, DECLARE,
    "Waiting for its turn to connect to broker {broker}: {places} connections of this namespace are being opened, which is its "
    "share. Brokers that do not answer keep the others waiting; check the other resources of this namespace.")
NAMESPACE_LIMIT: Final = Finding(Reason.CONNECTION_LIMIT, DECLARE,
    "This namespace has {places} connections to brokers, and no more are allowed (AEG_MAX_CONNECTIONS_PER_NAMESPACE). Let its "
    "resources share queues, or have the limit raised.")
PROCESS_LIMIT: Final = Finding(Reason.CONNECTION_LIMIT, DECLARE,
    "The operator has no connection left for this namespace: it has {places} of the {total} that the limit of open files "
    "allows in all. Let its resources share queues, or have the limit (ulimit -n) raised.")
# The queue or exchange. It is declared on a channel of its own, because the broker closes a channel to say no.
NO_SECOND_CHANNEL: Final = Finding(Reason.REJECTED_BY_BROKER, DECLARE,
    "Broker {broker} allows one channel per connection; two are needed. Raise its channel_max.")
QUEUE_MISSING: Final = Finding(Reason.QUEUE_NOT_FOUND, DECLARE,
    'Queue "{recipient.name}" does not exist on {broker}. Create it, or set queueDeclaration.mode to CreateIfMissing.')
QUEUE_LOCKED: Final = Finding(Reason.QUEUE_LOCKED, DECLARE,
    'Queue "{recipient.name}" on {broker} is exclusive to another connection. Close that connection, or use another queue.')
OTHER_ARGUMENTS: Final = Finding(Reason.QUEUE_ARGUMENTS_MISMATCH, DECLARE,
    'Queue "{recipient.name}" on {broker} cannot be created as queueDeclaration asks: it exists with other arguments, or a '
    "broker policy forbids it. Delete the queue, or change queueDeclaration.type.")
QUEUE_QUOTA: Final = Finding(Reason.QUOTA_EXCEEDED, DECLARE,
    'Broker {broker} allows no more queues in this virtual host (max-queues), so {recipient} cannot be created. Delete '
    "unused queues, or raise the limit there.")
CREATE_REFUSED: Final = Finding(Reason.ACCESS_REFUSED, DECLARE,
    'Broker {broker} does not allow this user to create {recipient}. Grant configure permission on it, or create the '
    "queue and set queueDeclaration.mode to MustExist.")
EXCHANGE_MISSING: Final = Finding(Reason.EXCHANGE_NOT_FOUND, DECLARE,
    'Exchange "{recipient.name}" does not exist on {broker}. Create it, and bind queues to it; the operator only looks it up.')
LOOK_UP_REFUSED: Final = Finding(Reason.ACCESS_REFUSED, DECLARE,
    "Broker {broker} does not allow this user to look up {recipient}. Grant write permission on it: RabbitMQ 4.3 and newer "
    "answers only users with a permission on it.")
DECLARE_REFUSED: Final = Finding(Reason.REJECTED_BY_BROKER, DECLARE,
    "Broker {broker} refused to declare {recipient}; check its log.")
# Publishing.
LOST: Final = Finding(Reason.BROKER_UNREACHABLE, CONFIRM,
    "Lost connection to broker {broker}; reconnecting. If this lasts, check that RabbitMQ is running.")
NONSENSE: Final = Finding(Reason.BROKER_UNREACHABLE, CONFIRM,
    "{broker} violates AMQP 0-9-1. Check that it is RabbitMQ, and check any proxy in front of it.")
PUBLISH_REFUSED: Final = Finding(Reason.ACCESS_REFUSED, CONFIRM,
    "Broker {broker} does not allow this user to publish to {recipient}. Grant write permission on amq.default.")
PUBLISH_TO_EXCHANGE_REFUSED: Final = Finding(Reason.ACCESS_REFUSED, CONFIRM,
    "Broker {broker} does not allow this user to publish to {recipient}. Grant write permission on it, for every routing key "
    "if the broker restricts topics. An internal exchange takes events of other exchanges only.")
UNROUTABLE: Final = Finding(Reason.UNROUTABLE, CONFIRM,
    'No binding of {recipient} on {broker} matches an event with routing key "{key}". The stream waits and sends it again. '
    "Bind a queue for it, or set delivery to AtMostOnce if such events may vanish.")
CLOSED_ON_EVENT: Final = Finding(Reason.REJECTED_BY_BROKER, CONFIRM,
    'Broker {broker} closed the connection because of an event for {recipient}. The event is retried, finally on its own, '
    "then dropped. Check the broker's log and its max_message_size.", hard=True)
CONFIRM_TIMEOUT: Final = Finding(Reason.CONFIRM_TIMEOUT, CONFIRM,
    'Broker {broker} has not confirmed an event for {recipient} within {seconds:g} s; everything unconfirmed is sent '
    "again. Check the queue: a quorum queue without a majority does this.")
NACKED: Final = Finding(Reason.REJECTED_BY_BROKER, CONFIRM,
    'Broker {broker} rejects events for {recipient}: the queue is full (overflow reject-publish) or failing. Events are '
    "retried. Consume from the queue, or raise its limit.")
