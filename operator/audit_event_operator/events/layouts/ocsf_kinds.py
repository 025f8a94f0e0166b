"""OCSF 1.3: which class and activity each built-in kind is, and where its details go. Data only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from audit_event_operator.events.layouts.mapping import Template


class OcsfClass(NamedTuple):
    """A class of OCSF, and what every event of it has."""

    uid: int
    name: str
    category_uid: int
    category_name: str
    fields: Mapping[str, Template]


class OcsfKind(NamedTuple):
    """One kind: its class, its activity there, and the fields of its own; templates as in `mapping`."""

    of: OcsfClass
    activity_id: int
    activity_name: str
    fields: Mapping[str, Template] = MappingProxyType({})


_DEVICE: Final[Mapping[str, Template]] = {
    "device.hostname": "${host|host_name}", "device.name": "${host}", "device.type_id": 1, "device.type": "Server",
}  # fmt: skip
_ACTOR: Final[Mapping[str, Template]] = {
    "actor.user.name": "${user}", "actor.session.uid": "${session_id}", "actor.session.terminal": "${tty}",
}  # fmt: skip
_CLIENT: Final[Mapping[str, Template]] = {"src_endpoint.ip": "${ip_address}"}
_HOST: Final[Mapping[str, Template]] = {"dst_endpoint.hostname": "${host|host_name}", "dst_endpoint.name": "${host}"}
_SYSTEM: Final = "System Activity"
_IAM: Final = "Identity & Access Management"
_APPLICATION: Final = "Application Activity"

BASE: Final = OcsfClass(0, "Base Event", 0, "Uncategorized", {})
_FILE: Final = OcsfClass(1001, "File System Activity", 1, _SYSTEM, {**_DEVICE, **_ACTOR})
_JOB: Final = OcsfClass(1006, "Scheduled Job Activity", 1, _SYSTEM, {**_DEVICE, **_ACTOR, "job.user.name": "${user}"})
_PROCESS: Final = OcsfClass(1007, "Process Activity", 1, _SYSTEM, {**_DEVICE, **_ACTOR})
_LOG: Final = OcsfClass(1008, "Event Log Activity", 1, _SYSTEM, {**_DEVICE, **_ACTOR, **_CLIENT})
_ACCOUNT: Final = OcsfClass(
    3001, "Account Change", 3, _IAM, {**_DEVICE, **_ACTOR, **_CLIENT, "user.name": "${resource}"}
)
_AUTHENTICATION: Final = OcsfClass(
    3002, "Authentication", 3, _IAM, {**_DEVICE, **_CLIENT, **_HOST, "session.uid": "${session_id}"}
)
_ENTITY: Final = OcsfClass(3004, "Entity Management", 3, _IAM, {**_DEVICE, **_ACTOR, **_CLIENT})
_GROUP: Final = OcsfClass(
    3006, "Group Management", 3, _IAM, {**_DEVICE, **_ACTOR, **_CLIENT, "group.name": "${resource}"}
)
_NETWORK: Final = OcsfClass(4001, "Network Activity", 4, "Network Activity", {**_DEVICE, **_CLIENT, **_HOST})
_SOFTWARE: Final = OcsfClass(
    6002, "Application Lifecycle", 6, _APPLICATION, {**_DEVICE, **_ACTOR, "app.name": "${resource}"}
)
_DATA: Final = OcsfClass(
    6005, "Datastore Activity", 6, _APPLICATION,
    {**_ACTOR, **_HOST, "src_endpoint.hostname": "${host|host_name}", "src_endpoint.name": "${host}"},
)  # fmt: skip

_SSH: Final[Mapping[str, Template]] = {
    "user.name": "${user}", "service.name": "sshd", "auth_protocol": "${protocol}", "auth_protocol_id": 99,
}  # fmt: skip
_SUDO: Final[Mapping[str, Template]] = {
    "process.name": "sudo", "process.pid": "${act|pid}", "process.cmd_line": "${command}", "process.user.name": "root",
}  # fmt: skip
_SU: Final[Mapping[str, Template]] = {
    "user.name": "${target_user}", "service.name": "su", "actor.user.name": "${user}", "session.terminal": "${tty}",
}  # fmt: skip
_PATH: Final[Mapping[str, Template]] = {
    "file.name": "${resource|base_name}", "file.path": "${resource}", "file.type_id": 1, "file.type": "Regular File",
}  # fmt: skip
_KEY: Final[Mapping[str, Template]] = {
    "file.name": "${resource|base_name}", "file.path": "${home_directory}/${resource}", "file.type_id": 1,
    "file.type": "Regular File",
}  # fmt: skip
_NEW: Final[Mapping[str, Template]] = {"user.uid": "${resource|uid_of}", "user.groups": [{"name": "${group}"}]}
_UNIT: Final[Mapping[str, Template]] = {"app.vendor_name": "systemd"}
_MEMBER: Final[Mapping[str, Template]] = {"user.name": "${member}"}
_EMPTY: Final[Mapping[str, Template]] = {"privileges": []}
"""The class asks for a user or for privileges, and a group is made without either."""
_CRONTAB: Final[Mapping[str, Template]] = {
    "job.name": "cron", "job.cmd_line": "${command}", "job.file.name": "crontab", "job.file.path": "/etc/crontab",
    "job.file.type_id": 1,
}  # fmt: skip
_BACKUP: Final[Mapping[str, Template]] = {
    "job.name": "${resource}", "job.file.name": "${resource}.yaml", "job.file.path": "/etc/borgmatic.d/${resource}.yaml",
    "job.file.type_id": 1,
}  # fmt: skip

OCSF_KINDS: Final[Mapping[str, OcsfKind]] = MappingProxyType(
    {
        "user_login_failure": OcsfKind(_AUTHENTICATION, 1, "Logon", _SSH),
        "user_login_success": OcsfKind(_AUTHENTICATION, 1, "Logon", _SSH),
        "sudo_command": OcsfKind(_PROCESS, 1, "Launch", _SUDO),
        "file_modified": OcsfKind(_FILE, 3, "Update", _PATH),
        "service_started": OcsfKind(_SOFTWARE, 3, "Start", _UNIT),
        "service_stopped": OcsfKind(_SOFTWARE, 4, "Stop", _UNIT),
        "user_account_created": OcsfKind(_ACCOUNT, 1, "Create", _NEW),
        "user_logout": OcsfKind(_AUTHENTICATION, 2, "Logoff", _SSH),
        "login_publickey": OcsfKind(_AUTHENTICATION, 1, "Logon", _SSH),
        "login_unknown_user": OcsfKind(_AUTHENTICATION, 1, "Logon", _SSH),
        "login_too_many": OcsfKind(_AUTHENTICATION, 1, "Logon", _SSH),
        "connection_probe": OcsfKind(_NETWORK, 2, "Close", {"app_name": "sshd"}),
        "sudo_failed": OcsfKind(_PROCESS, 1, "Launch", _SUDO),
        "sudo_denied": OcsfKind(_PROCESS, 1, "Launch", _SUDO),
        "su_success": OcsfKind(_AUTHENTICATION, 1, "Logon", _SU),
        "su_failure": OcsfKind(_AUTHENTICATION, 1, "Logon", _SU),
        "password_changed": OcsfKind(_ACCOUNT, 3, "Password Change"),
        "account_locked": OcsfKind(_ACCOUNT, 9, "Lock"),
        "account_deleted": OcsfKind(_ACCOUNT, 6, "Delete"),
        "shell_changed": OcsfKind(_ACCOUNT, 99, "Shell Change"),
        "expiry_changed": OcsfKind(_ACCOUNT, 99, "Expiry Change"),
        "group_created": OcsfKind(_GROUP, 6, "Create", _EMPTY),
        "group_deleted": OcsfKind(_GROUP, 5, "Delete", _EMPTY),
        "group_member_added": OcsfKind(_GROUP, 3, "Add User", _MEMBER),
        "group_member_removed": OcsfKind(_GROUP, 4, "Remove User", _MEMBER),
        "service_failed": OcsfKind(_SOFTWARE, 99, "Fail", _UNIT),
        "cron_job": OcsfKind(_JOB, 6, "Start", _CRONTAB),
        "package_installed": OcsfKind(_SOFTWARE, 1, "Install", {"app.vendor_name": "Debian"}),
        "log_cleared": OcsfKind(
            _LOG, 1, "Clear", {"log_name": "${resource|base_name}", "log_type_id": 1, "log_type": "OS", **_PATH}
        ),
        "key_added": OcsfKind(_FILE, 3, "Update", _KEY),
        "firewall_changed": OcsfKind(
            _ENTITY, 3, "Update",
            {"entity.name": "${resource}", "entity.type": "Firewall", "entity.policy.name": "${resource}",
             "entity.policy.desc": "${rule}"},
        ),
        "database_export": OcsfKind(
            _DATA, 1, "Read",
            {"database.name": "${resource}", "database.size": "${size_bytes}", "database.type_id": 1, "type_id": 1,
             "database.type": "Relational", "type": "Database"},
        ),
        "backup_finished": OcsfKind(_JOB, 99, "Finish", _BACKUP),
        "root_account_created": OcsfKind(_ACCOUNT, 1, "Create", {"user.uid": "${uid}", "user.groups": [{"name": "${group}"}]}),
    }
)  # fmt: skip
"""For every built-in kind."""
