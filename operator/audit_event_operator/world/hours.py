"""Local time: what day and minute it is where the users are. Pure; the zone's rules change at quarters of an hour."""

from datetime import datetime, tzinfo
from typing import Final

from audit_event_operator.pacing.intensity import NS_PER_SECOND

NS_PER_MINUTE: Final = 60 * NS_PER_SECOND
_QUARTER_NS: Final = 15 * NS_PER_MINUTE
_SATURDAY: Final = 5


class LocalTime:
    """Reads the local clock of one zone; the quarter of an hour that was asked about last is kept."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._quarter = -1
        self._minute = 0
        self._weekend = False

    def minute(self, unix_ns: int) -> int:
        """Minutes since local midnight; −1 on Saturday and Sunday."""
        quarter, rest_ns = divmod(unix_ns, _QUARTER_NS)
        if quarter != self._quarter:
            local = datetime.fromtimestamp(quarter * 900, self._zone)
            self._quarter, self._minute = quarter, local.hour * 60 + local.minute
            self._weekend = local.weekday() >= _SATURDAY
        return -1 if self._weekend else self._minute + rest_ns // NS_PER_MINUTE
