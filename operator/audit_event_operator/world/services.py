"""Which services are stopped: one starts only after it stopped. At first all of them run."""

from typing import Final

from audit_event_operator.world.dice import Dice
from audit_event_operator.world.machines import Machine

_MOST: Final = 64


class Services:
    """The stopped ones, with the state that they are in: STOPPED or FAILED."""

    def __init__(self) -> None:
        self._stopped: dict[tuple[int, str], tuple[Machine, str]] = {}

    def start_all(self, machine: Machine) -> None:
        """Start all services of a host, unseen."""
        for service in machine.services:
            self._stopped.pop((machine.number, service), None)

    @property
    def full(self) -> bool:
        """So many are stopped that some have to start first."""
        return len(self._stopped) >= _MOST

    def stop(self, dice: Dice, machine: Machine, state: str) -> str | None:
        """Stop one on this host and say which; None where none runs."""
        first = dice.roll(len(machine.services))
        for service in (*machine.services[first:], *machine.services[:first]):
            if (machine.number, service) not in self._stopped:
                self._stopped[machine.number, service] = (machine, state)
                return service
        return None

    def start(self) -> tuple[Machine, str, str] | None:
        """Start what has been stopped for longest: host, service and the state that it was in."""
        for key, (machine, state) in self._stopped.items():
            del self._stopped[key]
            return machine, key[1], state
        return None
