"""The Elastic Common Schema: what each built-in kind is there. Data only.

Categories and types are those that ECS 9 allows beside each other; `tests` hold them against its list of fields.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from audit_event_operator.events.layouts.mapping import Template


class EcsKind(NamedTuple):
    """`event.category`, `event.type`, and the fields of its own; templates as in `mapping`."""

    category: tuple[str, ...]
    type: tuple[str, ...]
    fields: Mapping[str, Template]


COMMON: Final[Mapping[str, Template]] = MappingProxyType(
    {
        "host.name": "${host}",
        "host.hostname": "${host}",
        "user.name": "${user}",
        "source.ip": "${ip_address}",
        "source.address": "${ip_address}",
        "event.reason": "${reason}",
        "process.command_line": "${command}",
        "process.working_directory": "${cwd}",
        "related.user": ["${user}"],
        "related.hosts": ["${host}"],
        "related.ip": ["${ip_address}"],
    }
)
"""What any kind may have."""

_AUTH: Final = ("authentication",)
_LOGIN: Final = ("authentication", "session")
_SSHD: Final[Mapping[str, Template]] = {"process.name": "sshd", "network.application": "${protocol}"}
_FILE: Final[Mapping[str, Template]] = {
    "file.path": "${resource}",
    "file.name": "${resource|base_name}",
    "file.type": "file",
}
_SERVICE: Final[Mapping[str, Template]] = {
    "service.name": "${resource}", "service.state": "${action_result|lower}", "process.name": "systemd",
}  # fmt: skip
_SUDO: Final[Mapping[str, Template]] = {"process.name": "sudo", "user.effective.name": "root"}
_SU: Final[Mapping[str, Template]] = {"process.name": "su", "user.effective.name": "${target_user}"}
_ACCOUNT: Final[Mapping[str, Template]] = {
    "user.target.name": "${resource}",
    "related.user": ["${user}", "${resource}"],
}
_NEW: Final[Mapping[str, Template]] = {**_ACCOUNT, "group.name": "${group}", "process.name": "useradd"}
_GROUP: Final[Mapping[str, Template]] = {"group.name": "${resource}", "user.target.name": "${member}"}
_CHANGED: Final = ("user", "change")

ECS_KINDS: Final[Mapping[str, EcsKind]] = MappingProxyType(
    {
        "user_login_failure": EcsKind(_AUTH, ("start",), _SSHD),
        "user_login_success": EcsKind(_LOGIN, ("start",), _SSHD),
        "sudo_command": EcsKind(("process",), ("start",), _SUDO),
        "file_modified": EcsKind(("file",), ("change",), _FILE),
        "service_started": EcsKind(("process",), ("start",), _SERVICE),
        "service_stopped": EcsKind(("process",), ("end",), _SERVICE),
        "user_account_created": EcsKind(("iam",), ("user", "creation"), _NEW),
        "user_logout": EcsKind(_LOGIN, ("end",), _SSHD),
        "login_publickey": EcsKind(_LOGIN, ("start",), _SSHD),
        "login_unknown_user": EcsKind(_AUTH, ("start",), _SSHD),
        "login_too_many": EcsKind(_AUTH, ("start",), _SSHD),
        "connection_probe": EcsKind(
            ("network",), ("connection", "end"), {"process.name": "sshd", "network.protocol": "${protocol}"}
        ),
        "sudo_failed": EcsKind(("authentication", "process"), ("start",), _SUDO),
        "sudo_denied": EcsKind(("process",), ("start",), _SUDO),
        "su_success": EcsKind(_LOGIN, ("start",), _SU),
        "su_failure": EcsKind(_AUTH, ("start",), _SU),
        "password_changed": EcsKind(("iam",), _CHANGED, {**_ACCOUNT, "process.name": "passwd"}),
        "account_locked": EcsKind(("iam",), _CHANGED, {**_ACCOUNT, "process.name": "usermod"}),
        "account_deleted": EcsKind(("iam",), ("user", "deletion"), {**_ACCOUNT, "process.name": "userdel"}),
        "shell_changed": EcsKind(("iam",), _CHANGED, {**_ACCOUNT, "process.name": "usermod"}),
        "expiry_changed": EcsKind(("iam",), _CHANGED, {**_ACCOUNT, "process.name": "chage"}),
        "group_created": EcsKind(("iam",), ("group", "creation"), {**_GROUP, "process.name": "groupadd"}),
        "group_deleted": EcsKind(("iam",), ("group", "deletion"), {**_GROUP, "process.name": "groupdel"}),
        "group_member_added": EcsKind(("iam",), ("group", "change"), {**_GROUP, "process.name": "gpasswd"}),
        "group_member_removed": EcsKind(("iam",), ("group", "change"), {**_GROUP, "process.name": "gpasswd"}),
        "service_failed": EcsKind(("process",), ("end",), _SERVICE),
        "cron_job": EcsKind(("process",), ("start",), {"process.name": "cron"}),
        "package_installed": EcsKind(
            ("package",), ("installation",), {"package.name": "${resource}", "package.type": "deb", "process.name": "apt-get"}
        ),
        "log_cleared": EcsKind(("file",), ("change",), _FILE),
        "key_added": EcsKind(
            ("file",), ("change",), {"file.path": "${home_directory}/${resource}", "file.name": "${resource|base_name}"}
        ),
        "firewall_changed": EcsKind(
            ("configuration",), ("change",), {"service.name": "${resource}", "rule.name": "${rule}", "process.name": "ufw"}
        ),
        "database_export": EcsKind(
            ("database",), ("access",), {"service.type": "postgresql", "process.name": "pg_dump"}
        ),
        "backup_finished": EcsKind(("process",), ("end",), {"service.name": "${resource}", "process.name": "borgmatic"}),
        "root_account_created": EcsKind(("iam",), ("user", "creation"), {**_NEW, "user.target.id": "${uid}"}),
    }
)  # fmt: skip
"""For every built-in kind."""
