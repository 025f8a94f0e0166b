"""What happens next in a stream whose users behave: who does it, where, from which address, in which session.

A function of seed, first sequence and due times: no clock, and no chance besides. It starts empty: nobody is logged in, and
every service runs. The rules: docs/believable-streams.md.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from audit_event_operator.events.catalogue import CATALOGUE, Need
from audit_event_operator.events.occurrences import Occurrence
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.chooser import Chooser
from audit_event_operator.world.dice import Dice, Seed
from audit_event_operator.world.hours import LocalTime
from audit_event_operator.world.logins import SUCCESS, Logins
from audit_event_operator.world.sessions import Sessions
from audit_event_operator.world.shares import Deck, Shares
from audit_event_operator.world.turn import Turn
from audit_event_operator.world.upkeep import Upkeep

_LEAST_LIMIT: Final = 16
_INSTEAD: Final = (
    Need.LOGIN, Need.LOGOUT, Need.SESSION, Need.RUNNING_SERVICE, Need.STOPPED_SERVICE, Need.ADMINISTRATOR, Need.AUTOMATION,
    Need.MADE_ACCOUNT, Need.MADE_GROUP, Need.FAILED_LOGIN,
)  # fmt: skip
"""What makes room for what cannot happen: a login where nobody is there, a logout where all are."""


class World:
    """One stream's users and what they are doing.

    `weights`: of the kinds of events. `fresh`: nothing was told of these users before, so they may fail from the beginning.
    """

    def __init__(self, cast: WorldCast, weights: Mapping[str, int], local: LocalTime, *, fresh: bool) -> None:
        self._seed = Seed(cast.seed, b"event")
        self._deck_seed = Seed(cast.seed, b"deck")
        chooser = Chooser(cast.people, cast.machines, local)
        sessions = Sessions(cast.people.count)
        self._people = cast.people
        self._limit = max(_LEAST_LIMIT, sessions.target)
        self._logins = Logins(cast, chooser, sessions, fresh=fresh)
        self._upkeep = Upkeep(cast, chooser, sessions)
        self._weights: tuple[tuple[str, int], ...] = ()
        self.mix_in(weights)

    def mix_in(self, weights: Mapping[str, int]) -> None:
        """From now on these are the weights; whoever is logged in stays so, and the same weights change nothing."""
        if self._weights == (asked := tuple(weights.items())):
            return
        self._weights = asked
        self._needs = {kind: CATALOGUE[kind].need if kind in CATALOGUE else Need.SESSION for kind in weights}
        self._deck, self._shares = Deck(weights, self._deck_seed), Shares(self._limit)
        self._instead = sorted(self._needs, key=lambda kind: _INSTEAD.index(self._needs[kind]))
        come, go = (
            sum(weights[kind] for kind in weights if self._needs[kind] is need) for need in (Need.LOGIN, Need.LOGOUT)
        )
        self._logins.has_logins, self._logins.balanced = come > 0, go > 0 and go >= come
        self._more_go = go > come
        self._upkeep.mix_in(frozenset(weights))

    def spare(self, users: Iterable[str]) -> None:
        """Scenarios are about these users: from now on they do not fail to log in by themselves."""
        numbers = (self._people.number_of(name) for name in users)
        self._logins.pinned = frozenset(number for number in numbers if number is not None)

    def happen(self, sequence: int, unix_ns: int) -> Occurrence:
        """What happens at this moment; moments go back only with a clock that was set."""
        turn = Turn(Dice(self._seed.digest(sequence, unix_ns)), unix_ns, sequence)
        shares = self._shares
        shares.drawn(self._deck.draw(sequence))
        followed = self._logins.follow(turn)
        if followed is not None:
            kind, occurrence = followed
            shares.happened(kind)
            return occurrence
        for kind in dict.fromkeys((*shares.owed, *self._instead)):
            done = self._try(kind, turn)
            if done is not None:
                shares.happened(kind)
                return done
        shares.happened(self._instead[0])
        return self._logins.somehow(turn)

    def _try(self, kind: str, turn: Turn) -> Occurrence | None:
        """Let it happen, if it can."""
        logins, upkeep = self._logins, self._upkeep
        match self._needs[kind]:
            case Need.SESSION:
                return logins.act(kind, turn)
            case Need.LOGIN:
                account = upkeep.accounts.usable(turn.dice, turn.unix_ns) if kind == SUCCESS else None
                return logins.log_in(kind, turn, account)
            case Need.LOGOUT:
                return logins.log_out(kind, turn, at_any_rate=self._overdue(kind))
            case Need.FAILED_LOGIN:
                return logins.fail(kind, turn)
            case Need.STOPPED_SERVICE:
                return upkeep.start_service(kind, turn)
            case Need.RUNNING_SERVICE:
                return upkeep.stop_service(kind, turn)
            case Need.ADMINISTRATOR:
                return upkeep.administer(kind, turn)
            case Need.MADE_ACCOUNT:
                return upkeep.manage_account(kind, turn)
            case Need.MADE_GROUP:
                return upkeep.manage_group(kind, turn)
            case Need.AUTOMATION:
                return upkeep.automate(kind, turn)

    def _overdue(self, kind: str) -> bool:
        """Somebody has to leave although there is room for more; where more go than come, it would never end."""
        return self._shares.overdue(kind) and not self._more_go
