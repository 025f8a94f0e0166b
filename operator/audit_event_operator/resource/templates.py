"""The names that an event mix may use without defining them.

Names only, because the schema checks them. Must not know how a template is rendered.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SEED_TEMPLATES: Final[tuple[str, ...]] = (
    "user_login_failure",
    "user_login_success",
    "sudo_command",
    "file_modified",
    "service_started",
    "service_stopped",
    "user_account_created",
)
"""What the seed service knew: the mix of a stream that names none."""

BUILT_IN_TEMPLATES: Final[tuple[str, ...]] = (
    *SEED_TEMPLATES,
    "user_logout",
    "login_publickey",
    "login_unknown_user",
    "login_too_many",
    "connection_probe",
    "sudo_failed",
    "sudo_denied",
    "su_success",
    "su_failure",
    "password_changed",
    "account_locked",
    "account_deleted",
    "shell_changed",
    "expiry_changed",
    "group_created",
    "group_deleted",
    "group_member_added",
    "group_member_removed",
    "service_failed",
    "cron_job",
    "package_installed",
    "log_cleared",
    "key_added",
    "firewall_changed",
    "database_export",
    "backup_finished",
)

SESSIONS_MIX: Final[Mapping[str, int]] = MappingProxyType(
    {
        "user_login_failure": 1,
        "user_login_success": 12,
        "sudo_command": 44,
        "file_modified": 20,
        "service_started": 5,
        "service_stopped": 5,
        "user_account_created": 1,
        "user_logout": 12,
    }
)
"""The mix of a stream of users who behave that names none."""

FAILING: Final = ("user_login_failure", "login_too_many")
"""Users who fail to log in."""

LOGINS: Final = ("user_login_success", "login_publickey")
"""Users who log in."""

ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "user_login": ("user_login_failure", "user_login_success"),
        "service_status_change": ("service_started", "service_stopped"),
        "user_account_management": ("user_account_created",),
    }
)
"""The seed's event types that are not themselves the name of a template: their weight is split evenly among its templates."""

RESERVED_NAMES: Final[tuple[str, ...]] = (*BUILT_IN_TEMPLATES, *ALIASES)
"""Names that a mix may always use, and that `eventTypes` may therefore not define again."""

TOKENS: Final[tuple[str, ...]] = ("${user}", "${host}", "${client_ip}", "${sequence}")
"""Placeholders that the details of a user-defined event type may contain."""
