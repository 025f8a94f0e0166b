"""The seven templates of the seed service and the values they draw from.

Consumers and dashboards of the platform know these words, so they are data of the contract, not taste. How a shape
becomes bytes is none of this module's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

CLIENT_ADDRESSES: Final = tuple(f"192.168.1.{last}" for last in range(100, 201))
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
STATES_BEFORE_START: Final = ("STOPPED", "FAILED")
GROUPS: Final = ("users", "devops", "sudo")
PROTOCOLS: Final = ("ssh", "console")
SIZE_CHANGES: Final = range(-1000, 1001)


@dataclass(frozen=True, slots=True)
class Hex:
    """A random number, written with this many hexadecimal digits."""

    digits: int


@dataclass(frozen=True, slots=True)
class Number:
    """A detail that is a JSON number: the variable of this name."""

    variable: str


@dataclass(frozen=True, slots=True)
class Shape:
    """One template: three fixed words, and details that are drawn.

    Attributes:
        event_type: the same in all its events, like the next two.
        severity: how bad an event is.
        action_result: how the action ended.
        details: in order; in texts, `${name}` stands for one of `variables` or for the event's own `user`, `host`,
            `client_ip` and `sequence`.
        variables: what is drawn evenly, once for an event: one of these texts or numbers. A variable that is used twice
            has the same value in both places.
    """

    event_type: str
    severity: str
    action_result: str
    details: Mapping[str, str | Number]
    variables: Mapping[str, Sequence[str] | range | Hex] = field(default_factory=dict)


BUILT_IN: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "user_login_failure": Shape(
            "user_login",
            "WARNING",
            "FAILURE",
            {"reason": "Incorrect password", "ip_address": "${client_ip}", "protocol": "${protocol}"},
            {"protocol": PROTOCOLS},
        ),
        "user_login_success": Shape(
            "user_login",
            "INFO",
            "SUCCESS",
            {"ip_address": "${client_ip}", "protocol": "${protocol}"},
            {"protocol": PROTOCOLS},
        ),
        "sudo_command": Shape(
            "sudo_command",
            "INFO",
            "SUCCESS",
            {"command": "${command}", "tty": "/dev/pts/0", "cwd": "/home/${user}"},
            {"command": COMMANDS},
        ),
        "file_modified": Shape(
            "file_modified",
            "CRITICAL",
            "MODIFIED",
            {
                "resource": "${file}",
                "old_checksum": "${old}",
                "new_checksum": "${new}",
                "size_change_bytes": Number("size_change"),
            },
            {"file": FILES, "old": Hex(8), "new": Hex(8), "size_change": SIZE_CHANGES},
        ),
        "service_started": Shape(
            "service_status_change",
            "INFO",
            "STARTED",
            {"resource": "${service}", "previous_state": "${before}", "message": "Service successfully started."},
            {"service": SERVICES, "before": STATES_BEFORE_START},
        ),
        "service_stopped": Shape(
            "service_status_change",
            "WARNING",
            "STOPPED",
            {"resource": "${service}", "previous_state": "RUNNING", "message": "Service unexpectedly stopped."},
            {"service": SERVICES},
        ),
        "user_account_created": Shape(
            "user_account_management",
            "INFO",
            "CREATED",
            {
                "resource": "new_user_${suffix}",
                "group": "${group}",
                "home_directory": "/home/new_user_${suffix}",
            },
            {"suffix": Hex(6), "group": GROUPS},
        ),
    }
)
