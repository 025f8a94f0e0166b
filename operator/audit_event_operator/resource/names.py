"""The names under which Kubernetes knows us, each written down exactly once.

Everything that builds a path, a label or a manifest takes them from here.
"""

from typing import Final

GROUP: Final = "auditflow.jojees.net"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "AuditEventGenerator"
LIST_KIND: Final = f"{KIND}List"
PLURAL: Final = "auditeventgenerators"
SINGULAR: Final = "auditeventgenerator"
SHORT_NAME: Final = "aeg"
CATEGORY: Final = "auditflow"
CREDENTIALS_LABEL: Final = f"{GROUP}/broker-credentials"
"""Secrets named by `rabbitmq.secretRef` must carry this label with the value "true"."""
UID_LABEL: Final = f"{GROUP}/generator-uid"
"""What status.selector asks for: autoscalers refuse a Scale without a selector, and must find no pods with it."""
OPERATOR_NAME: Final = "audit-event-operator"
