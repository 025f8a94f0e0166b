"""Logins, logouts, failed logins, and what users do in between."""

from typing import Final

from audit_event_operator.events.occurrences import Occurrence
from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.world.accounts import Made
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.chooser import Chooser
from audit_event_operator.world.details import Values, values_for
from audit_event_operator.world.follow_ups import FollowUps
from audit_event_operator.world.quiet import Quiet
from audit_event_operator.world.sessions import Sessions, UserSession
from audit_event_operator.world.turn import Turn, Visit

SUCCESS: Final = "user_login_success"
_STRANGERS: Final = frozenset({"login_unknown_user", "connection_probe"})
_MADE_ACCOUNT_ONE_IN: Final = 16
_CONSOLE_ONE_IN: Final = 8
_TERMINALS: Final = 8
_LIKELY_TRIES: Final = 3
_TRIES: Final = 16
"""So many users are asked whether they may fail: at first as likely as they act, then all alike."""


class Logins:
    """Who is there, who failed, who will try again.

    `has_logins`: whether the mix has any; without them, sessions were opened before the stream. `balanced`: it has at least as
    many logouts as logins; otherwise some sessions end unseen. `pinned`: users whom scenarios name.
    Like the victims of the others they never fail by themselves.
    """

    def __init__(self, cast: WorldCast, chooser: Chooser, sessions: Sessions, *, fresh: bool) -> None:
        self.has_logins = self.balanced = True
        self.pinned: frozenset[int] = frozenset()
        self._cast = cast
        self._chooser = chooser
        self._sessions = sessions
        self._quiet = Quiet(fresh=fresh)
        self._follow_ups = FollowUps()
        self._going = False

    # -- coming --------------------------------------------------------------------------------------------------------

    @property
    def room(self) -> bool:
        """Whether one more may log in."""
        return not self._sessions.full

    def log_in(self, kind: str, turn: Turn, account: Made | None = None) -> Occurrence | None:
        """Somebody at work logs in, maybe to an `account` that was made; None where all are there who may be."""
        if not self.room:
            if self.balanced:
                return None
            self._sessions.close(self._leaver(turn))
        visit = self._chooser.visit(turn)
        if account is not None and not turn.dice.roll(_MADE_ACCOUNT_ONE_IN):
            return self._enter(kind, turn, visit._replace(address=account.address), name=account.name, ssh=True)
        return self._enter(kind, turn, visit, ssh=kind == "login_publickey")

    def somehow(self, turn: Turn) -> Occurrence:
        """Nothing else can happen: somebody logs in, and where there is no room somebody leaves unseen."""
        if self._sessions.full:
            self._sessions.close(self._leaver(turn))
        return self._enter(SUCCESS, turn, self._chooser.visit(turn))

    def follow(self, turn: Turn) -> tuple[str, Occurrence] | None:
        """A user who failed tries again and succeeds, or another one leaves to make room; None where nobody is due.

        The kind is told with it.
        """
        follow_up = self._follow_ups.due(turn.unix_ns)
        if follow_up is None:
            return None
        if self._sessions.full:
            leaver = self._leaver(turn)
            self._sessions.close(leaver)
            if self.balanced:
                self._follow_ups.add(follow_up)
                return "user_logout", self._left("user_logout", leaver, turn)
        return SUCCESS, self._enter(SUCCESS, turn, follow_up.visit, ssh=True)

    def _enter(self, kind: str, turn: Turn, visit: Visit, *, name: str | None = None, ssh: bool = False) -> Occurrence:
        session = self._session(turn, visit, name=name, ssh=ssh)
        return _occurrence(kind, session, values_for(kind, turn.dice, visit.person, session))

    def _session(self, turn: Turn, visit: Visit, *, name: str | None = None, ssh: bool = False) -> UserSession:
        dice, person = turn.dice, visit.person
        console = not dice.roll(_CONSOLE_ONE_IN) and not ssh
        terminal = None if console else dice.roll(_TERMINALS)
        times = turn.unix_ns, self._chooser.leaves_ns(person, turn.unix_ns)
        session = UserSession(f"{dice.roll(2**64):016x}", visit, name or person.name, terminal, times)
        self._sessions.open(session)
        return session

    # -- failing -------------------------------------------------------------------------------------------------------

    def fail(self, kind: str, turn: Turn) -> Occurrence | None:
        """Somebody fails, and most likely tries again; where nobody may fail, somebody comes or goes instead."""
        if kind in _STRANGERS:
            failed = self._strange(kind, turn)
        else:
            if not self.room:
                if self.balanced:
                    return None
                self._sessions.close(self._leaver(turn))
            failed = self._mistype(kind, turn)
        return failed or self._come_or_go(turn)

    def _strange(self, kind: str, turn: Turn) -> Occurrence | None:
        stranger = self._cast.stranger(kind, turn.dice)
        if stranger is None or not self._quiet.may_fail(-1 - stranger.number, turn.unix_ns):
            return None
        self._quiet.fail(-1 - stranger.number)
        machine = self._chooser.machine(turn)
        return Occurrence(kind, stranger.name, machine.name, machine.label, {"client_ip": stranger.address})

    def _mistype(self, kind: str, turn: Turn) -> Occurrence | None:
        for number in range(_TRIES):
            visit = self._chooser.visit(turn, alike=number >= _LIKELY_TRIES)
            person, machine, address = visit
            spared = self._cast.people.is_victim(person.number) or person.number in self.pinned
            if person.own_address and not spared and self._quiet.may_fail(person.number, turn.unix_ns):
                self._quiet.fail(person.number)
                if kind == "user_login_failure":
                    self._follow_ups.maybe(visit, turn)
                values = {"client_ip": address, "protocol": "ssh"}
                return Occurrence(kind, person.name, machine.name, machine.label, values)
        return None

    def _come_or_go(self, turn: Turn) -> Occurrence | None:
        """By turns, so that as many go as come."""
        going = self.balanced and self._going
        done = self.log_out("user_logout", turn, at_any_rate=True) if going else self.log_in(SUCCESS, turn)
        if done is not None:
            self._going = not self._going
        return done

    # -- being there, and going ----------------------------------------------------------------------------------------

    def act(self, kind: str, turn: Turn) -> Occurrence | None:
        """Somebody who is there does something; None where nobody is."""
        if self.has_logins:
            if not len(self._sessions):
                return None
        else:
            self._arrive(turn)
        session = self._sessions.some(turn.dice, turn.unix_ns)
        return _occurrence(kind, session, values_for(kind, turn.dice, session.person, session))

    def _arrive(self, turn: Turn) -> None:
        """The mix has no logins: somebody is there whose login was before the stream."""
        gone = self._sessions.over(turn.unix_ns)
        if gone is not None:
            self._sessions.close(gone)
        if not self._sessions.full:
            self._session(turn, self._chooser.visit(turn))

    def log_out(self, kind: str, turn: Turn, *, at_any_rate: bool = False) -> Occurrence | None:
        """Somebody leaves, first those whose hours are over; None where too few are there."""
        if not self.has_logins:
            self._arrive(turn)
        session = self._sessions.over(turn.unix_ns)
        if session is None:
            few = not len(self._sessions) or (self.has_logins and not self._sessions.full and not at_any_rate)
            if few:
                return None
            session = self._sessions.some(turn.dice, turn.unix_ns)
        self._sessions.close(session)
        return self._left(kind, session, turn)

    def _leaver(self, turn: Turn) -> UserSession:
        return self._sessions.over(turn.unix_ns) or self._sessions.some(turn.dice, turn.unix_ns)

    def _left(self, kind: str, session: UserSession, turn: Turn) -> Occurrence:
        lasted = max(0, turn.unix_ns - session.opened_ns) // NS_PER_SECOND
        values = values_for(kind, turn.dice, session.person, session)
        return _occurrence(kind, session, {"duration_seconds": lasted, **values})


def _occurrence(kind: str, session: UserSession, values: Values) -> Occurrence:
    return Occurrence(kind, session.user, session.machine.name, session.machine.label, values)
