"""The kinds of events: the seven of the seed service, more of what happens on hosts, and the user's own.

The platform's consumers and dashboards depend on these words, so they are part of the contract. Knows no layout.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from audit_event_operator.events.canonical import HOST, USER, CanonicalEvent, Pattern, Variable
from audit_event_operator.resource.event_type import EventType

SOURCE_SERVICE: Final = "audit-event-generator"

_TOKEN: Final = re.compile(r"\$\{([a-z_]+)\}")


class Need(Enum):
    """What has to be so before an event of a kind can happen, where people behave (activity Sessions)."""

    LOGIN = auto()
    """Nobody is logged in by it yet: it opens a session."""
    FAILED_LOGIN = auto()
    """A user who has not failed for a while."""
    SESSION = auto()
    """Somebody is logged in, and does it."""
    LOGOUT = auto()
    """Somebody is logged in, and leaves."""
    STOPPED_SERVICE = auto()
    """A service is stopped."""
    RUNNING_SERVICE = auto()
    """A service runs."""
    ADMINISTRATOR = auto()
    """Somebody who may."""
    MADE_ACCOUNT = auto()
    """An administrator, and an account that was created in this stream."""
    MADE_GROUP = auto()
    """An administrator, and a group that was created in this stream."""
    AUTOMATION = auto()
    """A service account."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry: all its events, what they need, and the ATT&CK data source (name: component) that they stand for."""

    event: CanonicalEvent
    need: Need
    data_source: str


def _event(
    event_type: str, severity: str, action_result: str, details: Mapping[str, str | Variable], user: str = "${user}"
) -> CanonicalEvent:
    """All events of a kind. In texts, `${name}` stands for one of `DRAWN` or for the event's user, host or sequence."""
    return CanonicalEvent(
        source_service=SOURCE_SERVICE,
        server_hostname=Pattern((HOST,)),
        event_type=event_type,
        severity=severity,
        user_id=Pattern((USER,)) if user == "${user}" else _parsed(user),
        action_result=action_result,
        details={key: _parsed(value) if isinstance(value, str) else value for key, value in details.items()},
    )


def _named(kinds: Mapping[str, Kind]) -> Mapping[str, Kind]:
    """Tell each event the name of its kind: layouts have a mapping for each."""
    named = {name: replace(kind, event=replace(kind.event, kind=name)) for name, kind in kinds.items()}
    return MappingProxyType(named)


def _parsed(text: str) -> Pattern:
    # Fixed pieces and names of tokens alternate: one pass, so that nothing is replaced twice.
    pieces = enumerate(_TOKEN.split(text))
    return Pattern(tuple(Variable(piece) if index % 2 else piece for index, piece in pieces))


_LOGIN: Final = {"ip_address": "${client_ip}", "protocol": "${protocol}"}
_SSH: Final = {"ip_address": "${client_ip}", "protocol": "ssh"}
_STARTED: Final = {"previous_state": "${state_before_start}", "message": "Service successfully started."}
_STOPPED: Final = {"previous_state": "RUNNING", "message": "Service unexpectedly stopped."}
_FAILED: Final = {"previous_state": "RUNNING", "message": "Service failed with result 'exit-code'."}
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
_SU: Final = {"target_user": "root", "tty": "/dev/pts/0"}
_KEY: Final = {
    "resource": ".ssh/authorized_keys",
    "home_directory": "/home/${user}",
    "key_fingerprint": "SHA256:${fingerprint}",
}
_EXPORT: Final[Mapping[str, str | Variable]] = {
    "resource": "${database}",
    "rows": Variable("rows"),
    "size_bytes": Variable("size_bytes"),
}
_BACKUP: Final[Mapping[str, str | Variable]] = {
    "resource": "${backup}",
    "size_bytes": Variable("size_bytes"),
    "duration_seconds": Variable("duration_seconds"),
}
_WRONG: Final = "Incorrect password"
_TOO_MANY: Final = "Maximum authentication attempts exceeded"
_THRICE: Final = "3 incorrect password attempts"
_MANAGED: Final = "user_account_management"
_GROUPS: Final = "group_management"
_LOGON: Final = "Logon Session: Logon Session Creation"
_AUTH: Final = "User Account: User Account Authentication"
_PROCESS: Final = "Command: Command Execution"
_FILE: Final = "File: File Modification"
_SERVICE: Final = "Service: Service Metadata"
_CHANGED: Final = "User Account: User Account Modification"
_GROUP: Final = "Group: Group Modification"

CATALOGUE: Final[Mapping[str, Kind]] = _named(
    {
        "user_login_failure": Kind(
            _event("user_login", "WARNING", "FAILURE", {"reason": _WRONG, **_LOGIN}), Need.FAILED_LOGIN, _AUTH
        ),
        "user_login_success": Kind(_event("user_login", "INFO", "SUCCESS", _LOGIN), Need.LOGIN, _LOGON),
        "sudo_command": Kind(_event("sudo_command", "INFO", "SUCCESS", _COMMAND), Need.SESSION, _PROCESS),
        "file_modified": Kind(_event("file_modified", "CRITICAL", "MODIFIED", _MODIFIED), Need.SESSION, _FILE),
        "service_started": Kind(
            _event("service_status_change", "INFO", "STARTED", {"resource": "${service}", **_STARTED}),
            Need.STOPPED_SERVICE,
            _SERVICE,
        ),
        "service_stopped": Kind(
            _event("service_status_change", "WARNING", "STOPPED", {"resource": "${service}", **_STOPPED}),
            Need.RUNNING_SERVICE,
            _SERVICE,
        ),
        "user_account_created": Kind(
            _event(_MANAGED, "INFO", "CREATED", _ACCOUNT), Need.ADMINISTRATOR, "User Account: User Account Creation"
        ),
        "user_logout": Kind(
            _event("user_logout", "INFO", "SUCCESS", _LOGIN), Need.LOGOUT, "Logon Session: Logon Session Metadata"
        ),
        "login_publickey": Kind(
            _event(
                "user_login",
                "INFO",
                "SUCCESS",
                {**_SSH, "method": "publickey", "key_fingerprint": "SHA256:${fingerprint}"},
            ),
            Need.LOGIN,
            _LOGON,
        ),
        "login_unknown_user": Kind(
            _event("user_login", "WARNING", "FAILURE", {"reason": "Invalid user", **_SSH}, "${unknown_user}"),
            Need.FAILED_LOGIN,
            _AUTH,
        ),
        "login_too_many": Kind(
            _event("user_login", "ERROR", "BLOCKED", {"reason": _TOO_MANY, **_SSH}), Need.FAILED_LOGIN, _AUTH
        ),
        "connection_probe": Kind(
            _event("network_connection", "INFO", "CLOSED", {"reason": "No identification string", **_SSH}, "unknown"),
            Need.FAILED_LOGIN,
            "Network Traffic: Network Connection Creation",
        ),
        "sudo_failed": Kind(
            _event("sudo_command", "WARNING", "FAILURE", {"reason": _THRICE, **_COMMAND}), Need.SESSION, _AUTH
        ),
        "sudo_denied": Kind(
            _event("sudo_command", "WARNING", "DENIED", {"reason": "User not in sudoers", **_COMMAND}),
            Need.SESSION,
            _PROCESS,
        ),
        "su_success": Kind(_event("su_command", "INFO", "SUCCESS", _SU), Need.SESSION, _LOGON),
        "su_failure": Kind(_event("su_command", "WARNING", "FAILURE", {"reason": _WRONG, **_SU}), Need.SESSION, _AUTH),
        "password_changed": Kind(
            _event(_MANAGED, "INFO", "MODIFIED", {"resource": "${user}", "change": "password"}), Need.SESSION, _CHANGED
        ),
        "account_locked": Kind(
            _event(_MANAGED, "WARNING", "LOCKED", {"resource": "${account}"}), Need.MADE_ACCOUNT, _CHANGED
        ),
        "account_deleted": Kind(
            _event(_MANAGED, "WARNING", "DELETED", {"resource": "${account}"}),
            Need.MADE_ACCOUNT,
            "User Account: User Account Deletion",
        ),
        "shell_changed": Kind(
            _event(_MANAGED, "INFO", "MODIFIED", {"resource": "${account}", "change": "shell", "shell": "${shell}"}),
            Need.MADE_ACCOUNT,
            _CHANGED,
        ),
        "expiry_changed": Kind(
            _event(
                _MANAGED, "INFO", "MODIFIED", {"resource": "${account}", "change": "expiry", "expires": "${expires}"}
            ),
            Need.MADE_ACCOUNT,
            _CHANGED,
        ),
        "group_created": Kind(_event(_GROUPS, "INFO", "CREATED", {"resource": "${team}"}), Need.ADMINISTRATOR, _GROUP),
        "group_deleted": Kind(_event(_GROUPS, "WARNING", "DELETED", {"resource": "${team}"}), Need.MADE_GROUP, _GROUP),
        "group_member_added": Kind(
            _event(_GROUPS, "INFO", "ADDED", {"resource": "${group}", "member": "${account}"}),
            Need.MADE_ACCOUNT,
            _GROUP,
        ),
        "group_member_removed": Kind(
            _event(_GROUPS, "INFO", "REMOVED", {"resource": "${group}", "member": "${account}"}),
            Need.MADE_ACCOUNT,
            _GROUP,
        ),
        "service_failed": Kind(
            _event("service_status_change", "ERROR", "FAILED", {"resource": "${service}", **_FAILED}),
            Need.RUNNING_SERVICE,
            _SERVICE,
        ),
        "cron_job": Kind(
            _event("scheduled_job", "INFO", "SUCCESS", {"command": "${job}"}),
            Need.AUTOMATION,
            "Scheduled Job: Scheduled Job Metadata",
        ),
        "package_installed": Kind(
            _event("package_management", "INFO", "INSTALLED", {"resource": "${package}"}), Need.SESSION, _PROCESS
        ),
        "log_cleared": Kind(
            _event("log_management", "CRITICAL", "CLEARED", {"resource": "${log}"}),
            Need.ADMINISTRATOR,
            "File: File Deletion",
        ),
        "key_added": Kind(_event("credential_change", "WARNING", "ADDED", _KEY), Need.SESSION, _FILE),
        "firewall_changed": Kind(
            _event("firewall_change", "WARNING", "MODIFIED", {"resource": "ufw", "rule": "${rule}"}),
            Need.ADMINISTRATOR,
            "Firewall: Firewall Rule Modification",
        ),
        "database_export": Kind(
            _event("data_access", "WARNING", "EXPORTED", _EXPORT), Need.SESSION, "Application Log: Content"
        ),
        "backup_finished": Kind(
            _event("backup", "INFO", "SUCCESS", _BACKUP), Need.AUTOMATION, "Application Log: Content"
        ),
    }
)
"""Every built-in template. A name, once released, keeps its words."""

ROOT_ACCOUNT: Final = "root_account_created"
_ROOT_ACCOUNT: Final = {"resource": "new_user_${suffix}", "uid": "0", "group": "root", "home_directory": "/root"}
SCRIPTED: Final[Mapping[str, Kind]] = _named(
    {
        ROOT_ACCOUNT: Kind(
            _event(_MANAGED, "CRITICAL", "CREATED", _ROOT_ACCOUNT),
            Need.ADMINISTRATOR,
            "User Account: User Account Creation",
        )
    }
)
"""What happens in scenarios only: no mix can ask for it."""


def built_in(name: str) -> Kind | None:
    """One of both; None for a name that the spec has to define."""
    return CATALOGUE.get(name) or SCRIPTED.get(name)


SESSION_ID: Final = Variable("session_id")
SEVERITY: Final = Variable("severity")
DURATION: Final = Variable("duration_seconds")
_IN_A_SESSION: Final = frozenset({Need.LOGIN, Need.SESSION, Need.LOGOUT})


@lru_cache(maxsize=64)
def in_session(name: str) -> CanonicalEvent:
    """All events of a kind where people behave: with their session, and a severity that follows the file."""
    kind = CATALOGUE.get(name) or SCRIPTED[name]
    event, details = kind.event, dict(kind.event.details)
    if kind.need in _IN_A_SESSION:
        details.setdefault("ip_address", Pattern((Variable("client_ip"),)))
        details["session_id"] = Pattern((SESSION_ID,))
    if "tty" in details:
        details["tty"] = Pattern(("/dev/", Variable("tty")))
    if kind.need is Need.LOGOUT:
        details["duration_seconds"] = DURATION
    severity = Pattern((SEVERITY,)) if name == "file_modified" else event.severity
    return replace(event, details=details, severity=severity, user_id=Pattern((USER,)))


def kind_of(event_type: EventType) -> CanonicalEvent:
    """A user-defined type; its `resource`, if any, comes first in the details, as in the seed's."""
    resource = {} if event_type.resource is None else {"resource": event_type.resource}
    details = {**resource, **event_type.details, **resource}
    return _event(event_type.wire_event_type, event_type.severity.value, event_type.action_result, details)
