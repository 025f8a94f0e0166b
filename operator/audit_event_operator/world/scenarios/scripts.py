"""What happens in an episode of each type: who, where and when follow from the actors and from chance."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from audit_event_operator.events.catalogue import ROOT_ACCOUNT
from audit_event_operator.resource.scenarios import ATTACKER, VICTIM, Range, Scenario, ScenarioType, Step
from audit_event_operator.world.accounts import new_suffix
from audit_event_operator.world.machines import Machine
from audit_event_operator.world.people import Person
from audit_event_operator.world.scenarios.actors import Actors
from audit_event_operator.world.scenarios.scene import LOGIN, Scene
from audit_event_operator.world.scenarios.usual import (
    DEFAULT_GAP,
    attempts_of,
    pace_of,
    quick_gap_of,
    success_percent_of,
)
from audit_event_operator.world.turn import Visit

_FAILURE: Final = "user_login_failure"
_UNKNOWN: Final = "login_unknown_user"
_RELEASED: Final = "webapp.service"
"""A service that never stops by itself."""
_READ_SHADOW: Final = "/usr/bin/cat /etc/shadow"


class Part(NamedTuple):
    """What one episode is about."""

    scenario: Scenario
    person: Person
    actors: Actors
    begins_ns: int


def play(part: Part, scene: Scene) -> None:
    """Write the moves of one episode into a scene."""
    _SCRIPTS[part.scenario.type](part, scene)


def _attempt(kind: str, scene: Scene, visits: list[Visit], pace: Range) -> None:
    for number, visit in enumerate(visits):
        if number:
            scene.wait(pace)
        scene.act(kind, visit)


def _brute_force(part: Part, scene: Scene) -> None:
    _guess(part, scene, (_READ_SHADOW, "/etc/passwd"))


def _account_takeover(part: Part, scene: Scene) -> None:
    _guess(part, scene, (_READ_SHADOW, "/root/.ssh/authorized_keys"))


def _guess(part: Part, scene: Scene, goal: tuple[str, str]) -> None:
    """One address tries the password of one user on one host, and sometimes gets in."""
    scenario, pace = part.scenario, pace_of(part.scenario)
    machine = part.actors.machine(scenario, part.person, scene.dice)
    visit = Visit(part.person, machine, part.actors.attacker())
    _attempt(_FAILURE, scene, [visit] * _some(attempts_of(scenario), scene), pace)
    if scene.dice.roll(100) >= success_percent_of(scenario):
        return
    (command, file), quick = goal, quick_gap_of(scenario)
    scene.step = 2
    scene.wait(pace)
    scene.log_in(visit)
    scene.step = 3
    scene.wait(quick)
    scene.act("sudo_command", visit, command=command)
    scene.step = 4
    scene.wait(quick)
    _change(scene, visit, file)
    scene.step = 5
    scene.log_out_all(quick)


def _change(scene: Scene, visit: Visit, file: str) -> None:
    scene.act("file_modified", visit, file=file, severity="CRITICAL")


def _some(attempts: Range, scene: Scene) -> int:
    return attempts.low + scene.dice.roll(attempts.high - attempts.low + 1)


def _password_spray(part: Part, scene: Scene) -> None:
    """One address tries many users once each, on a host that most of them never use."""
    scenario, actors = part.scenario, part.actors
    count = _some(attempts_of(scenario), scene)
    machine = (
        actors.machine(scenario, part.person, scene.dice) if scenario.hosts else actors.strange(part.person, scene.dice)
    )
    address = actors.attacker()
    users = actors.crowd(scenario, part.person, machine, count, part.begins_ns)
    _attempt(_FAILURE, scene, [Visit(person, machine, address) for person in users], pace_of(scenario))
    missing = count - len(users)
    if missing > 0:
        scene.wait(pace_of(scenario))
        strangers = [
            Visit(_called(part, name), machine, address) for name in actors.unknown(min(missing, 16), part.begins_ns)
        ]
        _attempt(_UNKNOWN, scene, strangers, pace_of(scenario))


def _called(part: Part, name: str) -> Person:
    return part.person._replace(name=name)


def _user_enumeration(part: Part, scene: Scene) -> None:
    """One address tries names that nobody has."""
    scenario, actors = part.scenario, part.actors
    names = actors.unknown(_some(attempts_of(scenario), scene), part.begins_ns)
    machine = actors.machine(scenario, part.person, scene.dice)
    address = actors.attacker()
    _attempt(_UNKNOWN, scene, [Visit(_called(part, name), machine, address) for name in names], pace_of(scenario))


def _privilege_escalation(part: Part, scene: Scene) -> None:
    """A user who may not becomes root, makes an account with UID 0, and changes who may become root."""
    visit = _at_home(part, scene)
    pace = pace_of(part.scenario)
    scene.log_in(visit)
    for step, kind in enumerate(("sudo_denied", "sudo_failed", "sudo_command"), start=2):
        scene.step = step
        scene.wait(pace)
        scene.act(kind, visit, command="/usr/bin/bash")
    scene.step = 5
    scene.wait(pace)
    scene.act(ROOT_ACCOUNT, visit, suffix=new_suffix(scene.dice))
    scene.step = 6
    scene.wait(pace)
    _change(scene, visit, "/etc/sudoers")
    scene.step = 7
    scene.log_out_all(pace)


def _at_home(part: Part, scene: Scene) -> Visit:
    person = part.person
    machine = part.actors.machine(part.scenario, person, scene.dice)
    return Visit(person, machine, person.addresses[scene.dice.roll(len(person.addresses))])


def _lateral_movement(part: Part, scene: Scene) -> None:
    """Logins from host to host, each one from the host before."""
    scenario, person = part.scenario, part.person
    machines = part.actors.machines(scenario, person, _some(attempts_of(scenario), scene), scene.dice)
    address, quick = person.addresses[0], quick_gap_of(scenario)
    for number, machine in enumerate(machines):
        if number:
            scene.wait(pace_of(scenario))
        visit = Visit(person, machine, address)
        scene.step = 2 * number + 1
        scene.log_in(visit, "login_publickey")
        scene.step += 1
        scene.wait(quick)
        scene.act("sudo_command", visit, command="/usr/bin/cat /root/.ssh/id_ed25519")
        address = part.actors.cast.machine_address(machine, person.addresses[0])
    scene.step += 1
    scene.log_out_all(quick)


def _log_tampering(part: Part, scene: Scene) -> None:
    """Somebody stops the logging, clears a log, and starts the logging again."""
    visit = _at_home(part, scene)
    pace = pace_of(part.scenario)
    scene.log_in(visit)
    for step, (kind, values) in enumerate(
        (("service_stopped", {}), ("log_cleared", {"log": "/var/log/auth.log"}), ("service_started", {})), start=2
    ):
        scene.step = step
        scene.wait(pace)
        scene.act(kind, visit, **values)
    scene.step = 5
    scene.log_out_all(pace)


def _mistyped_password(part: Part, scene: Scene) -> None:
    """Somebody types a wrong password twice, then the right one."""
    visit = _at_home(part, scene)
    pace = pace_of(part.scenario)
    _attempt(_FAILURE, scene, [visit] * _some(attempts_of(part.scenario), scene), pace)
    scene.step = 2
    scene.wait(pace)
    scene.act(LOGIN, visit)


def _deployment_burst(part: Part, scene: Scene) -> None:
    """Somebody brings a release to one host after the other."""
    scenario, person = part.scenario, part.person
    address, quick = person.addresses[0], quick_gap_of(scenario)
    machines = part.actors.machines(scenario, person, _some(attempts_of(scenario), scene), scene.dice)
    for number, machine in enumerate(machines):
        if number:
            scene.wait(pace_of(scenario))
        visit = Visit(person, machine, address)
        scene.step = 1
        scene.log_in(visit, "login_publickey")
        for kind, values in (
            ("service_stopped", {"service": _RELEASED}),
            ("file_modified", {"file": "/srv/app/release.txt", "severity": "INFO"}),
            ("service_started", {"service": _RELEASED}),
        ):
            scene.step += 1
            scene.wait(quick)
            scene.act(kind, visit, **values)
        scene.step += 1
        scene.log_out_all(quick)


def _steps(part: Part, scene: Scene) -> None:
    """What the spec says, step by step."""
    attacker: str | None = None
    home = part.actors.machine(part.scenario, part.person, scene.dice)
    for number, step in enumerate(part.scenario.steps, start=1):
        scene.step = number
        if step.address == ATTACKER and attacker is None:
            attacker = part.actors.attacker()
        visit = _step_visit(part, step, home, attacker)
        if step.after is not None or number > 1:
            scene.wait(DEFAULT_GAP if step.after is None else step.after.range)
        for again in range(step.repeat):
            if again:
                scene.wait(DEFAULT_GAP if step.gap is None else step.gap.range)
            scene.act(step.event, visit)
    scene.log_out_all()


def _step_visit(part: Part, step: Step, home: Machine, attacker: str | None) -> Visit:
    cast = part.actors.cast
    person = part.person if step.user == VICTIM else cast.named(step.user)
    if step.user == VICTIM and step.event == _UNKNOWN:
        person = _called(part, part.actors.unknown(1, part.begins_ns)[0])
    machine = home if step.host == VICTIM else cast.machines.named(step.host)
    if step.address == VICTIM:
        return Visit(person, machine, person.addresses[0])
    return Visit(person, machine, attacker if step.address == ATTACKER and attacker is not None else step.address)


_SCRIPTS: Final[Mapping[ScenarioType, Callable[[Part, Scene], None]]] = MappingProxyType(
    {
        ScenarioType.BRUTE_FORCE: _brute_force,
        ScenarioType.PASSWORD_SPRAY: _password_spray,
        ScenarioType.USER_ENUMERATION: _user_enumeration,
        ScenarioType.ACCOUNT_TAKEOVER: _account_takeover,
        ScenarioType.PRIVILEGE_ESCALATION: _privilege_escalation,
        ScenarioType.LATERAL_MOVEMENT: _lateral_movement,
        ScenarioType.LOG_TAMPERING: _log_tampering,
        ScenarioType.MISTYPED_PASSWORD: _mistyped_password,
        ScenarioType.DEPLOYMENT_BURST: _deployment_burst,
        ScenarioType.STEPS: _steps,
    }
)

KINDS: Final = (
    _FAILURE, _UNKNOWN, LOGIN, "login_publickey", "user_logout", "sudo_command", "sudo_denied", "sudo_failed", "file_modified",
    "service_stopped", "service_started", "log_cleared", ROOT_ACCOUNT,
)  # fmt: skip
"""What happens in episodes, besides what steps name."""
