"""When the episodes of one scenario begin: a pure function of seed, name, number and the beginning of the run."""

from hashlib import blake2b
from typing import Final

from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.resource.scenarios import Scenario
from audit_event_operator.world.dice import Dice, Seed
from audit_event_operator.world.scenarios.usual import USUAL, longest_ns

_SAME_NS: Final = NS_PER_SECOND
"""Clocks differ: an episode that has begun must not seem to be still to come."""


def episode_dice(seed: int, purpose: bytes, name: str, number: int, unix_ns: int = 0) -> Dice:
    """The chance of one episode of the scenario of that name, for one purpose.

    `unix_ns`: when it begins, where another run must not repeat it: no session and no account may come twice.
    """
    name_hash = int.from_bytes(blake2b(name.encode(), digest_size=7).digest(), "big")
    return Dice(Seed(seed, purpose).digest(number, name_hash << 64 | unix_ns))


class Schedule:
    """The episodes of one scenario, numbered from 0. Times are nanoseconds of the clock of `begun_ns`.

    `victims`: how many there are whom it may be about in turn. Where episodes would overlap, or come back to somebody too
    soon, there are some whole multiples of `every` between them.
    """

    def __init__(self, scenario: Scenario, seed: int, *, begun_ns: int, victims: int) -> None:
        self._seed = seed
        self._name = scenario.name
        self._first_ns = begun_ns + scenario.start_after_ns
        self.period_ns: int | None = None
        """From one episode to the next, but for the jitter; None for a single one."""
        self._jitter_ns = 0
        if scenario.every_ns is not None:
            longest = longest_ns(scenario)
            rest_ns = USUAL[scenario.type].rest_seconds * NS_PER_SECOND
            needed = max(longest, -(-(longest + rest_ns) // max(1, victims)))
            self.period_ns = scenario.every_ns * max(1, -(-needed // scenario.every_ns))
            wanted = scenario.every_ns * scenario.jitter_percent // 100
            self._jitter_ns = min(wanted, self.period_ns - needed)

    def begins_ns(self, number: int) -> int:
        """When an episode begins."""
        if self.period_ns is None:
            return self._first_ns
        late_ns = episode_dice(self._seed, b"schedule", self._name, number).roll(self._jitter_ns + 1)
        return self._first_ns + number * self.period_ns + late_ns

    def first_after(self, moment_ns: int) -> int | None:
        """The first episode that begins later; None where all have begun."""
        if self.period_ns is None:
            return 0 if self._first_ns > moment_ns else None
        number = max(0, (moment_ns - self._first_ns) // self.period_ns)
        while self.begins_ns(number) <= moment_ns + _SAME_NS:
            number += 1
        return number
