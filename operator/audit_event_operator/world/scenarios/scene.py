"""Writes down what happens in one episode, move by move: time goes on, sessions are opened and closed."""

from typing import Final, NamedTuple

from audit_event_operator.events.catalogue import ROOT_ACCOUNT, Need, built_in
from audit_event_operator.events.occurrences import Occurrence
from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.resource.scenarios import Range
from audit_event_operator.world.accounts import new_suffix
from audit_event_operator.world.details import values_for
from audit_event_operator.world.dice import Dice
from audit_event_operator.world.scenarios.usual import DEFAULT_GAP
from audit_event_operator.world.sessions import FOREVER, UserSession
from audit_event_operator.world.turn import Visit

_TERMINALS: Final = 8
TAMPERED: Final = "auditd.service"
"""A service that never stops by itself."""
_SESSION_NEEDS: Final = frozenset({Need.SESSION, Need.LOGOUT})
LOGIN: Final = "user_login_success"


class Move(NamedTuple):
    """One event of an episode: how long after its beginning, by which step (from 1), and what happens."""

    offset_ns: int
    step: int
    occurrence: Occurrence
    address: str


class Scene:
    """One episode in the making. `wait` lets time go on, `act` and `log_in` make moves at that time, `step` numbers them."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.moves: list[Move] = []
        self.step = 1
        self._now_ns = 0
        self._sessions: list[UserSession] = []
        self._stopped: dict[str, str] = {}
        self._made: dict[str, str] = {}

    @property
    def lasts_ns(self) -> int:
        """How long it lasts so far."""
        return self._now_ns

    def wait(self, span: Range) -> None:
        """So long, as chance has it."""
        self._now_ns += span.low + self.dice.roll(span.high - span.low + 1)

    def log_in(self, visit: Visit, kind: str = LOGIN) -> None:
        """Open a session."""
        dice = self.dice
        session = UserSession(
            f"{dice.roll(2**64):016x}", visit, visit.person.name, dice.roll(_TERMINALS), (self._now_ns, FOREVER)
        )
        self._sessions.append(session)
        self._move(kind, visit, values_for(kind, dice, visit.person, session))

    def log_out_all(self, pause: Range = DEFAULT_GAP) -> None:
        """Close all sessions, the last one first."""
        while self._sessions:
            self.wait(pause)
            session = self._sessions[-1]
            self.act("user_logout", Visit(session.person, session.machine, session.address))

    def act(self, kind: str, visit: Visit, **values: str | int) -> None:
        """Something happens, after whatever has to be so before."""
        known_kind = built_in(kind)
        need = None if known_kind is None else known_kind.need
        session = self._prepared(need, visit)
        if need is Need.LOGIN:
            self.log_in(visit, kind)
            return
        known: dict[str, str | int] = {"client_ip": visit.address, "protocol": "ssh"}
        known.update(values_for(kind, self.dice, visit.person, session))
        known.update(self._changed(kind, need, visit))
        if need is Need.LOGOUT and session is not None:
            self._sessions.remove(session)
            known["duration_seconds"] = (self._now_ns - session.opened_ns) // NS_PER_SECOND
        self._move(kind, visit, {**known, **values})

    def _prepared(self, need: Need | None, visit: Visit) -> UserSession | None:
        """The session that it needs, opened where there is none; a service that starts has to have stopped."""
        if need is Need.STOPPED_SERVICE and visit.machine.name not in self._stopped:
            self.act("service_stopped", visit)
            self.wait(DEFAULT_GAP)
        if need not in _SESSION_NEEDS:
            return None
        session = self._session(visit)
        if session is None:
            self.log_in(visit)
            self.wait(DEFAULT_GAP)
        return session or self._sessions[-1]

    def _session(self, visit: Visit) -> UserSession | None:
        wanted = visit.person.name, visit.machine.name, visit.address
        found = (each for each in self._sessions if (each.user, each.machine.name, each.address) == wanted)
        return next(found, None)

    def _changed(self, kind: str, need: Need | None, visit: Visit) -> dict[str, str | int]:
        """What it does to services, accounts and groups."""
        match need:
            case Need.RUNNING_SERVICE:
                self._stopped[visit.machine.name] = "FAILED" if kind == "service_failed" else "STOPPED"
                return {"service": TAMPERED}
            case Need.STOPPED_SERVICE:
                return {"service": TAMPERED, "state_before_start": self._stopped.pop(visit.machine.name)}
            case Need.MADE_ACCOUNT:
                return {"account": self._made.setdefault("account", f"new_user_{new_suffix(self.dice)}")}
            case Need.MADE_GROUP:
                return {"team": self._made.setdefault("team", f"team_{new_suffix(self.dice)}")}
        return {}

    def _move(self, kind: str, visit: Visit, values: dict[str, str | int]) -> None:
        person, machine, address = visit
        if kind in ("user_account_created", ROOT_ACCOUNT):
            self._made["account"] = f"new_user_{values['suffix']}"
        elif kind == "group_created":
            self._made["team"] = str(values["team"])
        happens = Occurrence(kind, person.name, machine.name, machine.label, values)
        self.moves.append(Move(self._now_ns, self.step, happens, address))
