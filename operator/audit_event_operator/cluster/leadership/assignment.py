"""Which resources are ours to serve: all of them, while this process holds the one Lease."""

from __future__ import annotations

from audit_event_operator.cluster.leadership.gate import LeaseGate
from audit_event_operator.engine.ports import Gate
from audit_event_operator.engine.snapshot import Ref


class LeaseAssignment:
    """Implements the engine's `Assignment`, and answers for every resource by the same Lease.

    Args:
        gate: the Lease's; the elector opens and closes it.
    """

    def __init__(self, gate: LeaseGate) -> None:
        self.lease_gate = gate

    def is_ours(self, ref: Ref) -> bool:
        """Whether a resource is this process's to serve, even if its gate is closed for a moment."""
        return self.lease_gate.held

    def gate(self, ref: Ref) -> Gate:
        """The gate that a resource's generator asks."""
        return self.lease_gate
