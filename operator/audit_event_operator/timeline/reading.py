"""What the clocks show: the only way time reaches a timeline."""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def unix_ns_of(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware moment, exact."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


class Reading(NamedTuple):
    """Two clocks at one moment, in nanoseconds: `ns` of a steady clock with any origin, `unix_ns` since 1970."""

    ns: int
    unix_ns: int

    @property
    def wall(self) -> datetime:
        """The wall clock, aware, to the microsecond."""
        return _EPOCH + timedelta(microseconds=self.unix_ns // 1_000)
