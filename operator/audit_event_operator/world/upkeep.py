"""What happens on hosts without a session: services, accounts, groups, jobs. An order of things is kept."""

from audit_event_operator.events.occurrences import Occurrence
from audit_event_operator.world.accounts import Made, Register, new_suffix
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.chooser import Chooser
from audit_event_operator.world.details import Values, values_for
from audit_event_operator.world.machines import Machine
from audit_event_operator.world.people import Person
from audit_event_operator.world.services import Services
from audit_event_operator.world.sessions import Sessions
from audit_event_operator.world.turn import Turn


class Upkeep:
    """Stopped services, made accounts and groups. A kind of which the mix has no beginning began before the stream."""

    def __init__(self, cast: WorldCast, chooser: Chooser, sessions: Sessions) -> None:
        self._cast = cast
        self.accounts = Register()
        self._groups = Register()
        self._services = Services()
        self._chooser = chooser
        self._sessions = sessions
        self.mix_in(frozenset())

    def mix_in(self, kinds: frozenset[str]) -> None:
        """These are the kinds that happen."""
        self._starts = "service_started" in kinds
        self._stops = bool(kinds & {"service_stopped", "service_failed"})
        self._makes_accounts = "user_account_created" in kinds
        self._makes_groups = "group_created" in kinds

    def start_service(self, kind: str, turn: Turn) -> Occurrence | None:
        """What was stopped starts; None where all run."""
        started = self._services.start()
        if started is None and not self._stops:
            self._services.stop(turn.dice, self._chooser.machine(turn), "STOPPED")
            started = self._services.start()
        if started is None:
            return None
        machine, service, state = started
        return _occurrence(
            kind, self._chooser.operator(turn), machine, {"service": service, "state_before_start": state}
        )

    def stop_service(self, kind: str, turn: Turn) -> Occurrence | None:
        """What runs stops; None where too many have stopped. Without starts in the mix they start again unseen."""
        machine = self._chooser.machine(turn)
        if not self._starts:
            self._services.start_all(machine)
        if self._services.full:
            return None
        service = self._services.stop(turn.dice, machine, "FAILED" if kind == "service_failed" else "STOPPED")
        return (
            None if service is None else _occurrence(kind, self._chooser.operator(turn), machine, {"service": service})
        )

    def administer(self, kind: str, turn: Turn) -> Occurrence:
        """An administrator makes an account or a group, or sees to something else."""
        person = self._chooser.administrator(turn)
        values = values_for(kind, turn.dice, person, None)
        if kind == "user_account_created":
            address = self._cast.spare_address(turn.number)
            self.accounts.make(Made(f"new_user_{values['suffix']}", turn.unix_ns, address))
        elif kind == "group_created":
            self._groups.make(Made(str(values["team"]), turn.unix_ns))
        return _occurrence(kind, person, self._chooser.home(person, turn), values)

    def manage_account(self, kind: str, turn: Turn) -> Occurrence | None:
        """Something becomes of a made account; None where there is none, or it is in use and would be deleted."""
        account = self.accounts.some(turn.dice)
        if account is None:
            if self._makes_accounts:
                return None
            account = f"new_user_{new_suffix(turn.dice)}"
        if kind == "account_deleted":
            if self._sessions.of(account):
                return None
            self.accounts.remove(account)
        person = self._chooser.administrator(turn)
        values = {**values_for(kind, turn.dice, person, None), "account": account}
        return _occurrence(kind, person, self._chooser.home(person, turn), values)

    def manage_group(self, kind: str, turn: Turn) -> Occurrence | None:
        """A made group goes; None where there is none."""
        group = self._groups.some(turn.dice)
        if group is None:
            if self._makes_groups:
                return None
            group = f"team_{new_suffix(turn.dice)}"
        self._groups.remove(group)
        person = self._chooser.administrator(turn)
        return _occurrence(kind, person, self._chooser.home(person, turn), {"team": group})

    def automate(self, kind: str, turn: Turn) -> Occurrence:
        """A job ran."""
        person = self._chooser.automation(turn)
        return _occurrence(kind, person, self._chooser.home(person, turn), values_for(kind, turn.dice, person, None))


def _occurrence(kind: str, person: Person, machine: Machine, values: Values) -> Occurrence:
    return Occurrence(kind, person.name, machine.name, machine.label, values)
