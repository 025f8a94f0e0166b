"""What Debian's fail2ban would have done while a log of the past was written: its jail for sshd, with its own thresholds.

A running fail2ban takes lines of last week for new ones, or ignores them. Here its clock is that of the log.
"""

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

CONFIGURATION = Path("/etc/fail2ban")
_PROGRAM = Path(__file__).with_name("fail2ban_past_program.py")


class Ban(NamedTuple):
    """An address, the line's time in seconds since 1970 when it was banned, and after how many failures."""

    address: str
    at_seconds: float
    failures: int


class Past(NamedTuple):
    """What happened to one log: lines read, failures found, and whom they led to be banned, in that order."""

    lines: int
    failures: int
    bans: list[Ban]

    @property
    def banned(self) -> set[str]:
        return {ban.address for ban in self.bans}


def read_by_fail2ban(log: Path, folder: Path, start: datetime) -> Past:
    """Let fail2ban read a log.

    Args:
        log: as a syslog daemon writes it, in UTC; lines in the order of their times.
        folder: gets a copy of Debian's configuration with this log for sshd; must not exist.
        start: a moment of the log's first months: lines may lack the year.
    """
    shutil.copytree(CONFIGURATION, folder, ignore=shutil.ignore_patterns("jail.d"))
    (folder / "jail.local").write_text(
        dedent(f"""\
            [sshd]
            enabled = true
            backend = polling
            usedns = no
            logpath = {log}
            """)
    )
    server = shutil.which("fail2ban-server")
    assert server, "fail2ban-server is missing: Debian's package fail2ban brings it (make test installs it)."
    python = Path(server).read_text().splitlines()[0].removeprefix("#!").split()
    done = subprocess.run(
        [*python, "-I", _PROGRAM, folder, log, str(start.timestamp())],
        env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    found = json.loads(done.stdout)
    return Past(found["lines"], found["failures"], [Ban(*ban) for ban in found["bans"]])
