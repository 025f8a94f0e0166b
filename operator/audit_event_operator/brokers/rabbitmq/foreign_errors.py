"""Turns errors of pika, sockets and TLS into faults, once, at the border."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

from pika import exceptions

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.faults import BrokerFault
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.targets.target import Target


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that it wraps, in pika's several ways, outermost first."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        inner = [*getattr(current, "exceptions", ()), getattr(current, "exception", None), *current.args]
        inner += [current.__cause__]
        waiting += [item for item in inner if isinstance(item, BaseException)]


def connect_fault(error: BaseException, target: Target) -> BrokerFault:
    """Why a connection attempt failed."""
    broker = faults.label(target)
    chain = list(causes(error))
    said = " / ".join(repr(item) for item in chain)
    detail = faults.clean(said, (target.password, target.username))
    for item in chain:
        if isinstance(item, ssl.SSLError) and not isinstance(item, ssl.SSLEOFError):
            return BrokerFault(Reason.TLS_VERIFICATION_FAILED, _tls_sentence(item, broker, target), detail=detail)
        if isinstance(item, exceptions.ProbableAuthenticationError | exceptions.AuthenticationError):
            return BrokerFault(
                Reason.AUTHENTICATION_FAILED,
                f"Broker {broker} rejected the user name or password. Correct the credentials that this resource uses.",
                detail=detail,
            )
        if isinstance(item, exceptions.ProbableAccessDeniedError):
            return _open_refused(broker, said, detail)
        if isinstance(item, socket.gaierror):
            return BrokerFault(
                Reason.BROKER_UNREACHABLE,
                f"Cannot resolve the host name of broker {broker}. Check the name and the cluster's DNS.",
                until_confirm=True,
                detail=detail,
            )
        if isinstance(item, exceptions.IncompatibleProtocolError):
            return BrokerFault(
                Reason.BROKER_UNREACHABLE,
                f"{broker} does not speak AMQP 0-9-1. Check that the port is RabbitMQ's and that tls.mode matches it.",
                until_confirm=True,
                detail=detail,
            )
        if isinstance(item, exceptions.ConnectionOpenAborted | TimeoutError):
            return faults.mute(broker)
    return faults.unreachable(broker, detail)


def _open_refused(broker: str, said: str, detail: str) -> BrokerFault:
    if "not found" in said:
        return BrokerFault(
            Reason.VIRTUAL_HOST_NOT_FOUND,
            f"Broker {broker} has no such virtual host. Create it, or correct rabbitmq.vhost or the Secret's vhost.",
            detail=detail,
        )
    if str(faults.NOT_ALLOWED) not in said and str(faults.ACCESS_REFUSED) not in said:
        return faults.unreachable(broker, detail)
    return BrokerFault(
        Reason.ACCESS_REFUSED,
        f"Broker {broker} denies this user access to the virtual host, or a connection limit is reached. Grant "
        "permissions there, or raise the limit.",
        detail=detail,
    )


def _tls_sentence(error: ssl.SSLError, broker: str, target: Target) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in {62, 64}:  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
            return (
                f"The certificate of broker {broker} is not valid for this host. Use the host name it was issued for, or "
                f"issue one for {target.host}."
            )
        return (
            f"The certificate of broker {broker} cannot be verified. Put the issuing authority's certificate into the "
            "Secret's ca.crt, or renew the broker's."
        )
    return (
        f"TLS handshake with broker {broker} failed. Check that the port speaks TLS. If the broker requires a client "
        "certificate, put it into the Secret (tls.crt, tls.key)."
    )


def lost_fault(error: BaseException, broker: str, queue: str) -> BrokerFault:
    """Why an open connection, or its publishing channel, is gone."""
    if isinstance(error, exceptions.ConnectionClosedByBroker | exceptions.ChannelClosedByBroker):
        code, detail = error.reply_code, f"{error.reply_code} {error.reply_text}"
        if code == faults.ACCESS_REFUSED:
            return faults.publish_refused(broker, queue, detail)
        if code not in {faults.CONNECTION_FORCED, faults.NOT_ALLOWED}:
            return BrokerFault(
                Reason.REJECTED_BY_BROKER,
                f'Broker {broker} closed the connection because of an event for queue "{queue}". The event is retried, '
                "finally on its own, then dropped. Check the broker's log and its max_message_size.",
                hard=True,
                until_confirm=True,
                detail=detail,
            )
    return BrokerFault(
        Reason.BROKER_UNREACHABLE,
        f"Lost connection to broker {broker}; reconnecting. If this lasts, check that RabbitMQ is running.",
        until_confirm=True,
        detail=repr(error),
    )
