"""The port for somebody who writes down what became of each single event; the ledger only counts."""

from __future__ import annotations

from typing import Protocol

from audit_event_operator.engine.outbox import Note
from audit_event_operator.engine.snapshot import Ref


class Journal(Protocol):
    """Keeps a journal; see `audit_event_operator.journal` for the file."""

    def keep(self, ref: Ref) -> Note:
        """What the outbox of this resource calls for every outcome: on the loop, per event, so it must be cheap."""
