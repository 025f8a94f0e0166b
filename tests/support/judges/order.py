"""The order of things: services stop before they start, and accounts are used only while they exist."""

from typing import Final

from support.judges.event import MICROSECONDS, Seen

_EARLIEST_LOGIN: Final = 60 * MICROSECONDS
_DOWN: Final = ("STOPPED", "FAILED")


class Order:
    """Services that are down, and accounts that were created or deleted; it remembers the names of them all."""

    def __init__(self) -> None:
        self._down: set[tuple[str, str | None]] = set()
        self._created: dict[str, int] = {}
        self._deleted: set[str] = set()

    def feed(self, seen: Seen) -> list[str]:
        """What is wrong with this event."""
        match seen.event_type:
            case "service_status_change":
                return self._service(seen)
            case "user_account_management":
                return self._account(seen)
            case "user_login" if seen.login:
                return self._login(seen)
        return []

    def _service(self, seen: Seen) -> list[str]:
        service = (seen.host, seen.resource)
        if seen.action_result in _DOWN:
            self._down.add(service)
        elif seen.action_result == "STARTED":
            if service not in self._down:
                return [f"{seen.resource} started on {seen.host} without having stopped ({seen.event_id})."]
            self._down.remove(service)
        return []

    def _account(self, seen: Seen) -> list[str]:
        if seen.resource is None:
            return [f"{seen.user} manages an account without a name ({seen.event_id})."]
        if seen.action_result == "DELETED":
            self._deleted.add(seen.resource)
        elif seen.action_result == "CREATED":
            if seen.resource in self._created:
                return [f"{seen.resource} was created a second time ({seen.event_id})."]
            self._created[seen.resource] = seen.microseconds
        return []

    def _login(self, seen: Seen) -> list[str]:
        found = []
        created = self._created.get(seen.user)
        if created is not None and seen.microseconds - created < _EARLIEST_LOGIN:
            found.append(f"{seen.user} logged in less than 60 s after having been created ({seen.event_id}).")
        if seen.user in self._deleted:
            found.append(f"{seen.user} logged in after having been deleted ({seen.event_id}).")
        return found
