"""The users of a stream: each is a function of (seed, number), so that 100,000 of them cost nothing."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from audit_event_operator.world.addresses import Addresses
from audit_event_operator.world.dice import hash64
from audit_event_operator.world.words import COMMANDS, INITIALS, NUMBERS, SURNAMES

ADMIN: Final = 0
DEVELOPER: Final = 1
SERVICE: Final = 2
OFFICE: Final = 3
_ROLE_NAMES: Final = ("admin", "developer", "service", "office")
_ROLE_SUMS: Final = (5, 40, 55)
"""Of 100 users, five are admins, 35 developers, 15 service accounts, and the rest work in the office."""
_NAMES: Final = len(INITIALS) * len(SURNAMES) * NUMBERS
_NAME_STEP: Final = 100_003  # prime: consecutive numbers have names far apart
NOBODY: Final = -1
"""The number of somebody who is none of the users."""
_KEPT: Final = 4_096
_SCANNED: Final = 512
_VICTIM_ONE_IN: Final = 8
_FEW: Final = 32
"""In a smaller world every other one is a victim."""
_MADE_UP: Final = re.compile(rf"([{INITIALS}])([a-z]+)([0-9]+)?")


class Person(NamedTuple):
    """One user, or a service account.

    `begins` and `ends`: working hours in local minutes of the day, the same on each working day; service accounts always work.
    `homes`: the numbers of 2 to 5 hosts, fewer where there are fewer. `own_address`: nobody else
    has his addresses.
    """

    number: int
    name: str
    role: int
    begins: int
    ends: int
    homes: tuple[int, ...]
    addresses: tuple[str, ...]
    commands: tuple[str, ...]
    fingerprint: str
    own_address: bool

    @property
    def human(self) -> bool:
        """Not a service account."""
        return self.role != SERVICE


class People:
    """All users: the named ones first, then made-up ones up to `count`."""

    def __init__(self, names: Sequence[str], count: int, hosts: int, addresses: Addresses, salt: int) -> None:
        self.count = count
        self._names = names
        self._taken = frozenset(names)
        self._hosts = hosts
        self._addresses = addresses
        self._salt = salt
        self._each = 2 if addresses.count >= 2 * count else 1
        self._person = lru_cache(maxsize=_KEPT)(self._made)
        self.addresses_used = self._each * count
        """So many of all addresses, from the first one on, are users'."""
        scanned = range(min(count, _SCANNED))
        self._victim_step = _VICTIM_ONE_IN if count >= _FEW else 2
        self._first_victim = salt % min(count, self._victim_step)
        self.victims = len(range(self._first_victim, count, self._victim_step))
        """How many there are whom scenarios may be about."""
        self.admins = tuple(number for number in scanned if self.role(number) == ADMIN)
        """Some who may administer."""
        self.service_accounts = tuple(number for number in scanned if self.role(number) == SERVICE)
        """Some service accounts; empty in a world of one or two."""

    def __getitem__(self, number: int) -> Person:
        return self._person(number)

    def role(self, number: int) -> int:
        """The first four have one role each; the others 5, 35, 15 and 45 of a hundred."""
        if number < len(_ROLE_NAMES):
            return number
        percent = hash64(number, self._salt) % 100
        return sum(percent >= limit for limit in _ROLE_SUMS)

    def hours(self, number: int) -> tuple[int, int]:
        """Working hours in local minutes of the day: eight to nine hours that begin between seven and ten."""
        bits = hash64(number, self._salt) >> 8
        begins = 420 + bits % 12 * 15
        return begins, begins + 480 + (bits >> 8) % 5 * 15

    def victim_number(self, index: int) -> int:
        """The number of a victim, counted round and round from 0."""
        return self._first_victim + index % self.victims * self._victim_step

    def is_victim(self, number: int) -> bool:
        """Whether scenarios may be about this one, who therefore never fails to log in otherwise."""
        return self.count > 1 and number % self._victim_step == self._first_victim

    def number_of(self, name: str) -> int | None:
        """The number of a user; None where nobody has this name."""
        if name in self._taken:
            return self._names.index(name)
        made_up = _MADE_UP.fullmatch(name)
        if made_up is None or made_up[2] not in SURNAMES:
            return None
        which = int(made_up[3] or 1) - 1
        place = (INITIALS.index(made_up[1]) * len(SURNAMES) + SURNAMES.index(made_up[2])) * NUMBERS + which
        number = (place - self._salt) * pow(_NAME_STEP, -1, _NAMES) % _NAMES
        return number if len(self._names) <= number < self.count and self._named(number) == name else None

    def works(self, number: int, minute: int) -> bool:
        """Whether this one is at work at a minute of the local day, −1 for a day off; service accounts always are."""
        if self.role(number) == SERVICE:
            return True
        begins, ends = self.hours(number)
        return begins <= minute < ends

    def _made(self, number: int) -> Person:
        bits = blake2b(b"%d %d" % (self._salt, number), digest_size=40).digest()
        role = self.role(number)
        begins, ends = self.hours(number)
        wanted = min(self._hosts, 2 + bits[0] % 4)
        homes = dict.fromkeys(int.from_bytes(bits[1 + 3 * i : 4 + 3 * i], "big") % self._hosts for i in range(wanted))
        commands = COMMANDS[_ROLE_NAMES[role]]
        favourites = tuple(commands[(bits[20] + i) % len(commands)] for i in range(3))
        addresses = tuple(
            self._addresses[(self._each * number + i) % self._addresses.count] for i in range(1 + bits[21] % self._each)
        )
        return Person(
            number,
            self._named(number),
            role,
            begins,
            ends,
            tuple(homes),
            addresses,
            favourites,
            b64encode(blake2b(bits, digest_size=32).digest()).decode().rstrip("="),
            self._each * number + self._each <= self._addresses.count,
        )

    def _named(self, number: int) -> str:
        if number < len(self._names):
            return self._names[number]
        place = (number * _NAME_STEP + self._salt) % _NAMES
        place, which = divmod(place, NUMBERS)
        initial, surname = divmod(place, len(SURNAMES))
        name = f"{INITIALS[initial]}{SURNAMES[surname]}{which + 1 if which else ''}"
        while name in self._taken:
            name += "x"
        return name
