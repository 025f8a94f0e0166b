"""How events may be written: the values of `spec.format`."""

from enum import StrEnum


class Format(StrEnum):
    """One of the formats that streams may have."""

    JSON = "Json"
    CLOUD_EVENTS = "CloudEvents"
    ECS = "ECS"
    OCSF = "OCSF"
    CEF = "CEF"
    SYSLOG = "Syslog"
    SYSLOG_FULL = "SyslogFull"
