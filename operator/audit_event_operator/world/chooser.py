"""Who acts: users who are at work, administrators, automation."""

from typing import Final

from audit_event_operator.world.hours import NS_PER_MINUTE, LocalTime
from audit_event_operator.world.machines import Machine, Machines
from audit_event_operator.world.people import People, Person
from audit_event_operator.world.sessions import FOREVER
from audit_event_operator.world.turn import Turn, Visit

_TRIES: Final = 6
_OVERTIME: Final = 256
"""Of so many users who are not at work, one is chosen all the same."""
_NIGHT_SHIFT_NS: Final = 30 * NS_PER_MINUTE


class Chooser:
    """Chooses among the people and machines of one stream, by the clock of its zone."""

    def __init__(self, people: People, machines: Machines, local: LocalTime) -> None:
        self.people = people
        self.machines = machines
        self._local = local

    def visit(self, turn: Turn, *, alike: bool = False) -> Visit:
        """A user who is at work, one of his hosts and one of his addresses; `alike`: no user is likelier than others."""
        person = self.people[self._number(turn, alike=alike)]
        return Visit(person, self.home(person, turn), person.addresses[turn.dice.roll(len(person.addresses))])

    def _number(self, turn: Turn, *, alike: bool) -> int:
        """The r-th user is about 1/r as likely as the first, and those at work far likelier than others.

        An octave of the numbers, then one in it: in each octave the probability is constant, about 1/r.
        """
        people, dice = self.people, turn.dice
        minute, octaves = self._local.minute(turn.unix_ns), people.count.bit_length()
        number = 0
        for _ in range(_TRIES):
            first = 0 if alike else (1 << dice.roll(octaves)) - 1
            number = first + dice.roll(people.count if alike else min(first + 1, people.count - first))
            if people.works(number, minute) or not dice.roll(_OVERTIME):
                return number
        machines = people.service_accounts
        return machines[dice.roll(len(machines))] if machines else number

    def home(self, person: Person, turn: Turn) -> Machine:
        """One of the hosts that somebody uses."""
        return self.machines[person.homes[turn.dice.roll(len(person.homes))]]

    def machine(self, turn: Turn) -> Machine:
        """Any host."""
        return self.machines[turn.dice.roll(self.machines.count)]

    def leaves_ns(self, person: Person, unix_ns: int) -> int:
        """When somebody who is here now goes home."""
        if not person.human:
            return FOREVER
        minute = self._local.minute(unix_ns)
        if person.begins <= minute < person.ends:
            return unix_ns + (person.ends - minute) * NS_PER_MINUTE
        return unix_ns + _NIGHT_SHIFT_NS

    def administrator(self, turn: Turn) -> Person:
        """One who may administer; at night one of them is called out of bed."""
        admins, minute = self.people.admins, self._local.minute(turn.unix_ns)
        first = turn.dice.roll(len(admins))
        for number in (*admins[first:], *admins[:first])[:_TRIES]:
            if self.people.works(number, minute):
                return self.people[number]
        return self.people[admins[first]]

    def operator(self, turn: Turn) -> Person:
        """Who starts and stops services: an administrator at work, else automation."""
        person = self.administrator(turn)
        at_work = self.people.works(person.number, self._local.minute(turn.unix_ns))
        return person if at_work else self.automation(turn)

    def automation(self, turn: Turn) -> Person:
        """A service account; in a world that has none, the first user."""
        machines = self.people.service_accounts
        return self.people[machines[turn.dice.roll(len(machines))] if machines else 0]
