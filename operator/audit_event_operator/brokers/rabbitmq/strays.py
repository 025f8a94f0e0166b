"""Remembers which events an exchange could not route, until each has found its way. Bounded by the outlet's window."""

from audit_event_operator.engine.outbox import Parcel


class Strays:
    """Events that came back and have no outcome yet."""

    __slots__ = ("_parcels",)

    def __init__(self) -> None:
        self._parcels: dict[Parcel, None] = {}

    def __len__(self) -> int:
        return len(self._parcels)

    def add(self, parcel: Parcel) -> None:
        """It came back."""
        self._parcels[parcel] = None

    def settle(self) -> bool:
        """Forget those that have an outcome by now; whether there were any."""
        before = len(self._parcels)
        self._parcels = {parcel: None for parcel in self._parcels if not parcel.settled}
        return len(self._parcels) < before

    def clear(self) -> None:
        """Forget all: they will be sent elsewhere."""
        self._parcels.clear()

    @property
    def oldest(self) -> Parcel | None:
        """The one that is sent again first."""
        return min(self._parcels, default=None)
