"""TLS as it is spoken to brokers: verified, of a version that is not broken, whatever the machine's own settings allow."""

import ssl

from audit_event_operator.brokers.rabbitmq.dial import tls_context
from audit_event_operator.targets.target import TLSMaterial


def test_a_certificate_and_its_name_are_always_verified_and_old_versions_are_not_spoken() -> None:
    context = tls_context(TLSMaterial())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
