"""The hosts of a stream: each is a function of (seed, number), so that 10,000 of them cost nothing."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from audit_event_operator.world.dice import hash64
from audit_event_operator.world.words import ENVIRONMENTS, HOSTS_PER_NAME, ROLES, SERVICES

GENERATED: Final = "generated"
"""What metrics call a made-up host: they have no label of their own, else there would be 10,000."""

NOWHERE: Final = -1
"""The number of a host that is none of those of the stream."""
_NAMES: Final = len(ENVIRONMENTS) * len(ROLES) * HOSTS_PER_NAME
_NAME_STEP: Final = 1_009  # prime: consecutive numbers have names far apart
_KEPT: Final = 4_096


class Machine(NamedTuple):
    """One host. `label` is its name in metrics, `role` what it is for, `services` the units that run on it."""

    number: int
    name: str
    label: str
    role: str
    services: tuple[str, ...]


class Machines:
    """All hosts: the named ones first, then made-up ones up to `count`."""

    def __init__(self, names: Sequence[str], count: int, salt: int) -> None:
        self.count = count
        self._names = names
        self._taken = frozenset(names)
        self._salt = salt
        self._machine = lru_cache(maxsize=_KEPT)(self._made)

    def __getitem__(self, number: int) -> Machine:
        return self._machine(number)

    def named(self, name: str) -> Machine:
        """A host by its name; one that is not listed has no label of its own in metrics."""
        role = next((each for each in ROLES if each in name), ROLES[0])
        if name in self._taken:
            return self._machine(self._names.index(name))
        return Machine(NOWHERE, name, GENERATED, role, SERVICES[role])

    def _made(self, number: int) -> Machine:
        if number < len(self._names):
            name = self._names[number]
            role = ROLES[hash64(number, self._salt) % len(ROLES)]
            role = next((each for each in ROLES if each in name), role)
            return Machine(number, name, name, role, SERVICES[role])
        place = (number * _NAME_STEP + self._salt) % _NAMES
        place, which = divmod(place, HOSTS_PER_NAME)
        environment, role_number = divmod(place, len(ROLES))
        role = ROLES[role_number]
        name = f"{ENVIRONMENTS[environment]}-{role}-{which + 1:02d}"
        while name in self._taken:
            name += "x"
        return Machine(number, name, GENERATED, role, SERVICES[role])
