"""The lines that real programs write to syslog when an event of a built-in kind happens. Data, and how a line is filled.

Written down as OpenSSH 9.2, sudo 1.9.13, shadow 4.13, PAM 1.5.2 and cron 3.0 of Debian 12 write them: every space counts,
because detectors read them. Made-up wording that only looks like a log was rejected. Knows no time and no RFC.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from audit_event_operator.events.canonical import Pattern, Variable


class Line(NamedTuple):
    """One line of a program, before its values are known."""

    priority: int
    """Facility × 8 + severity."""
    program: str
    """Its tag: `sshd`, never the `sshd-session` of OpenSSH 9.8, which Debian 12's detectors do not know."""
    pid: bool
    """Whether it writes its process number; sudo does not."""
    text: Pattern
    detected: bool
    """The one line of an event that detectors read."""
    child: int = 0
    """How much greater the process number of the child is that writes it; 0 for the process itself."""


SYSLOG_VARIABLES: Final = frozenset({"user", "host", "port", "uid", "gid", "tty", "user_in_8_columns"})
"""What a text may hold besides its kind's own variables: `user` is the event's user_id, whatever it is made of; `port` the
client's, 1024–65535; `uid` (from 1000) and `gid` those of the user, or of the account or group that is made; `tty` has no
`/dev/`. `user_in_8_columns` needs no value: it is `user`, right-aligned as sudo does it."""

PID_OF: Final = MappingProxyType({"systemd": 1})
"""Programs whose process number is the same on every host."""

_WRITTEN: Final = re.compile(r"(\* )?<(\d+)>([\w-]+)(\[(?:\+(\d+))?\])?: (.+)")
_TOKEN: Final = re.compile(r"\$\{([a-z0-9_]+)\}")


def _lines(*written: str) -> tuple[Line, ...]:
    """Lines as they stand in a log: `*` marks the detected one, `[]` is the process number, `[+6]` that of a child."""
    return tuple(map(_line, written))


def _line(written: str) -> Line:
    matched = _WRITTEN.fullmatch(written)
    if matched is None:
        raise ValueError(f"Not a line of syslog: {written!r}")
    mark, priority, program, pid, child, text = matched.groups()
    pieces = enumerate(_TOKEN.split(text))
    pattern = Pattern(tuple(Variable(piece) if index % 2 else piece for index, piece in pieces if piece))
    return Line(int(priority), program, pid is not None, pattern, mark is not None, int(child or 0))


_PAM_FAILED: Final = (
    "<85>sshd[]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost="
)
_AT: Final = "${client_ip} port ${port}"
_FROM: Final = f"from {_AT}"
_WRONG: Final = f"<38>sshd[]: Failed password for ${{user}} {_FROM} ssh2"
_SSH_OPENED: Final = "<86>sshd[]: pam_unix(sshd:session): session opened for user ${user}(uid=${uid}) by (uid=0)"
_WHO: Final = "${user_in_8_columns}"
_WHERE: Final = "TTY=${tty} ; PWD=/home/${user} ; USER=root ; COMMAND="
_ROOT_OPENED: Final = "<86>sudo: pam_unix(sudo:session): session opened for user root(uid=0) by (uid=${uid})"
_ROOT_CLOSED: Final = "<86>sudo: pam_unix(sudo:session): session closed for user root"
_OSSEC: Final = "<132>ossec: Alert Level: "
_CHANGED: Final = (
    "7; Rule: 550 - Integrity checksum changed.; Location: ${host}->syscheck; classification: ossec,syscheck,; "
    "Integrity checksum changed for: "
)

LINES: Final[Mapping[str, tuple[Line, ...]]] = MappingProxyType(
    {
        "user_login_failure": _lines(
            f"{_PAM_FAILED}${{client_ip}}  user=${{user}}",
            f"* {_WRONG}",
            f"<38>sshd[]: Connection closed by authenticating user ${{user}} {_AT} [preauth]",
        ),
        "user_login_success": _lines(f"* <38>sshd[]: Accepted password for ${{user}} {_FROM} ssh2", _SSH_OPENED),
        "sudo_command": _lines(f"* <85>sudo: {_WHO} : {_WHERE}${{command}}", _ROOT_OPENED, _ROOT_CLOSED),
        # No program of a plain Debian says that a file changed: OSSEC's `syslog_output` does (src/os_csyslogd/alert.c).
        # Its MD5 and SHA1 are left out: an event's checksums are shorter.
        "file_modified": _lines(f"* {_OSSEC}{_CHANGED}'${{file}}'"),
        # A unit without a description is called by its name (systemd 252, src/core/job.c and unit.c).
        "service_started": _lines("<30>systemd[]: Starting ${service}...", "* <30>systemd[]: Started ${service}."),
        "service_stopped": _lines(
            "<30>systemd[]: Stopping ${service}...",
            "<30>systemd[]: ${service}: Deactivated successfully.",
            "* <30>systemd[]: Stopped ${service}.",
        ),
        "user_account_created": _lines(
            "<86>useradd[]: new group: name=new_user_${suffix}, GID=${gid}",
            "* <86>useradd[]: new user: name=new_user_${suffix}, UID=${uid}, GID=${gid}, home=/home/new_user_${suffix}, "
            "shell=/bin/sh, from=none",
            "<86>useradd[]: add 'new_user_${suffix}' to group '${group}'",
            "<86>useradd[]: add 'new_user_${suffix}' to shadow group '${group}'",
        ),
        # The child, which ran as the user, says good-bye first.
        "user_logout": _lines(
            f"<38>sshd[+6]: Received disconnect {_FROM}:11: disconnected by user",
            f"<38>sshd[+6]: Disconnected from user ${{user}} {_AT}",
            "* <86>sshd[]: pam_unix(sshd:session): session closed for user ${user}",
        ),
        "login_publickey": _lines(
            f"* <38>sshd[]: Accepted publickey for ${{user}} {_FROM} ssh2: ED25519 SHA256:${{fingerprint}}", _SSH_OPENED
        ),
        "login_unknown_user": _lines(
            f"<38>sshd[]: Invalid user ${{user}} {_FROM}",
            "<85>sshd[]: pam_unix(sshd:auth): check pass; user unknown",
            f"{_PAM_FAILED}${{client_ip}} ",  # ends with a space: there is no user to name
            f"* <38>sshd[]: Failed password for invalid user ${{user}} {_FROM} ssh2",
            f"<38>sshd[]: Connection closed by invalid user ${{user}} {_AT} [preauth]",
        ),
        "login_too_many": _lines(
            f"{_PAM_FAILED}${{client_ip}}  user=${{user}}",
            *[_WRONG] * 6,
            f"* <35>sshd[]: error: maximum authentication attempts exceeded for ${{user}} {_FROM} ssh2 [preauth]",
            f"<38>sshd[]: Disconnecting authenticating user ${{user}} {_AT}: Too many authentication failures [preauth]",
            "<85>sshd[]: PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=${client_ip}  "
            "user=${user}",
            "<85>sshd[]: PAM service(sshd) ignoring max retries; 6 > 3",
        ),
        "connection_probe": _lines(
            "<35>sshd[]: error: kex_exchange_identification: Connection closed by remote host",
            f"* <38>sshd[]: Connection closed by {_AT}",
        ),
        "sudo_failed": _lines(
            "<85>sudo: pam_unix(sudo:auth): authentication failure; logname= uid=${uid} euid=0 tty=/dev/${tty} "
            "ruser=${user} rhost=  user=${user}",
            f"* <81>sudo: {_WHO} : 3 incorrect password attempts ; {_WHERE}${{command}}",
        ),
        "sudo_denied": _lines(f"* <81>sudo: {_WHO} : user NOT in sudoers ; {_WHERE}${{command}}"),
        "su_success": _lines(
            "* <37>su[]: (to root) ${user} on ${tty}",
            "<86>su[]: pam_unix(su:session): session opened for user root(uid=0) by (uid=${uid})",
        ),
        "su_failure": _lines(
            "<85>su: pam_unix(su:auth): authentication failure; logname= uid=${uid} euid=0 tty=/dev/${tty} "
            "ruser=${user} rhost=  user=root",
            "* <37>su[]: FAILED SU (to root) ${user} on ${tty}",
        ),
        "password_changed": _lines("* <85>passwd[]: pam_unix(passwd:chauthtok): password changed for ${user}"),
        "account_locked": _lines("* <86>usermod[]: lock user '${account}' password"),
        "account_deleted": _lines(
            "* <86>userdel[]: delete user '${account}'",
            "<86>userdel[]: removed group '${account}' owned by '${account}'",
            "<86>userdel[]: removed shadow group '${account}' owned by '${account}'",
        ),
        # From the shell that useradd gave it.
        "shell_changed": _lines("* <86>usermod[]: change user '${account}' shell from '/bin/sh' to '${shell}'"),
        "expiry_changed": _lines("* <86>chage[]: changed password expiry for ${account}"),
        "group_created": _lines(
            "<86>groupadd[]: group added to /etc/group: name=${team}, GID=${gid}",
            "<86>groupadd[]: group added to /etc/gshadow: name=${team}",
            "* <86>groupadd[]: new group: name=${team}, GID=${gid}",
        ),
        "group_deleted": _lines(
            "<86>groupdel[]: group '${team}' removed from /etc/group",
            "<86>groupdel[]: group '${team}' removed from /etc/gshadow",
            "* <86>groupdel[]: group '${team}' removed",
        ),
        "group_member_added": _lines("* <86>gpasswd[]: user ${account} added by root to group ${group}"),
        "group_member_removed": _lines("* <86>gpasswd[]: user ${account} removed by root from group ${group}"),
        # systemd 252, src/core/service.c and unit.c.
        "service_failed": _lines(
            "<29>systemd[]: ${service}: Main process exited, code=exited, status=1/FAILURE",
            "* <28>systemd[]: ${service}: Failed with result 'exit-code'.",
        ),
        # Debian's cron 3.0: the child that runs the command writes the line.
        "cron_job": _lines(
            "<86>CRON[]: pam_unix(cron:session): session opened for user ${user}(uid=${uid}) by (uid=0)",
            "* <78>CRON[+1]: (${user}) CMD (${job})",
            "<86>CRON[]: pam_unix(cron:session): session closed for user ${user}",
        ),
        # apt and dpkg write files. rsyslog's imfile forwards apt's history.log with its default priority, local0.notice.
        "package_installed": _lines(
            f"<85>sudo: {_WHO} : {_WHERE}/usr/bin/apt-get install -y ${{package}}",
            _ROOT_OPENED,
            "* <133>apt: Commandline: apt-get install -y ${package}",
            "<133>apt: Requested-By: ${user} (${uid})",
            _ROOT_CLOSED,
        ),
        # What OSSEC's logcollector says of it (rule 592).
        "log_cleared": _lines(
            f"<85>sudo: {_WHO} : {_WHERE}/usr/bin/truncate -s 0 ${{log}}",
            _ROOT_OPENED,
            _ROOT_CLOSED,
            f"* {_OSSEC}8; Rule: 592 - Log file size reduced.; Location: ${{host}}->ossec-logcollector; "
            "classification: ossec,attacks,; ossec: File size reduced (inode remained): '${log}'.",
        ),
        # Whoever appends a key to a file logs nothing; OSSEC sees the file.
        "key_added": _lines(f"* {_OSSEC}{_CHANGED}'/home/${{user}}/.ssh/authorized_keys'"),
        # ufw itself logs packets only (0.36); sudo says who ran it.
        "firewall_changed": _lines(f"* <85>sudo: {_WHO} : {_WHERE}/usr/sbin/ufw ${{rule}}", _ROOT_OPENED, _ROOT_CLOSED),
        # pg_dump as PostgreSQL logs it, with log_connections and log_destination = syslog (local0, numbered messages).
        "database_export": _lines(
            "<134>postgres[]: [3-1] LOG:  connection received: host=[local]",
            "* <134>postgres[]: [4-1] LOG:  connection authorized: user=${user} database=${database} "
            "application_name=pg_dump",
        ),
        # borgmatic 1.7 (borgmatic/logger.py, commands/borgmatic.py), which runs borg with one configuration per backup.
        "backup_finished": _lines(
            "* <14>borgmatic: INFO /etc/borgmatic.d/${backup}.yaml: Successfully ran configuration file"
        ),
        "root_account_created": _lines(
            "* <86>useradd[]: new user: name=new_user_${suffix}, UID=0, GID=0, home=/root, shell=/bin/sh, from=none",
        ),
    }
)
"""For every built-in kind: what is written, in that order. A text with no file named above it is what Debian 12 writes."""


def pid_of(line: Line, pid: int) -> int | None:
    """The process number that the line bears when its program runs as `pid`; None where the program writes none."""
    return PID_OF.get(line.program, pid + line.child) if line.pid else None


def text_of(line: Line, values: Mapping[str, str | int]) -> str:
    """What the program says; KeyError that names the variable when `values` lacks one."""
    return "".join(
        _value(line, piece.name, values) if isinstance(piece, Variable) else str(piece) for piece in line.text.pieces
    )


def render(line: Line, values: Mapping[str, str | int], pid: int) -> str:
    """`<PRI>program[pid]: text`, or without a process number; KeyError as for `text_of`."""
    number = pid_of(line, pid)
    tag = line.program if number is None else f"{line.program}[{number}]"
    return f"<{line.priority}>{tag}: {text_of(line, values)}"


def _value(line: Line, name: str, values: Mapping[str, str | int]) -> str:
    if name == "user_in_8_columns":
        return _value(line, "user", values).rjust(8)
    if name not in values:
        raise KeyError(f"A line of {line.program} needs a value for {name!r}")
    return str(values[name])
