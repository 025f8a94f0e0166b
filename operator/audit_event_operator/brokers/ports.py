"""What brokers need from outside: somebody who knows where a broker is. Cluster and files implement it."""

from __future__ import annotations

from typing import Protocol

from audit_event_operator.targets.reference import TargetReference
from audit_event_operator.targets.target import Target


class TargetLookup(Protocol):
    """Knows brokers by reference."""

    async def resolve(self, reference: TargetReference) -> Target:
        """Look the broker up now (Secrets are read again each time; concurrent look-ups of one Secret are one GET).

        Raises:
            DestinationUnavailable: SecretNotFound, SecretNotAllowed, SecretInvalid, ClusterNotFound, NoBroker; or Starting
                while the API server does not answer and never did.
        """
