"""What the programs of a Debian host write into the system log for each kind of event.

The texts are those of sshd 9.2, sudo 1.9, shadow 4.13, PAM 1.5, systemd 252, cron 3.0, ufw 0.36 and dpkg 1.21; where no program
writes a line of its own, those of a tool that would be asked (named beside it). Knows no format: a layout puts header and time
in front.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from audit_event_operator.events.canonical import Pattern, Variable

_AUTH: Final = 4
_PRIVATE: Final = 10
_CRON: Final = 9
_DAEMON: Final = 3
_USER: Final = 1
_KERNEL: Final = 0
_ALERT: Final = 1
_ERROR: Final = 3
_WARNING: Final = 4
_NOTICE: Final = 5
_INFO: Final = 6
_TOKEN: Final = re.compile(r"\$\{([a-z_0-9]+)\}")

OWN_VARIABLES: Final = frozenset({"user", "user_in_8_columns", "host", "port", "uid", "gid", "tty"})
"""Variables of lines beside those of the kind: sudo writes the user right-aligned to eight columns."""


class Line(NamedTuple):
    """One line. `priority` is facility · 8 + severity (RFC 5424); `pid`: the program writes its process id.

    `detected`: of all lines of a kind the one that detectors read.
    """

    priority: int
    program: str
    text: Pattern
    pid: bool = True
    detected: bool = False


def _line(facility: int, severity: int, program: str, text: str, *, pid: bool = True, detected: bool = False) -> Line:
    pieces = enumerate(_TOKEN.split(text))
    pattern = Pattern(tuple(Variable(piece) if index % 2 else piece for index, piece in pieces))
    return Line(facility * 8 + severity, program, pattern, pid, detected)


def _only(facility: int, severity: int, program: str, text: str, *, pid: bool = True) -> tuple[Line, ...]:
    return (_line(facility, severity, program, text, pid=pid, detected=True),)


def _opened(program: str, user: str) -> Line:
    return _line(_PRIVATE, _INFO, program, f"pam_unix({program}:session): session opened for user {user} by (uid=0)")


_FROM: Final = "${client_ip} port ${port}"
_REFUSED: Final = "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=${client_ip}"
_AS_ROOT: Final = "PWD=/home/${user} ; USER=root ; COMMAND=${command}"


def _sudo(severity: int, text: str) -> Line:
    return _line(_PRIVATE, severity, "sudo", text, pid=False, detected=True)


LINES: Final[Mapping[str, tuple[Line, ...]]] = MappingProxyType(
    {
        "user_login_failure": (
            _line(_PRIVATE, _NOTICE, "sshd", f"{_REFUSED}  user=${{user}}"),
            _line(_AUTH, _INFO, "sshd", f"Failed password for ${{user}} from {_FROM} ssh2", detected=True),
            _line(_AUTH, _INFO, "sshd", f"Connection closed by authenticating user ${{user}} {_FROM} [preauth]"),
        ),
        "user_login_success": (
            _line(_AUTH, _INFO, "sshd", f"Accepted password for ${{user}} from {_FROM} ssh2", detected=True),
            _opened("sshd", "${user}(uid=${uid})"),
        ),
        "sudo_command": (
            _sudo(_NOTICE, f"${{user_in_8_columns}} : TTY=${{tty}} ; {_AS_ROOT}"),
            _line(
                _PRIVATE,
                _INFO,
                "sudo",
                "pam_unix(sudo:session): session opened for user root(uid=0) by (uid=${uid})",
                pid=False,
            ),
            _line(_PRIVATE, _INFO, "sudo", "pam_unix(sudo:session): session closed for user root", pid=False),
        ),
        # AIDE's report to syslog (report_url=syslog:LOG_AUTH).
        "file_modified": _only(_AUTH, _WARNING, "aide", "changed: ${file} SHA1 ${old_checksum} | ${new_checksum}"),
        "service_started": _only(_DAEMON, _INFO, "systemd", "Started ${service}."),
        "service_stopped": (
            _line(_DAEMON, _INFO, "systemd", "${service}: Deactivated successfully."),
            _line(_DAEMON, _INFO, "systemd", "Stopped ${service}.", detected=True),
        ),
        "user_account_created": (
            _line(_PRIVATE, _INFO, "useradd", "new group: name=new_user_${suffix}, GID=${gid}"),
            _line(
                _PRIVATE,
                _INFO,
                "useradd",
                "new user: name=new_user_${suffix}, UID=${uid}, GID=${gid}, home=/home/new_user_${suffix}, shell=/bin/bash,"
                " from=none",
                detected=True,
            ),
            _line(_PRIVATE, _INFO, "useradd", "add 'new_user_${suffix}' to group '${group}'"),
            _line(_PRIVATE, _INFO, "useradd", "add 'new_user_${suffix}' to shadow group '${group}'"),
        ),
        "user_logout": (
            _line(_AUTH, _INFO, "sshd", f"Received disconnect from {_FROM}:11: disconnected by user"),
            _line(_AUTH, _INFO, "sshd", f"Disconnected from user ${{user}} {_FROM}"),
            _line(_PRIVATE, _INFO, "sshd", "pam_unix(sshd:session): session closed for user ${user}", detected=True),
        ),
        "login_publickey": (
            _line(
                _AUTH,
                _INFO,
                "sshd",
                f"Accepted publickey for ${{user}} from {_FROM} ssh2: ED25519 SHA256:${{fingerprint}}",
                detected=True,
            ),
            _opened("sshd", "${user}(uid=${uid})"),
        ),
        "login_unknown_user": (
            _line(_AUTH, _INFO, "sshd", f"Invalid user ${{unknown_user}} from {_FROM}", detected=True),
            _line(_PRIVATE, _NOTICE, "sshd", "pam_unix(sshd:auth): check pass; user unknown"),
            _line(_PRIVATE, _NOTICE, "sshd", f"{_REFUSED} "),
            _line(_AUTH, _INFO, "sshd", f"Failed password for invalid user ${{unknown_user}} from {_FROM} ssh2"),
            _line(_AUTH, _INFO, "sshd", f"Connection closed by invalid user ${{unknown_user}} {_FROM} [preauth]"),
        ),
        "login_too_many": (
            _line(
                _AUTH,
                _ERROR,
                "sshd",
                f"error: maximum authentication attempts exceeded for ${{user}} from {_FROM} ssh2 [preauth]",
                detected=True,
            ),
            _line(
                _AUTH,
                _INFO,
                "sshd",
                f"Disconnecting authenticating user ${{user}} {_FROM}: Too many authentication failures [preauth]",
            ),
        ),
        "connection_probe": (
            _line(_AUTH, _ERROR, "sshd", "error: kex_exchange_identification: Connection closed by remote host"),
            _line(_AUTH, _INFO, "sshd", f"Connection closed by {_FROM}", detected=True),
        ),
        "sudo_failed": (
            _line(
                _PRIVATE,
                _NOTICE,
                "sudo",
                "pam_unix(sudo:auth): authentication failure; logname= uid=${uid} euid=0 tty=/dev/${tty} ruser=${user} rhost= "
                " user=${user}",
                pid=False,
            ),
            _sudo(_ALERT, f"${{user_in_8_columns}} : 3 incorrect password attempts ; TTY=${{tty}} ; {_AS_ROOT}"),
        ),
        "sudo_denied": (_sudo(_ALERT, f"${{user_in_8_columns}} : user NOT in sudoers ; TTY=${{tty}} ; {_AS_ROOT}"),),
        "su_success": (
            _line(_AUTH, _NOTICE, "su", "(to root) ${user} on ${tty}", detected=True),
            _line(
                _PRIVATE,
                _INFO,
                "su",
                "pam_unix(su:session): session opened for user root(uid=0) by ${user}(uid=${uid})",
            ),
        ),
        "su_failure": (
            _line(
                _PRIVATE,
                _NOTICE,
                "su",
                "pam_unix(su:auth): authentication failure; logname=${user} uid=${uid} euid=0 tty=/dev/${tty} ruser=${user}"
                " rhost=  user=root",
                pid=False,
            ),
            _line(_AUTH, _NOTICE, "su", "FAILED SU (to root) ${user} on ${tty}", detected=True),
        ),
        "password_changed": _only(
            _PRIVATE, _NOTICE, "passwd", "pam_unix(passwd:chauthtok): password changed for ${user}"
        ),
        "account_locked": _only(_PRIVATE, _INFO, "usermod", "lock user '${account}' password"),
        "account_deleted": (
            _line(_PRIVATE, _INFO, "userdel", "delete user '${account}'", detected=True),
            _line(_PRIVATE, _INFO, "userdel", "removed group '${account}' owned by '${account}'"),
            _line(_PRIVATE, _INFO, "userdel", "removed shadow group '${account}' owned by '${account}'"),
        ),
        "shell_changed": _only(
            _PRIVATE, _INFO, "usermod", "change user '${account}' shell from '/bin/sh' to '${shell}'"
        ),
        "expiry_changed": _only(_PRIVATE, _INFO, "chage", "changed password expiry for ${account}"),
        "group_created": (
            _line(_PRIVATE, _INFO, "groupadd", "group added to /etc/group: name=${team}, GID=${gid}"),
            _line(_PRIVATE, _INFO, "groupadd", "group added to /etc/gshadow: name=${team}"),
            _line(_PRIVATE, _INFO, "groupadd", "new group: name=${team}, GID=${gid}", detected=True),
        ),
        "group_deleted": (
            _line(_PRIVATE, _INFO, "groupdel", "group '${team}' removed from /etc/group"),
            _line(_PRIVATE, _INFO, "groupdel", "group '${team}' removed from /etc/gshadow"),
            _line(_PRIVATE, _INFO, "groupdel", "group '${team}' removed", detected=True),
        ),
        "group_member_added": _only(_PRIVATE, _INFO, "gpasswd", "user ${account} added by root to group ${group}"),
        "group_member_removed": _only(
            _PRIVATE, _INFO, "gpasswd", "user ${account} removed by root from group ${group}"
        ),
        "service_failed": (
            _line(_DAEMON, _NOTICE, "systemd", "${service}: Main process exited, code=exited, status=1/FAILURE"),
            _line(_DAEMON, _WARNING, "systemd", "${service}: Failed with result 'exit-code'.", detected=True),
        ),
        "cron_job": (
            _line(_PRIVATE, _INFO, "CRON", "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"),
            _line(_CRON, _INFO, "CRON", "(root) CMD (${job})", detected=True),
            _line(_PRIVATE, _INFO, "CRON", "pam_unix(cron:session): session closed for user root"),
        ),
        # Debian's unattended-upgrades writes this with SyslogEnable.
        "package_installed": _only(_DAEMON, _INFO, "unattended-upgrade", "Packages that were upgraded: ${package}"),
        # rsyslogd, asked to open its files anew after somebody emptied one.
        "log_cleared": _only(_USER, _NOTICE, "root", "${user} cleared ${log}", pid=False),  # logger(1) without -i
        # auditd's `-w /home -p wa -k ssh_keys` by audisp-syslog.
        "key_added": _only(
            _USER, _INFO, "audisp-syslog", 'type=PATH name="/home/${user}/.ssh/authorized_keys" nametype=NORMAL'
        ),
        "firewall_changed": _only(_KERNEL, _WARNING, "ufw", "rule changed: ${rule}", pid=False),
        # pgaudit in the log of PostgreSQL, log_destination = syslog.
        "database_export": _only(
            _DAEMON,
            _INFO,
            "postgres",
            "AUDIT: SESSION,1,1,READ,COPY,TABLE,${database},COPY ${database} TO STDOUT,<none>,${rows}",
        ),
        # borgmatic's summary, syslog_verbosity 1.
        "backup_finished": _only(
            _USER, _INFO, "borgmatic", "${backup}: archive created, ${size_bytes} bytes in ${duration_seconds} seconds"
        ),
    }
)
"""By the name of the template, in the order in which they are written."""


def render(line: Line, values: Mapping[str, str | int], pid: int) -> str:
    """`<PRI>program[pid]: text`, or `<PRI>program: text` where the program does not write its process id.

    Raises:
        KeyError: a variable has no value; its name.
    """
    text = "".join(str(values[piece.name]) if isinstance(piece, Variable) else piece for piece in line.text.pieces)
    return f"<{line.priority}>{line.program}{f'[{pid}]' if line.pid else ''}: {text}"
