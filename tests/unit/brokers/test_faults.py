"""Foreign errors become reasons and sentences."""

import socket
import ssl

import pytest
from pika import exceptions
from pika.adapters.utils.connection_workflow import AMQPConnectionWorkflowFailed, AMQPConnectorTransportSetupError

from audit_event_operator.brokers.rabbitmq import faults
from audit_event_operator.brokers.rabbitmq.foreign_errors import connect_fault, declaration_fault, lost_fault
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.targets.destination import Recipient
from audit_event_operator.targets.target import Target

TARGET = Target("mq.example.org", 5672, "/", "walter", "pa55word")


def mismatch():
    error = ssl.SSLCertVerificationError(1, "hostname mismatch")
    error.verify_code = 62
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (exceptions.ProbableAuthenticationError("(403) ACCESS_REFUSED"), Reason.AUTHENTICATION_FAILED),
        (exceptions.ProbableAccessDeniedError("(530) NOT_ALLOWED - vhost x not found"), Reason.VIRTUAL_HOST_NOT_FOUND),
        (
            exceptions.ProbableAccessDeniedError("(530) NOT_ALLOWED - access to vhost 'x' refused for user 'walter'"),
            Reason.ACCESS_REFUSED,
        ),
        (exceptions.ProbableAccessDeniedError("(541) INTERNAL_ERROR"), Reason.BROKER_UNREACHABLE),
        (exceptions.IncompatibleProtocolError("x"), Reason.BROKER_UNREACHABLE),
        (exceptions.ConnectionOpenAborted("x"), Reason.BROKER_UNREACHABLE),
        (AMQPConnectionWorkflowFailed([socket.gaierror(-2, "no name")]), Reason.BROKER_UNREACHABLE),
        (AMQPConnectionWorkflowFailed([AMQPConnectorTransportSetupError(mismatch())]), Reason.TLS_VERIFICATION_FAILED),
        (
            exceptions.AMQPConnectionError(AMQPConnectionWorkflowFailed([ssl.SSLError(1, "WRONG_VERSION")])),
            Reason.TLS_VERIFICATION_FAILED,
        ),
        (AMQPConnectorTransportSetupError(ssl.SSLEOFError(8, "EOF")), Reason.BROKER_UNREACHABLE),
        (ConnectionRefusedError(111, "refused"), Reason.BROKER_UNREACHABLE),
        (RuntimeError("whatever"), Reason.BROKER_UNREACHABLE),
    ],
)
def test_each_error_of_an_attempt_has_a_reason(error, reason):
    fault = connect_fault(error, TARGET)
    assert fault.reason is reason
    assert "mq.example.org:5672/%2F" in fault.message
    assert fault.message.endswith(".")
    assert not any(secret in fault.message + fault.detail for secret in ("walter", "pa55word"))


def test_a_wrong_name_is_told_from_an_unknown_authority():
    assert "not valid for this host" in connect_fault(mismatch(), TARGET).message
    unknown = ssl.SSLCertVerificationError(1, "self-signed certificate")
    unknown.verify_code = 19
    assert "ca.crt" in connect_fault(unknown, TARGET).message


@pytest.mark.parametrize(
    ("error", "reason", "hard"),
    [
        (exceptions.ConnectionClosedByBroker(320, "CONNECTION_FORCED"), Reason.BROKER_UNREACHABLE, False),
        (exceptions.ConnectionClosedByBroker(530, "vhost deleted"), Reason.BROKER_UNREACHABLE, False),
        (exceptions.ConnectionClosedByBroker(501, "FRAME_ERROR"), Reason.REJECTED_BY_BROKER, True),
        (exceptions.ChannelClosedByBroker(406, "message size"), Reason.REJECTED_BY_BROKER, True),
        (exceptions.ChannelClosedByBroker(403, "ACCESS_REFUSED"), Reason.ACCESS_REFUSED, False),
        (exceptions.StreamLostError("x"), Reason.BROKER_UNREACHABLE, False),
        (exceptions.AMQPHeartbeatTimeout("x"), Reason.BROKER_UNREACHABLE, False),
    ],
)
def test_each_end_of_a_connection_has_a_reason(error, reason, hard):
    fault = lost_fault(error, "mq:5672/%2F", Recipient("audit"))
    assert (fault.reason, fault.hard, fault.until_confirm) == (reason, hard, True)


@pytest.mark.parametrize(
    ("error", "reason", "until_confirm"),
    [
        (exceptions.ChannelClosedByBroker(404, "no exchange"), Reason.EXCHANGE_NOT_FOUND, False),
        (exceptions.ChannelClosedByBroker(403, "ACCESS_REFUSED"), Reason.ACCESS_REFUSED, True),
    ],
)
def test_an_exchange_that_refuses_is_named(error, reason, until_confirm):
    fault = lost_fault(error, "mq:5672/%2F", Recipient("audit", is_exchange=True))
    assert (fault.reason, fault.hard, fault.until_confirm) == (reason, False, until_confirm)
    assert 'xchange "audit"' in fault.message


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (404, Reason.QUEUE_NOT_FOUND),
        (405, Reason.QUEUE_LOCKED),
        (406, Reason.QUEUE_ARGUMENTS_MISMATCH),
        (403, Reason.ACCESS_REFUSED),
        (541, Reason.REJECTED_BY_BROKER),
    ],
)
def test_each_refusal_of_a_queue_has_a_reason(code, reason, create):
    fault = declaration_fault(code, "text", "mq:5672/%2F", Recipient("audit"), create=create)
    assert (fault.reason, fault.until_confirm) == (reason, False)
    assert '"audit"' in fault.message


@pytest.mark.parametrize(
    ("code", "reason"),
    [(404, Reason.EXCHANGE_NOT_FOUND), (403, Reason.ACCESS_REFUSED), (541, Reason.REJECTED_BY_BROKER)],
)
def test_each_refusal_of_an_exchange_has_a_reason(code, reason):
    fault = declaration_fault(code, "text", "mq:5672/%2F", Recipient("audit", is_exchange=True), create=False)
    assert (fault.reason, fault.until_confirm) == (reason, False)
    assert 'xchange "audit"' in fault.message


def test_only_what_the_user_must_mend_is_slow():
    assert faults.HOST_NOT_ALLOWED.at(host="mq").slow
    assert faults.BrokerFault(Reason.SECRET_NOT_FOUND, "x").slow
    assert not faults.MUTE.at("mq").slow
    assert not faults.CONFIRM_TIMEOUT.at("mq", recipient=Recipient("q"), seconds=60).slow


def test_foreign_text_is_cleaned_for_the_log():
    text = faults.clean("a\nb\x1b[31m walter " + "x" * 999, ("walter", ""))
    assert len(text) == 256
    assert text.startswith("a b [31m … x")
    assert text.isprintable()


def test_a_label_names_the_virtual_host_and_brackets_addresses():
    assert faults.label(Target("::1", 5671, "a/b c", "u", "p")) == "[::1]:5671/a%2Fb%20c"
