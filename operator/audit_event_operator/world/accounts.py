"""Accounts and groups that were made in this stream: logged in to a minute later at the earliest, and never after they went."""

from typing import Final, NamedTuple

from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.world.dice import Dice

_MOST: Final = 32
_USABLE_NS: Final = 60 * NS_PER_SECOND


def new_suffix(dice: Dice) -> str:
    """The end of a name that occurs once, also across a restart that repeats numbers: 12 hexadecimal digits."""
    return f"{dice.roll(2**48):012x}"


class Made(NamedTuple):
    """An account or a group."""

    name: str
    made_ns: int
    address: str = ""
    """Where its user logs in from; empty for none."""


class Register:
    """The latest ones; older ones are forgotten, and nothing happens to them any more."""

    def __init__(self) -> None:
        self._made: list[Made] = []

    def make(self, made: Made) -> None:
        """It is there."""
        self._made.append(made)
        del self._made[:-_MOST]

    def some(self, dice: Dice) -> str | None:
        """One of them; None where there is none."""
        return self._made[dice.roll(len(self._made))].name if self._made else None

    def usable(self, dice: Dice, unix_ns: int) -> Made | None:
        """One that was made more than a minute ago and has an address, if the chosen one is."""
        if not self._made:
            return None
        chosen = self._made[dice.roll(len(self._made))]
        return chosen if chosen.address and unix_ns - chosen.made_ns > _USABLE_NS else None

    def remove(self, name: str) -> None:
        """It is gone."""
        self._made = [made for made in self._made if made.name != name]
