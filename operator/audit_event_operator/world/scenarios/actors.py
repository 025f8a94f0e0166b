"""Whom an episode is about, where it happens, and where its attacker comes from."""

from collections.abc import Iterable
from typing import Final

from audit_event_operator.resource.scenarios import VICTIM, Scenario, ScenarioType
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.dice import Dice
from audit_event_operator.world.machines import Machine
from audit_event_operator.world.people import Person

_TRIES: Final = 64
_MOST_ASKED: Final = 8_192
_HARMLESS: Final = frozenset({ScenarioType.MISTYPED_PASSWORD})
"""Only a victim will do: others may fail by themselves."""


class Actors:
    """Chooses among the people and machines of one stream, and remembers who has to be left alone for a while."""

    def __init__(self, cast: WorldCast) -> None:
        self.cast = cast
        self._resting: dict[str, int] = {}
        self._attackers = 0

    def count(self, scenario: Scenario) -> int:
        """How many there are whom a scenario may be about in turn."""
        if any(step.user != VICTIM for step in scenario.steps):
            return 1  # somebody is in every episode
        return len(scenario.users) or self.cast.people.victims

    def begin(self, episodes: int) -> None:
        """So many episodes there were before: their attackers do not come again soon."""
        self._attackers = max(self._attackers, episodes)

    def rests(self, users: Iterable[str], until_ns: int) -> None:
        """Leave these alone until then."""
        for user in users:
            self._resting[user] = max(until_ns, self._resting.get(user, until_ns))

    def free(self, user: str, at_ns: int) -> bool:
        """Whether somebody may be chosen."""
        return self._resting.get(user, at_ns) <= at_ns

    def forget(self, now_ns: int) -> None:
        """Who has rested enough need not be remembered."""
        self._resting = {user: until for user, until in self._resting.items() if until > now_ns}

    def victim(self, scenario: Scenario, number: int, turn: int, at_ns: int) -> Person | None:
        """Whom an episode is about: one of those named, else one of the victims in turn; None where nobody is free.

        `number`: the episode's. `turn`: where the turns of this scenario begin.
        """
        people = self.cast.people
        if scenario.users:
            names = [scenario.users[(number + index) % len(scenario.users)] for index in range(len(scenario.users))]
            return self.cast.named(next((name for name in names if self.free(name, at_ns)), names[0]))
        for index in range(min(_TRIES, people.victims)):
            person = people[people.victim_number(turn + number + index)]
            if self.free(person.name, at_ns):
                return person
        if scenario.type in _HARMLESS:
            return None
        for index in range(min(_TRIES, people.count)):
            person = people[(turn + number + index) % people.count]
            if self.free(person.name, at_ns):
                return person
        return None

    def machine(self, scenario: Scenario, person: Person, dice: Dice) -> Machine:
        """Where it happens: one of the hosts named, else one that the victim uses."""
        machines = self.cast.machines
        if scenario.hosts:
            return machines.named(scenario.hosts[dice.roll(len(scenario.hosts))])
        if person.homes and (self.cast.people.is_victim(person.number) or scenario.users):
            return machines[person.homes[dice.roll(len(person.homes))]]
        return self.strange(person, dice)

    def strange(self, person: Person, dice: Dice) -> Machine:
        """A host that somebody never uses, where there is one."""
        machines = self.cast.machines
        first = dice.roll(machines.count)
        for index in range(min(machines.count, len(person.homes) + 1)):
            number = (first + index) % machines.count
            if number not in person.homes:
                return machines[number]
        return machines[first]

    def machines(self, scenario: Scenario, person: Person, count: int, dice: Dice) -> list[Machine]:
        """Different hosts, the victim's first; fewer where there are fewer."""
        machines = self.cast.machines
        if scenario.hosts:
            return [machines.named(name) for name in dict.fromkeys(scenario.hosts)][:count]
        numbers = dict.fromkeys(person.homes)
        first = dice.roll(machines.count)
        for index in range(min(machines.count, count)):
            numbers[(first + index) % machines.count] = None
        return [machines[number] for number in numbers][:count]

    def attacker(self) -> str:
        """The next address; they come round when all have been used."""
        addresses = self.cast.attackers
        self._attackers += 1
        return addresses[(self._attackers - 1) % addresses.count]

    def crowd(self, scenario: Scenario, first: Person, machine: Machine, count: int, at_ns: int) -> list[Person]:
        """Many users, at most `count`: those named, else some victims and then others; none that has to be left alone.

        Others may fail by themselves, but not on this host, which they never use. Half of the victims are left for others.
        """
        if scenario.users:
            return [self.cast.named(name) for name in dict.fromkeys(scenario.users)][:count]
        people = self.cast.people
        victims = (people.victim_number(first.number + index) for index in range(min(-(-people.victims // 2), count)))
        others = (number for number in range(min(people.count, _MOST_ASKED)) if not people.is_victim(number))
        users: dict[int, Person] = {}
        for number in (*victims, *others):
            if len(users) == count:
                break
            person = people[number]
            fits = people.is_victim(number) or machine.number not in person.homes
            if fits and self.free(person.name, at_ns):
                users[number] = person
        return list(users.values())

    def unknown(self, count: int, at_ns: int) -> list[str]:
        """Names that nobody has, and that have not been tried by others a moment ago."""
        known = self.cast.unknown_names
        names = [name for name in known if self.free(name, at_ns)][:count]
        number = 0
        while len(names) < count:
            number += 1
            name = f"{known[number % len(known)] if known else 'user'}{number:02d}"
            if self.cast.people.number_of(name) is None and self.free(name, at_ns):
                names.append(name)
        return names
