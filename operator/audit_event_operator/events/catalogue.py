"""The kinds of events: the seven of the seed service with the values they draw from, and the user's own.

The platform's consumers and dashboards depend on these words, so they are part of the contract. Knows no layout.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from audit_event_operator.events.canonical import Variable
from audit_event_operator.events.shape import Hex, Shape
from audit_event_operator.resource.event_type import EventType

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


BUILT_IN: Final[Mapping[str, Shape]] = MappingProxyType(
    {
        "user_login_failure": Shape(
            "user_login",
            "WARNING",
            "FAILURE",
            {"reason": "Incorrect password", "ip_address": "${client_ip}", "protocol": "${protocol}"},
            {"client_ip": CLIENT_ADDRESSES, "protocol": PROTOCOLS},
        ),
        "user_login_success": Shape(
            "user_login",
            "INFO",
            "SUCCESS",
            {"ip_address": "${client_ip}", "protocol": "${protocol}"},
            {"client_ip": CLIENT_ADDRESSES, "protocol": PROTOCOLS},
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
                "size_change_bytes": Variable("size_change"),
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


def shape_of(event_type: EventType) -> Shape:
    """A user-defined type; its `resource`, if any, comes first in the details, as in the seed's."""
    resource = {} if event_type.resource is None else {"resource": event_type.resource}
    details = {**resource, **event_type.details, **resource}
    return Shape(
        event_type.wire_event_type,
        event_type.severity.value,
        event_type.action_result,
        details,
        {"client_ip": CLIENT_ADDRESSES},
    )
