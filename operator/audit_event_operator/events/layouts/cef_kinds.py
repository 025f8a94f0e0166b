"""ArcSight's Common Event Format: the name of each built-in kind, and its details in keys of CEF's dictionary. Data only."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from audit_event_operator.events.layouts.mapping import Template


class CefKind(NamedTuple):
    """The name in the header, and the extension's fields of its own; templates as in `mapping`."""

    name: str
    fields: Mapping[str, Template]


COMMON: Final[Mapping[str, Template]] = MappingProxyType(
    {
        "dvchost": "${host}",
        "src": "${ip_address}",
        "reason": "${reason}",
        "msg": "${message}",
        "cs6": "${session_id}",
        "cs6Label": "session_id",
    }
)
"""What any kind may have; a label goes with its field."""

_DOOR: Final[Mapping[str, Template]] = {"duser": "${user}", "dhost": "${host}", "dproc": "sshd", "app": "${protocol}"}
_ROOT: Final[Mapping[str, Template]] = {"suser": "${user}", "duser": "root", "sproc": "sudo"}
_SU: Final[Mapping[str, Template]] = {"suser": "${user}", "duser": "${target_user}", "sproc": "su"}
_FILE: Final[Mapping[str, Template]] = {
    "suser": "${user}", "fname": "${resource|base_name}", "filePath": "${resource}", "fileType": "file",
}  # fmt: skip
_HASHED: Final[Mapping[str, Template]] = {**_FILE, "fileHash": "${new_checksum}", "oldFileHash": "${old_checksum}"}
_UNIT: Final[Mapping[str, Template]] = {"suser": "${user}", "destinationServiceName": "${resource}", "sproc": "systemd"}
_ACCOUNT: Final[Mapping[str, Template]] = {"suser": "${user}", "duser": "${resource}"}
_MEMBER: Final[Mapping[str, Template]] = {"suser": "${user}", "duser": "${member}"}
_BY: Final[Mapping[str, Template]] = {"suser": "${user}"}

CEF_KINDS: Final[Mapping[str, CefKind]] = MappingProxyType(
    {
        "user_login_failure": CefKind("Login failed", _DOOR),
        "user_login_success": CefKind("Login succeeded", _DOOR),
        "sudo_command": CefKind("Command run with sudo", _ROOT),
        "file_modified": CefKind("File modified", _HASHED),
        "service_started": CefKind("Service started", _UNIT),
        "service_stopped": CefKind("Service stopped", _UNIT),
        "user_account_created": CefKind("Account created", _ACCOUNT),
        "user_logout": CefKind("Logout", _DOOR),
        "login_publickey": CefKind("Login with a public key succeeded", _DOOR),
        "login_unknown_user": CefKind("Login of an unknown user failed", _DOOR),
        "login_too_many": CefKind("Login blocked after too many attempts", _DOOR),
        "connection_probe": CefKind("Connection closed without identification", _DOOR),
        "sudo_failed": CefKind("Authentication for sudo failed", _ROOT),
        "sudo_denied": CefKind("Command denied by sudo", _ROOT),
        "su_success": CefKind("Change of user succeeded", _SU),
        "su_failure": CefKind("Change of user failed", _SU),
        "password_changed": CefKind("Password changed", _ACCOUNT),
        "account_locked": CefKind("Account locked", _ACCOUNT),
        "account_deleted": CefKind("Account deleted", _ACCOUNT),
        "shell_changed": CefKind("Login shell changed", _ACCOUNT),
        "expiry_changed": CefKind("Password expiry changed", _ACCOUNT),
        "group_created": CefKind("Group created", _BY),
        "group_deleted": CefKind("Group deleted", _BY),
        "group_member_added": CefKind("Member added to a group", _MEMBER),
        "group_member_removed": CefKind("Member removed from a group", _MEMBER),
        "service_failed": CefKind("Service failed", _UNIT),
        "cron_job": CefKind("Scheduled job run", {"suser": "${user}", "sproc": "cron"}),
        "package_installed": CefKind("Package installed", {"suser": "${user}", "sproc": "apt-get"}),
        "log_cleared": CefKind("Log cleared", _FILE),
        "key_added": CefKind(
            "Public key added",
            {**_FILE, "filePath": "${home_directory}/${resource}"},
        ),
        "firewall_changed": CefKind("Firewall rule changed", {"suser": "${user}", "destinationServiceName": "${resource}"}),
        "database_export": CefKind("Database exported", {"suser": "${user}", "sproc": "pg_dump"}),
        "backup_finished": CefKind("Backup finished", {"suser": "${user}", "sproc": "borgmatic"}),
        "root_account_created": CefKind("Account with UID 0 created", {**_ACCOUNT, "duid": "${uid}"}),
    }
)  # fmt: skip
"""For every built-in kind."""
