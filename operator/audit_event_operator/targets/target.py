"""One broker as one user, ready to be dialled. Carries credentials, which its `repr` never shows."""

from dataclasses import dataclass, field
from typing import Final

from audit_event_operator.resource.broker_spec import TLSMode

AMQP_PORT: Final = 5672
AMQPS_PORT: Final = 5671


@dataclass(frozen=True, slots=True)
class TLSMaterial:
    """What a verified connection needs; PEM texts. `ca_pem` None means the system's CAs."""

    ca_pem: str | None = None
    certificate_pem: str | None = None
    key_pem: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """Everything that a connection needs. `tls` None means plain AMQP."""

    host: str
    port: int
    virtual_host: str
    username: str = field(repr=False)
    password: str = field(repr=False)
    tls: TLSMaterial | None = field(default=None, repr=False)


def encrypted(mode: TLSMode, port: int | None, ca_pem: str | None) -> bool:
    """Whether a connection uses TLS: Auto means yes on port 5671 or with a CA, and then never plain AMQP."""
    return mode is TLSMode.VERIFY or (mode is TLSMode.AUTO and (port == AMQPS_PORT or ca_pem is not None))
