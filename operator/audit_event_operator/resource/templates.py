"""The names that an event mix may use without defining them.

Names only, because the schema checks them. Must not know how a template is rendered.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

BUILT_IN_TEMPLATES: Final[tuple[str, ...]] = (
    "user_login_failure",
    "user_login_success",
    "sudo_command",
    "file_modified",
    "service_started",
    "service_stopped",
    "user_account_created",
)

ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "user_login": ("user_login_failure", "user_login_success"),
        "service_status_change": ("service_started", "service_stopped"),
        "user_account_management": ("user_account_created",),
    }
)
"""Event types that are not themselves the name of a template: their weight is split evenly among their templates."""

RESERVED_NAMES: Final[tuple[str, ...]] = (*BUILT_IN_TEMPLATES, *ALIASES)
"""Names that a mix may always use, and that `eventTypes` may therefore not define again."""

TOKENS: Final[tuple[str, ...]] = ("${user}", "${host}", "${client_ip}", "${sequence}")
"""Placeholders that the details of a user-defined event type may contain."""
