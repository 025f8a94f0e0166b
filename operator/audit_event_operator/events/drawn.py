"""The values that variables of the catalogue take when every event is an independent draw. The seed's come first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias


@dataclass(frozen=True, slots=True)
class Hex:
    """A random number, written with this many hexadecimal digits."""

    digits: int


Choices: TypeAlias = Sequence[str] | range | Hex

UNKNOWN_USERS: Final = (
    "admin", "test", "oracle", "ubuntu", "postgres", "git", "ftpuser", "hadoop",
    "nagios", "guest", "support", "user", "pi", "tomcat", "jenkins", "deploy",
)  # fmt: skip
"""Names that are tried on every host of the internet (loghub's OpenSSH_2k has most of them)."""

DRAWN: Final[Mapping[str, Choices]] = MappingProxyType(
    {
        "client_ip": tuple(f"192.168.1.{last}" for last in range(100, 201)),
        "protocol": ("ssh", "console"),
        "command": (
            "/usr/bin/sudo apt update",
            "/usr/bin/useradd newuser",
            "/bin/rm -rf /",
            "/bin/systemctl restart nginx",
        ),
        "file": (
            "/etc/passwd",
            "/var/log/nginx/access.log",
            "/opt/app/config.json",
            "/root/.ssh/authorized_keys",
            "/var/www/html/index.php",
        ),
        "old_checksum": Hex(8),
        "new_checksum": Hex(8),
        "size_change": range(-1000, 1001),
        "service": ("nginx.service", "mysql.service", "apache2.service"),
        "state_before_start": ("STOPPED", "FAILED"),
        "suffix": Hex(6),
        "group": ("users", "devops", "sudo"),
        "fingerprint": (
            "Saxd4hntrmL5/e6g/D869I/YMvIvrFCCCsERdNbgaL0",
            "Inul8sbJEJ/lxEoGlvOTN5YHSTo3f1Iu4n2aeuMifYk",
            "CPIl/gjpSlsdotpAefzRp2R9N1zJViSmxtZab8hLMkM",
            "PT7hHC+/f2prHmqhbDgmMexfH7/FDKO6WonTZtIu6u8",
            "oXiM4dif6LRW4m1MN/1jVjPCWa3B/3//rjU6XHOAexk",
        ),
        "unknown_user": UNKNOWN_USERS,
        "account": tuple(f"contractor_{number:02d}" for number in range(1, 25)),
        "shell": ("/bin/bash", "/bin/zsh", "/usr/sbin/nologin"),
        "expires": ("2027-03-31", "2027-06-30", "2027-12-31"),
        "team": ("audit", "backup-operators", "contractors", "reporting"),
        "job": (
            "/usr/lib/apt/apt.systemd.daily install",
            "/usr/sbin/logrotate /etc/logrotate.conf",
            "test -x /usr/sbin/anacron || run-parts --report /etc/cron.daily",
            "/usr/bin/certbot -q renew",
        ),
        "package": ("curl", "htop", "jq", "openssl", "rsync", "vim"),
        "log": ("/var/log/auth.log", "/var/log/syslog", "/var/log/audit/audit.log"),
        "rule": (
            "allow in 443/tcp",
            "allow in 22/tcp from 10.0.0.0/8",
            "deny in 23/tcp",
            "delete allow in 8080/tcp",
        ),
        "database": ("customers", "inventory", "orders", "payroll"),
        "rows": range(100, 50_001),
        "backup": ("etc", "home", "postgresql", "www"),
        "size_bytes": range(1_000_000, 2_000_000_001),
        "duration_seconds": range(5, 3_601),
    }
)
"""What is drawn evenly, once for an event: a variable that is used twice has the same value in both places."""
