"""A broker as a Secret describes it: the keys, their bounds, and what makes them a Target. Pure.

Every source of Secrets (an API server, files) reads them alike. Messages name keys and never a value.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final

from audit_event_operator.engine.ports import Target, TargetReference, TargetUnavailable, TLSMaterial
from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.spec import TLSMode

PLAIN_PORT: Final = 5672
TLS_PORT: Final = 5671
CA_KEY: Final = "ca.crt"
CERTIFICATE_KEY: Final = "tls.crt"
PRIVATE_KEY_KEY: Final = "tls.key"

_LIMITS_BYTES: Final[Mapping[str, int]] = {
    "host": 253,
    "port": 5,
    "username": 255,
    "password": 1024,
    "vhost": 255,
    CA_KEY: 256 * 1024,
    CERTIFICATE_KEY: 64 * 1024,
    PRIVATE_KEY_KEY: 64 * 1024,
}
_PEM: Final = frozenset({CA_KEY, CERTIFICATE_KEY, PRIVATE_KEY_KEY})
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def secret_data(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """The decoded `data` of a Secret object, and its `stringData` over it (only files have that), of the keys we know.

    Raises:
        TargetUnavailable: SecretInvalid, when a value is not base64.
    """
    name = str((secret.get("metadata") or {}).get("name", ""))
    found: dict[str, bytes] = {}
    for key, text in (secret.get("data") or {}).items():
        if key in _LIMITS_BYTES:
            try:
                found[key] = base64.b64decode(str(text), validate=True)
            except (binascii.Error, ValueError) as error:
                raise _invalid(name, f'key "{key}" is not base64') from error
    for key, text in (secret.get("stringData") or {}).items():
        if key in _LIMITS_BYTES:
            found[key] = str(text).encode("utf-8", "surrogatepass")
    return found


def target_of(
    reference: TargetReference,
    data: Mapping[str, bytes],
    *,
    secret: str,
    ca_pem: str | None = None,
    has_tls: bool = False,
) -> Target:
    """The broker that a Secret's data describe.

    Args:
        reference: whose virtual host and TLS mode win over the Secret's.
        data: decoded values by key.
        secret: the Secret's name, for messages.
        ca_pem: a certificate authority from elsewhere, used when the Secret has none.
        has_tls: the broker is known to speak TLS, so its usual port is the TLS one.

    Raises:
        TargetUnavailable: SecretInvalid; the message names the key.
    """
    values = {key: _text(secret, key, raw) for key, raw in data.items() if key in _LIMITS_BYTES}
    for key in ("host", "username", "password"):
        if key not in values:
            raise _invalid(secret, f'key "{key}" is missing; it needs host, username and password')
    if not _HOST.fullmatch(values["host"]):
        raise _invalid(secret, 'key "host" must be a host name or an IP address, without scheme, port or path')
    if (CERTIFICATE_KEY in values) != (PRIVATE_KEY_KEY in values):
        raise _invalid(secret, 'keys "tls.crt" and "tls.key" belong together; one of them is missing')
    ca_pem = values.get(CA_KEY, ca_pem)
    if ca_pem is not None:
        check_authority(secret, ca_pem)
    mode = reference.tls_mode
    expects_tls = mode is TLSMode.VERIFY or (mode is TLSMode.AUTO and (ca_pem is not None or has_tls))
    port = _port(secret, values.get("port"), TLS_PORT if expects_tls else PLAIN_PORT)
    if has_tls and mode is not TLSMode.DISABLED and port == PLAIN_PORT:
        port = TLS_PORT
    tls = mode is TLSMode.VERIFY or (mode is TLSMode.AUTO and (port == TLS_PORT or ca_pem is not None))
    material = TLSMaterial(ca_pem, values.get(CERTIFICATE_KEY), values.get(PRIVATE_KEY_KEY)) if tls else None
    virtual_host = reference.virtual_host if reference.virtual_host is not None else values.get("vhost", "/")
    return Target(values["host"], port, virtual_host, values["username"], values["password"], material)


def check_authority(secret: str, pem: str) -> None:
    """Make sure that a CA is one, before a connection stumbles over it.

    Raises:
        TargetUnavailable: SecretInvalid.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise _invalid(secret, f'key "{CA_KEY}" holds no PEM certificate') from error


def _text(secret: str, key: str, raw: bytes) -> str:
    limit = _LIMITS_BYTES[key]
    if not raw:
        raise _invalid(secret, f'key "{key}" is empty')
    if len(raw) > limit:
        raise _invalid(secret, f'key "{key}" is longer than {limit} bytes')
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(secret, f'key "{key}" is not UTF-8 text') from error
    if key in _PEM:
        if "-----BEGIN " not in text:
            raise _invalid(secret, f'key "{key}" is not PEM text')
        return text
    if text != text.strip() or _CONTROL.search(text):
        raise _invalid(
            secret,
            f'key "{key}" has white space at an end or a control character, such as the line break that `echo` appends; '
            "create the Secret with `kubectl create secret generic --from-literal` or with printf",
        )
    return text


def _port(secret: str, text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 65_535):
        raise _invalid(secret, 'key "port" must be a number from 1 to 65535')
    return int(text)


def _invalid(secret: str, what: str) -> TargetUnavailable:
    return TargetUnavailable(Reason.SECRET_INVALID, f'Secret "{secret}": {what}.')
