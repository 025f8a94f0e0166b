"""Turns errors of pika, sockets and TLS, and the broker's reply codes, into faults, once, at the border."""

import re
import socket
import ssl
from typing import Final

from pika import exceptions

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault, Finding
from audit_event_operator.targets.destination import Recipient
from audit_event_operator.targets.target import Target

CONNECTION_FORCED: Final = 320
ACCESS_REFUSED: Final = 403
NOT_FOUND: Final = 404
RESOURCE_LOCKED: Final = 405
PRECONDITION_FAILED: Final = 406
NOT_ALLOWED: Final = 530

# What RabbitMQ says about max-connections, max-channels and max-queues: "… limit in vhost '/' (5) is reached" at the end.
_LIMIT_REACHED: Final = re.compile(r"\blimit\b.* \(\d+\) is reached$|\breached .*\blimit of \(\d+\)$")
_CONNECTIONS_REACHED: Final = re.compile(r"connection limit \(\d+\) is reached")

_OF_A_QUEUE: Final = {
    NOT_FOUND: faults.QUEUE_MISSING,
    RESOURCE_LOCKED: faults.QUEUE_LOCKED,
    PRECONDITION_FAILED: faults.OTHER_ARGUMENTS,
}
_OF_AN_EXCHANGE: Final = {NOT_FOUND: faults.EXCHANGE_MISSING}


def connect_fault(error: BaseException, target: Target) -> BrokerFault:
    """Why a connection attempt failed."""
    chain = _causes(error)
    said = " / ".join(map(repr, chain))
    found = next(filter(None, (_finding(each, said) for each in chain)), faults.UNREACHABLE)
    detail = faults.clean(said, (target.password, target.username))
    return found.at(faults.label(target), detail=detail, host=target.host)


def lost_fault(error: BaseException, broker: str, recipient: Recipient) -> BrokerFault:
    """Why an open connection, or its publishing channel, is gone."""
    if isinstance(error, exceptions.ConnectionClosedByBroker | exceptions.ChannelClosedByBroker):
        code = error.reply_code
        if code == NOT_ALLOWED and (quota := _quota(error.reply_text)) is not None:
            return quota.at(broker, recipient=recipient, detail=f"{code} {error.reply_text}")
        if code not in {CONNECTION_FORCED, NOT_ALLOWED}:
            found = faults.CLOSED_ON_EVENT
            if code == ACCESS_REFUSED:
                found = faults.PUBLISH_TO_EXCHANGE_REFUSED if recipient.is_exchange else faults.PUBLISH_REFUSED
            elif code == NOT_FOUND and recipient.is_exchange:  # it was deleted: the broker closes the channel
                found = faults.EXCHANGE_MISSING
            return found.at(broker, recipient=recipient, detail=f"{code} {error.reply_text}")
    return faults.LOST.at(broker, detail=repr(error))


def declaration_fault(code: int, text: str, broker: str, recipient: Recipient, *, create: bool) -> BrokerFault:
    """Why a queue or exchange could not be declared; `create`: it was to be made, not only looked up."""
    refused = faults.CREATE_REFUSED if create else faults.LOOK_UP_REFUSED
    known = _OF_AN_EXCHANGE if recipient.is_exchange else _OF_A_QUEUE
    if (quota := _quota(text)) is not None:
        return quota.at(broker, recipient=recipient, detail=f"{code} {text}")
    found = refused if code == ACCESS_REFUSED else known.get(code, faults.DECLARE_REFUSED)
    return found.at(broker, recipient=recipient, detail=f"{code} {text}")


def _causes(error: BaseException) -> list[BaseException]:
    """The error and everything that it wraps, in pika's several ways, outermost first."""
    found = [error]
    for each in found:  # it grows meanwhile
        for inner in (*getattr(each, "exceptions", ()), getattr(each, "exception", None), *each.args, each.__cause__):
            if isinstance(inner, BaseException) and inner not in found:
                found.append(inner)
    return found


def _quota(text: str) -> Finding | None:
    """Which limit of the user or virtual host a reply text is about, if any."""
    if _LIMIT_REACHED.search(text) is None:
        return None
    if "channels opened" in text:
        return faults.CHANNEL_QUOTA
    return faults.QUEUE_QUOTA if "queue limit in vhost" in text else faults.CONNECTION_QUOTA


def _finding(error: BaseException, said: str) -> Finding | None:
    match error:
        case ssl.SSLEOFError():
            return None
        case ssl.SSLCertVerificationError(verify_code=62 | 64):  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
            return faults.WRONG_CERTIFICATE_NAME
        case ssl.SSLCertVerificationError():
            return faults.UNVERIFIED_CERTIFICATE
        case ssl.SSLError():
            return faults.TLS_FAILED
        case exceptions.ProbableAuthenticationError() | exceptions.AuthenticationError():
            return faults.WRONG_CREDENTIALS
        case exceptions.ProbableAccessDeniedError() if "not found" in said:
            return faults.NO_VIRTUAL_HOST
        case exceptions.ProbableAccessDeniedError() if _CONNECTIONS_REACHED.search(said):
            return faults.CONNECTION_QUOTA
        case exceptions.ProbableAccessDeniedError():
            refused = str(NOT_ALLOWED) in said or str(ACCESS_REFUSED) in said
            return faults.VIRTUAL_HOST_REFUSED if refused else faults.UNREACHABLE
        case socket.gaierror():
            return faults.UNKNOWN_NAME
        case exceptions.IncompatibleProtocolError():
            return faults.OTHER_PROTOCOL
        case exceptions.ConnectionOpenAborted() | TimeoutError():
            return faults.MUTE
    return None
