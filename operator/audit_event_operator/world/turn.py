"""What is settled about an event before anything is chosen: its chance and its moment."""

from typing import NamedTuple

from audit_event_operator.world.dice import Dice
from audit_event_operator.world.machines import Machine
from audit_event_operator.world.people import Person


class Turn(NamedTuple):
    """One event to come: `unix_ns` is when it is due, `number` its number in the run."""

    dice: Dice
    unix_ns: int
    number: int


class Visit(NamedTuple):
    """Somebody at a host, and where he comes from."""

    person: Person
    machine: Machine
    address: str
