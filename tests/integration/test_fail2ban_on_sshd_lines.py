"""Debian's fail2ban reads what sshd would have written about a stream: it bans the attackers in it, and nobody else."""

import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit_event_operator.events.lived import Occurrence
from audit_event_operator.events.mix import weights_of
from audit_event_operator.events.syslog_lines import LINES, render
from audit_event_operator.resource.spec import Activity, parse_spec
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.hours import LocalTime
from audit_event_operator.world.world import World
from support.parts.processes import Process
from support.waiting import wait_until

pytestmark = pytest.mark.integration

SECONDS = 500
"""What is older than ten minutes is nothing to fail2ban."""
LAST = "198.51.100.99"
CONFIGURATION = """[Definition]
loglevel = INFO
logtarget = {folder}/fail2ban.log
syslogsocket = auto
socket = {folder}/socket
pidfile = {folder}/pid
dbfile = None
dbpurgeage = 1d
allowipv6 = no
"""
JAIL = """[DEFAULT]
allowipv6 = no
[sshd]
enabled = true
filter = sshd
backend = polling
logpath = {folder}/auth.log
logtimezone = UTC
maxretry = 5
findtime = 600
bantime = 3600
usedns = no
action = note
"""
ACTION = """[Definition]
actionban = echo <ip> >> {folder}/banned
actionunban =
"""


class Log:
    """A log in the traditional format, each event by a process of its own."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", encoding="utf-8")
        self._pid = 1000

    def write(self, seconds: float, host: str, kind: str, user: str, values: dict[str, str | int]) -> None:
        self._pid += 1
        known = {
            "user": user,
            "user_in_8_columns": f"{user:>8}",
            "port": 40_000 + self._pid % 20_000,
            "uid": 1001,
            "gid": 1001,
        }
        stamp = datetime.fromtimestamp(seconds, UTC).strftime("%b %d %H:%M:%S")
        for line in LINES[kind]:
            text = render(line, known | {"tty": "pts/0", "unknown_user": user} | values, self._pid)
            self._file.write(f"{stamp} {host} {text.partition('>')[2]}\n")

    def close(self) -> None:
        self._file.close()


def background(seconds: int, until: float) -> Iterator[tuple[float, Occurrence]]:
    """A stream of users who behave, with as many failed logins as quiet allows."""
    mix = {"user_login_failure": 10, "login_unknown_user": 3, "connection_probe": 1, "login_too_many": 1}
    mix |= {"user_login_success": 10, "login_publickey": 5, "user_logout": 15, "sudo_command": 30, "sudo_failed": 2}
    spec = parse_spec({"activity": "Sessions", "eventMix": mix})
    weights = weights_of(spec.event_mix, Activity.SESSIONS)
    world = World(WorldCast(spec.entities, 11), weights, LocalTime(UTC), fresh=True)
    for number in range(seconds * 5):
        moment = until - seconds + number / 5
        yield moment, world.happen(number, round(moment * 1e9))


@pytest.fixture
def fail2ban(tmp_path: Path) -> Iterator[Process]:
    """One that reads tmp_path/auth.log and writes whom it bans into tmp_path/banned. Not started yet."""
    folder = tmp_path / "configuration"
    (folder / "action.d").mkdir(parents=True)
    (folder / "filter.d").symlink_to("/etc/fail2ban/filter.d")
    (folder / "fail2ban.conf").write_text(CONFIGURATION.format(folder=tmp_path))
    (folder / "jail.conf").write_text(JAIL.format(folder=tmp_path))
    (folder / "action.d/note.conf").write_text(ACTION.format(folder=tmp_path))
    program = shutil.which("fail2ban-server")
    assert program, "`make test` installs it, or: apt-get install fail2ban"
    process = Process("fail2ban", [program, "-f", "-c", folder, "start"], log=tmp_path / "output.log")
    yield process
    process.kill()


def test_fail2ban_bans_the_attackers_in_a_stream_and_nobody_else(fail2ban, tmp_path) -> None:
    now = time.time()
    log, failed = Log(tmp_path / "auth.log"), 0
    attackers = {
        "203.0.113.7": ("user_login_failure", "root"),
        "203.0.113.8": ("login_unknown_user", "oracle"),
        "203.0.113.9": ("login_too_many", "alice"),
        LAST: ("user_login_failure", "root"),  # the last one in the file: when it is banned, all was read
    }
    lines: list[tuple[float, str, str, str, dict[str, str | int]]] = []
    for moment, (kind, user, host, _, values) in background(SECONDS, now):
        failed += kind in {"user_login_failure", "login_unknown_user", "login_too_many"}
        lines.append((moment, host, kind, user, dict(values)))
    for address, (kind, user) in attackers.items():
        start = now - (8 if address == LAST else 200)
        lines += [(start + number, "web-01", kind, user, {"client_ip": address}) for number in range(8)]
    for line in sorted(lines, key=lambda each: each[0]):
        log.write(*line)
    log.close()
    fail2ban.start()
    banned = tmp_path / "banned"

    def read_to_the_end() -> bool:
        fail2ban.must_run()
        return banned.exists() and LAST in banned.read_text().split()

    wait_until(read_to_the_end, what="fail2ban to read the log", timeout_seconds=60, explain=fail2ban.log_tail)
    assert failed > 100
    assert set(banned.read_text().split()) == set(attackers)
