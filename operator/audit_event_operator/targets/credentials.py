"""From the keys of a Secret to a broker: the same rules for Secrets in a cluster and Secrets in files. Pure.

Host and credentials come from one Secret, so nobody can send another user's password to a host of their choice. Values never
appear in a message; `connection_string` and `uri` are ignored (an AMQP URL can switch TLS verification off).
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from audit_event_operator.resource.broker_spec import TLSMode
from audit_event_operator.resource.conditions import DestinationUnavailable, Reason
from audit_event_operator.resource.names import CREDENTIALS_LABEL
from audit_event_operator.targets.reference import TargetReference
from audit_event_operator.targets.target import AMQP_PORT, AMQPS_PORT, Target, TLSMaterial, encrypted

CA_KEY: Final = "ca.crt"
_LIMITS_BYTES: Final = {"host": 253, "port": 5, "username": 255, "password": 4096, "vhost": 255}
_PEM_LIMIT_BYTES: Final = 64 * 1024


def check_label(name: str, secret: Mapping[str, Any]) -> None:
    """A Secret serves as broker credentials only if its owner has labelled it for that.

    Raises:
        DestinationUnavailable: SecretNotAllowed.
    """
    if ((secret.get("metadata") or {}).get("labels") or {}).get(CREDENTIALS_LABEL) != "true":
        raise DestinationUnavailable(
            Reason.SECRET_NOT_ALLOWED,
            f'Secret "{name}" lacks the label {CREDENTIALS_LABEL}: "true", which allows its use. '
            f"Add it: kubectl label secret {name} {CREDENTIALS_LABEL}=true",
        )


def data_of(name: str, secret: Mapping[str, Any]) -> dict[str, bytes]:
    """The decoded values of a Secret; `stringData`, which only files have, wins.

    Raises:
        DestinationUnavailable: SecretInvalid; the message names the key.
    """
    data: dict[str, bytes] = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            data[key] = base64.b64decode(str(value), validate=True)
        except (binascii.Error, ValueError):
            raise _invalid(name, f"has a data.{key} that is not base64; use stringData for plain text") from None
    return data | {key: str(value).encode() for key, value in (secret.get("stringData") or {}).items()}


def target_of(
    name: str,
    data: Mapping[str, bytes],
    reference: TargetReference,
    *,
    ca: bytes | None = None,
    has_certificate: bool = False,
) -> Target:
    """Make a target from a Secret's data, of which host, username and password are needed; `name` is for messages.

    What the resource says about virtual host and TLS (`reference`) wins over the Secret. `ca` is the CA's PEM from
    elsewhere (a RabbitmqCluster's CA Secret). `has_certificate`: the broker serves TLS; port 5672 then means 5671, because
    RabbitMQ's cluster operator writes 5672 even with TLS.

    Raises:
        DestinationUnavailable: SecretInvalid; the message names the key.
    """
    host, username, password = (_text(name, data, key) for key in ("host", "username", "password"))
    if not host or not username or not password:
        missing = ", ".join(key for key in ("host", "username", "password") if not data.get(key))
        raise _invalid(name, f"lacks {missing}; host, username and password are required")
    port = _port(name, data)
    if has_certificate and port in {None, AMQP_PORT} and reference.tls_mode is not TLSMode.DISABLED:
        port = AMQPS_PORT
    tls = _tls(name, data, reference.tls_mode, ca, port)
    if port is None:
        port = AMQPS_PORT if tls is not None else AMQP_PORT
    virtual_host = reference.virtual_host or _text(name, data, "vhost") or "/"
    return Target(host=host, port=port, virtual_host=virtual_host, username=username, password=password, tls=tls)


def _tls(name: str, data: Mapping[str, bytes], mode: TLSMode, ca: bytes | None, port: int | None) -> TLSMaterial | None:
    ca_pem = _pem(name, CA_KEY, data.get(CA_KEY) or None if ca is None else ca)
    if not encrypted(mode, port, ca_pem):
        return None
    certificate, key = (_pem(name, part, data.get(part) or None) for part in ("tls.crt", "tls.key"))
    if (certificate is None) != (key is None):
        raise _invalid(name, "has only one of tls.crt and tls.key; a client certificate needs both")
    return TLSMaterial(ca_pem=ca_pem, certificate_pem=certificate, key_pem=key)


def _port(name: str, data: Mapping[str, bytes]) -> int | None:
    text = _text(name, data, "port")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65_535):
        raise _invalid(name, "has a port that is not a number from 1 to 65535")
    return int(text)


def read_text(key: str, value: bytes) -> str:
    """The text of a host, port, username, password or vhost.

    Raises:
        ValueError: it cannot be one; what goes behind "a value", without the value.
    """
    if len(value) > _LIMITS_BYTES[key]:
        raise ValueError(f"longer than {_LIMITS_BYTES[key]} bytes")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("that is not UTF-8 text") from None
    if not text.isprintable() or text != text.strip():
        raise ValueError(
            "with a line break, a control character or a leading or trailing space (echo adds a line break; use printf)"
        )
    return text


def _text(name: str, data: Mapping[str, bytes], key: str) -> str:
    try:
        return read_text(key, data.get(key, b""))
    except ValueError as error:
        raise _invalid(name, f"has a {key} {error}") from None


def _pem(name: str, key: str, value: bytes | None) -> str | None:
    if value is None:
        return None
    if len(value) > _PEM_LIMIT_BYTES:
        raise _invalid(name, f"has a {key} larger than {_PEM_LIMIT_BYTES // 1024} KiB")
    if not value.isascii() or b"-----BEGIN " not in value:
        raise _invalid(name, f"has a {key} that is not PEM text")
    return value.decode("ascii")


def _invalid(name: str, what: str) -> DestinationUnavailable:
    return DestinationUnavailable(Reason.SECRET_INVALID, f'Secret "{name}" {what}.')
