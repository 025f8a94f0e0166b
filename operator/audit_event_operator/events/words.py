"""The values that the seed service draws from, and the shape of its seven templates.

Consumers and dashboards of the platform know these words, so they are data of the contract, not taste.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

COMMANDS: Final = (
    "/usr/bin/sudo apt update",
    "/usr/bin/useradd newuser",
    "/bin/rm -rf /",
    "/bin/systemctl restart nginx",
)
FILES: Final = (
    "/etc/passwd",
    "/var/log/nginx/access.log",
    "/opt/app/config.json",
    "/root/.ssh/authorized_keys",
    "/var/www/html/index.php",
)
SERVICES: Final = ("nginx.service", "mysql.service", "apache2.service")
GROUPS: Final = ("users", "devops", "sudo")
PROTOCOLS: Final = ("ssh", "console")
CLIENT_ADDRESSES: Final = tuple(f"192.168.1.{last}" for last in range(100, 201))


@dataclass(frozen=True, slots=True)
class Drawn:
    """A detail that is drawn: one of `choices`, or `hex_digits` random hexadecimal digits after `prefix`.

    `again` names a detail drawn before whose value is repeated after `prefix`. `number` writes the value without quotes.
    """

    choices: tuple[str, ...] = ()
    hex_digits: int = 0
    prefix: str = ""
    again: str = ""
    number: bool = False


USER: Final = "${user}"
"""Stands for the user of the event within a fixed detail."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One template: the three fixed words of its events, and their details in order (fixed texts or drawn)."""

    event_type: str
    severity: str
    action_result: str
    details: Mapping[str, str | Drawn]


_ADDRESS: Final = Drawn(CLIENT_ADDRESSES)
_PROTOCOL: Final = Drawn(PROTOCOLS)
_SERVICE: Final = Drawn(SERVICES)

SHAPES: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "user_login_failure": Shape(
            "user_login",
            "WARNING",
            "FAILURE",
            {"reason": "Incorrect password", "ip_address": _ADDRESS, "protocol": _PROTOCOL},
        ),
        "user_login_success": Shape("user_login", "INFO", "SUCCESS", {"ip_address": _ADDRESS, "protocol": _PROTOCOL}),
        "sudo_command": Shape(
            "sudo_command",
            "INFO",
            "SUCCESS",
            {"command": Drawn(COMMANDS), "tty": "/dev/pts/0", "cwd": f"/home/{USER}"},
        ),
        "file_modified": Shape(
            "file_modified",
            "CRITICAL",
            "MODIFIED",
            {
                "resource": Drawn(FILES),
                "old_checksum": Drawn(hex_digits=8),
                "new_checksum": Drawn(hex_digits=8),
                "size_change_bytes": Drawn(tuple(str(size) for size in range(-1000, 1001)), number=True),
            },
        ),
        "service_started": Shape(
            "service_status_change",
            "INFO",
            "STARTED",
            {
                "resource": _SERVICE,
                "previous_state": Drawn(("STOPPED", "FAILED")),
                "message": "Service successfully started.",
            },
        ),
        "service_stopped": Shape(
            "service_status_change",
            "WARNING",
            "STOPPED",
            {"resource": _SERVICE, "previous_state": "RUNNING", "message": "Service unexpectedly stopped."},
        ),
        "user_account_created": Shape(
            "user_account_management",
            "INFO",
            "CREATED",
            {
                "resource": Drawn(hex_digits=6, prefix="new_user_"),
                "group": Drawn(GROUPS),
                "home_directory": Drawn(again="resource", prefix="/home/"),
            },
        ),
    }
)
