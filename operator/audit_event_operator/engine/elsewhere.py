"""Resources that this process knows and another one serves: for readers, and for posts that came to the wrong door."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from audit_event_operator.engine.snapshot import Ref, Snapshot


@dataclass(frozen=True, slots=True)
class ServedElsewhere:
    """One such resource, readable as if it were ours.

    Attributes:
        ref: its name.
        uid: its identity.
        owner: the process that serves it, as far as its status tells; empty while none has said so.
        foreign: that process belongs to another installation.
        snapshot: tells what its status tells, which knows fewer counts than a snapshot of our own.
    """

    ref: Ref
    uid: str
    owner: str
    foreign: bool
    snapshot: Callable[[], Snapshot]


class Elsewhere(Protocol):
    """Knows what other processes serve."""

    def find(self, ref: Ref) -> ServedElsewhere | None:
        """The resource of that name, if it lives and this process does not serve it."""

    def all(self) -> list[ServedElsewhere]:
        """All of them."""


class NothingElsewhere:
    """There is no other process."""

    def find(self, ref: Ref) -> None:
        """Nothing."""

    def all(self) -> list[ServedElsewhere]:
        """Nothing."""
        return []
