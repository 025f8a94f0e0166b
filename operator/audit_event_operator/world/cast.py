"""The users, hosts and addresses that a spec asks for, also where each event is an independent draw."""

from collections.abc import Callable
from hashlib import blake2b
from typing import Final, NamedTuple

from audit_event_operator.events.cast import Listed
from audit_event_operator.events.drawn import UNKNOWN_USERS
from audit_event_operator.resource.entities import SESSION_HOSTS, SESSION_USERS, Entities
from audit_event_operator.world.addresses import Addresses
from audit_event_operator.world.dice import Dice, hash64
from audit_event_operator.world.machines import NOWHERE, Machine, Machines
from audit_event_operator.world.people import NOBODY, People, Person

_CLIENTS: Final = ("10.0.0.0/8",)
_SPARE: Final = 100_000
"""With fewer spare addresses two accounts would too likely share one."""
_PROBE: Final = "unknown"


class Stranger(NamedTuple):
    """Somebody who is no user: a name that is tried, always from the same address."""

    number: int
    name: str
    address: str


class WorldCast:
    """Everybody of one stream with sessions. What is not said has its defaults: 200 users, 40 hosts, 10.0.0.0/8."""

    def __init__(self, entities: Entities, seed: int) -> None:
        self.seed = seed
        users, hosts, cidrs = entities.users, entities.hosts, entities.clients.cidrs or _CLIENTS
        user_names, host_names = tuple(dict.fromkeys(users.names or ())), tuple(dict.fromkeys(hosts.names or ()))
        self._addresses = Addresses(cidrs, hash64(seed, 1))
        self.machines = Machines(host_names, hosts.count or len(host_names) or SESSION_HOSTS, hash64(seed, 2))
        self.people = People(
            user_names,
            users.count or len(user_names) or SESSION_USERS,
            self.machines.count,
            self._addresses,
            hash64(seed, 3),
        )
        self.attackers = Addresses(entities.attackers.listed, hash64(seed, 4))
        taken = {*user_names}
        self._strangers = tuple(name for name in UNKNOWN_USERS if name not in taken)

    def stranger(self, kind: str, dice: Dice) -> Stranger | None:
        """Somebody who is no user and tries to get in; None where users have all addresses."""
        number = len(UNKNOWN_USERS) if kind == "connection_probe" else dice.roll(max(1, len(self._strangers)))
        place = self.people.addresses_used + number
        if place >= self._addresses.count or (kind != "connection_probe" and not self._strangers):
            return None
        name = _PROBE if kind == "connection_probe" else self._strangers[number]
        return Stranger(number, name, self._addresses[place])

    def spare_address(self, number: int) -> str:
        """One that is no user's, stranger's or host's, and another one for each number; empty where there are too few."""
        first = self.people.addresses_used + len(UNKNOWN_USERS) + 1
        spare = self._addresses.count - first - self.machines.count
        return self._addresses[first + number % spare] if spare >= _SPARE else ""

    def named(self, name: str) -> Person:
        """A user by name; somebody who is none of them has an address all the same."""
        number = self.people.number_of(name)
        if number is not None:
            return self.people[number]
        bits = int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        double = self.people[bits % self.people.count]
        address = self.spare_address(bits) or double.addresses[0]
        return double._replace(number=NOBODY, name=name, addresses=(address,), own_address=False)

    def machine_address(self, machine: Machine, otherwise: str) -> str:
        """The address of a host, as the next host sees it; `otherwise` where there are too few addresses."""
        place = self._addresses.count - 1 - machine.number
        used = self.people.addresses_used + len(UNKNOWN_USERS) + 1
        return otherwise if machine.number == NOWHERE or place < used else self._addresses[place]

    @property
    def unknown_names(self) -> tuple[str, ...]:
        """Names that nobody has, and that are tried everywhere."""
        return self._strangers


class _Named:
    """Names of entities by number."""

    def __init__(self, count: int, name: Callable[[int], str]) -> None:
        self._count = count
        self._name = name

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int, /) -> str:
        return self._name(number)


class IndependentCast(Listed):
    """Everybody of one stream of independent draws: what the spec names, filled up to its counts."""

    def __init__(self, entities: Entities, seed: int) -> None:
        users, hosts, cidrs = entities.users, entities.hosts, entities.clients.cidrs
        super().__init__(users.listed, hosts.listed)
        if (users.count, hosts.count, cidrs) == (None, None, None):
            return
        addresses = Addresses(cidrs or _CLIENTS, hash64(seed, 1))
        if cidrs is not None:
            self.clients = _Named(addresses.count, addresses.__getitem__)
        if hosts.count is not None:
            machines = Machines(hosts.listed, max(hosts.count, len(hosts.listed)), hash64(seed, 2))
            self.hosts = _Named(machines.count, lambda number: machines[number].name)
            self.labels = _Named(machines.count, lambda number: machines[number].label)
        if users.count is not None:
            people = People(users.listed, max(users.count, len(users.listed)), 1, addresses, hash64(seed, 3))
            self.users = _Named(people.count, lambda number: people[number].name)
