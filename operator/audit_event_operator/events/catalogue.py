"""The kinds of events: the seven of the seed service with the values they draw from, and the user's own.

The platform's consumers and dashboards depend on these words, so they are part of the contract. Knows no layout.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from audit_event_operator.events.canonical import HOST, USER, CanonicalEvent, Pattern, Variable
from audit_event_operator.resource.event_type import EventType

SOURCE_SERVICE: Final = "audit-event-generator"

_TOKEN: Final = re.compile(r"\$\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Hex:
    """A random number, written with this many hexadecimal digits."""

    digits: int


Choices: TypeAlias = Sequence[str] | range | Hex

DRAWN: Final[Mapping[str, Choices]] = MappingProxyType(
    {
        "client_ip": tuple(f"192.168.1.{last}" for last in range(100, 201)),
        "protocol": ("ssh", "console"),
        "command": (
            "/usr/bin/sudo apt update",
            "/usr/bin/useradd newuser",
            "/bin/rm -rf /",
            "/bin/systemctl restart nginx",
        ),
        "file": (
            "/etc/passwd",
            "/var/log/nginx/access.log",
            "/opt/app/config.json",
            "/root/.ssh/authorized_keys",
            "/var/www/html/index.php",
        ),
        "old_checksum": Hex(8),
        "new_checksum": Hex(8),
        "size_change": range(-1000, 1001),
        "service": ("nginx.service", "mysql.service", "apache2.service"),
        "state_before_start": ("STOPPED", "FAILED"),
        "suffix": Hex(6),
        "group": ("users", "devops", "sudo"),
    }
)
"""What is drawn evenly, once for an event: a variable that is used twice has the same value in both places."""


def _kind(event_type: str, severity: str, action_result: str, details: Mapping[str, str | Variable]) -> CanonicalEvent:
    """All events of a kind. In texts, `${name}` stands for one of `DRAWN` or for the event's user, host or sequence."""
    return CanonicalEvent(
        source_service=SOURCE_SERVICE,
        server_hostname=Pattern((HOST,)),
        event_type=event_type,
        severity=severity,
        user_id=Pattern((USER,)),
        action_result=action_result,
        details={key: _parsed(value) if isinstance(value, str) else value for key, value in details.items()},
    )


def _parsed(text: str) -> Pattern:
    # Fixed pieces and names of tokens alternate: one pass, so that nothing is replaced twice.
    pieces = enumerate(_TOKEN.split(text))
    return Pattern(tuple(Variable(piece) if index % 2 else piece for index, piece in pieces))


_LOGIN: Final = {"ip_address": "${client_ip}", "protocol": "${protocol}"}
_STARTED: Final = {"previous_state": "${state_before_start}", "message": "Service successfully started."}
_STOPPED: Final = {"previous_state": "RUNNING", "message": "Service unexpectedly stopped."}
_MODIFIED: Final[Mapping[str, str | Variable]] = {
    "resource": "${file}",
    "old_checksum": "${old_checksum}",
    "new_checksum": "${new_checksum}",
    "size_change_bytes": Variable("size_change"),
}
_COMMAND: Final = {"command": "${command}", "tty": "/dev/pts/0", "cwd": "/home/${user}"}
_ACCOUNT: Final = {
    "resource": "new_user_${suffix}",
    "group": "${group}",
    "home_directory": "/home/new_user_${suffix}",
}

BUILT_IN: Final[Mapping[str, CanonicalEvent]] = MappingProxyType(
    {
        "user_login_failure": _kind("user_login", "WARNING", "FAILURE", {"reason": "Incorrect password", **_LOGIN}),
        "user_login_success": _kind("user_login", "INFO", "SUCCESS", _LOGIN),
        "sudo_command": _kind("sudo_command", "INFO", "SUCCESS", _COMMAND),
        "file_modified": _kind("file_modified", "CRITICAL", "MODIFIED", _MODIFIED),
        "service_started": _kind("service_status_change", "INFO", "STARTED", {"resource": "${service}", **_STARTED}),
        "service_stopped": _kind("service_status_change", "WARNING", "STOPPED", {"resource": "${service}", **_STOPPED}),
        "user_account_created": _kind("user_account_management", "INFO", "CREATED", _ACCOUNT),
    }
)


def kind_of(event_type: EventType) -> CanonicalEvent:
    """A user-defined type; its `resource`, if any, comes first in the details, as in the seed's."""
    resource = {} if event_type.resource is None else {"resource": event_type.resource}
    details = {**resource, **event_type.details, **resource}
    return _kind(event_type.wire_event_type, event_type.severity.value, event_type.action_result, details)
