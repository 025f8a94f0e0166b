"""From the keys of a Secret to a broker, or to a sentence that names the key."""

import pytest

from audit_event_operator.resource.broker_spec import TLSMode
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.targets.credentials import data_of, target_of
from audit_event_operator.targets.reference import TargetKind, TargetReference
from audit_event_operator.targets.target import encrypted

REFERENCE = TargetReference(TargetKind.SECRET, "team", "broker")
DATA = {"host": b"rabbit.team", "username": b"u", "password": b"canary"}
CA = "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("mode", "port", "ca_pem", "expected"),
    [
        (TLSMode.AUTO, 5672, None, False),
        (TLSMode.AUTO, None, None, False),
        (TLSMode.AUTO, 5671, None, True),
        (TLSMode.AUTO, 5672, CA, True),
        (TLSMode.VERIFY, 5672, None, True),
        (TLSMode.DISABLED, 5671, CA, False),
    ],
)
def test_auto_encrypts_with_an_authority_or_on_the_port_of_tls(mode, port, ca_pem, expected):
    assert encrypted(mode, port, ca_pem) is expected


def test_string_data_of_a_file_wins_over_data():
    assert data_of("broker", {"data": {"a": "b25l", "b": "dHdv"}, "stringData": {"b": "three"}}) == {
        "a": b"one",
        "b": b"three",
    }


def test_data_that_is_not_base64_is_named_and_not_shown():
    with pytest.raises(DestinationUnavailable, match=r'"broker" has a data.password that is not base64') as caught:
        data_of("broker", {"data": {"password": "canary!"}})
    assert caught.value.reason is Reason.SECRET_INVALID
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"host": b""}, "lacks host"),
        ({"port": b"65536"}, "port that is not a number"),
        ({"password": b"canary\n"}, "password with a line break"),
        ({"username": b"\xff"}, "username that is not UTF-8"),
        ({"vhost": b"v" * 256}, "vhost longer than 255 bytes"),
        ({"ca.crt": b"canary"}, "ca.crt that is not PEM"),
        ({"ca.crt": b"-" * 65_537}, "ca.crt larger than 64 KiB"),
        ({"port": b"5671", "tls.crt": CA.encode()}, "only one of tls.crt and tls.key"),
    ],
)
def test_what_cannot_be_is_named_and_not_shown(changed, says):
    with pytest.raises(DestinationUnavailable, match=says) as caught:
        target_of("broker", DATA | changed, REFERENCE)
    assert caught.value.reason is Reason.SECRET_INVALID
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(("port", "expected"), [(b"5672", 5671), (b"", 5671), (b"5700", 5700)])
def test_beside_a_certificate_the_port_of_plain_amqp_becomes_that_of_tls(port, expected):
    target = target_of("broker", DATA | {"port": port}, REFERENCE, has_certificate=True)
    assert target.port == expected
    assert (target.tls is not None) is (expected == 5671)
