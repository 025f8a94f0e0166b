"""The details of what happens, for each kind of event."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple

from audit_event_operator.events.drawn import DRAWN, Choices, Hex
from audit_event_operator.world.accounts import new_suffix
from audit_event_operator.world.dice import Dice
from audit_event_operator.world.people import Person
from audit_event_operator.world.sessions import UserSession
from audit_event_operator.world.words import FILES

Values = Mapping[str, str | int]


class _Making(NamedTuple):
    """What details are made of: chance, and who acts."""

    dice: Dice
    person: Person


def values_for(kind: str, dice: Dice, person: Person, session: UserSession | None) -> dict[str, str | int]:
    """The values of a kind's variables: those of the session, and those of its own."""
    values: dict[str, str | int] = {}
    if session is not None:
        values = {
            "session_id": session.session_id,
            "client_ip": session.address,
            "protocol": session.protocol,
            "tty": session.tty,
        }
    own = _OWN.get(kind)
    if own is not None:
        own(values, _Making(dice, person))
    return values


def _command(values: dict[str, str | int], making: _Making) -> None:
    commands = making.person.commands
    values["command"] = commands[making.dice.roll(len(commands))]


def _file(values: dict[str, str | int], making: _Making) -> None:
    dice = making.dice
    values["file"], values["severity"] = FILES[dice.roll(len(FILES))]
    values["old_checksum"] = f"{dice.roll(2**32):08x}"
    values["new_checksum"] = f"{dice.roll(2**32):08x}"
    values["size_change"] = dice.roll(2001) - 1000


def _key(values: dict[str, str | int], making: _Making) -> None:
    values["fingerprint"] = making.person.fingerprint


def _account(values: dict[str, str | int], making: _Making) -> None:
    values["suffix"] = new_suffix(making.dice)
    values["group"] = ("users", "devops")[making.dice.roll(2)]


def _team(values: dict[str, str | int], making: _Making) -> None:
    values["team"] = f"team_{new_suffix(making.dice)}"


def _drawn(names: tuple[str, ...], values: dict[str, str | int], making: _Making) -> None:
    for name in names:
        values[name] = _one(DRAWN[name], making.dice)


def _one(choices: Choices, dice: Dice) -> str | int:
    if isinstance(choices, Hex):
        return f"{dice.roll(16**choices.digits):0{choices.digits}x}"
    return choices[dice.roll(len(choices))]


_OWN: Final[Mapping[str, Callable[[dict[str, str | int], _Making], None]]] = MappingProxyType(
    {
        "sudo_command": _command,
        "sudo_failed": _command,
        "sudo_denied": _command,
        "file_modified": _file,
        "login_publickey": _key,
        "key_added": _key,
        "user_account_created": _account,
        "group_created": _team,
        "shell_changed": partial(_drawn, ("shell",)),
        "expiry_changed": partial(_drawn, ("expires",)),
        "group_member_added": partial(_drawn, ("group",)),
        "group_member_removed": partial(_drawn, ("group",)),
        "cron_job": partial(_drawn, ("job",)),
        "package_installed": partial(_drawn, ("package",)),
        "log_cleared": partial(_drawn, ("log",)),
        "firewall_changed": partial(_drawn, ("rule",)),
        "database_export": partial(_drawn, ("database", "rows", "size_bytes")),
        "backup_finished": partial(_drawn, ("backup", "size_bytes", "duration_seconds")),
    }
)
