"""A real fail2ban with Debian's own filter for sshd. It reads one file, and writes whom it bans into another: no firewall."""

import os
import re
import shutil
from collections import Counter
from pathlib import Path
from textwrap import dedent
from typing import Self

from support.parts.processes import Process
from support.waiting import wait_until

FILTERS = Path("/etc/fail2ban/filter.d")


class Fail2ban:
    """Bans an address after `max_retry` failures in ten minutes, as Debian's jail for sshd does."""

    def __init__(self, folder: Path, log: Path, *, max_retry: int = 5) -> None:
        """Nothing is started yet.

        Args:
            folder: place of its configuration, socket, database and log; must exist.
            log: what it reads, in the traditional format of syslog and in UTC.
            max_retry: the failures of one address that are too many.
        """
        server = shutil.which("fail2ban-server")
        assert server, "fail2ban-server is missing: Debian's package fail2ban brings it (make test installs it)."
        self._log = folder / "fail2ban.log"
        self._banned = folder / "banned"
        (folder / "filter.d").symlink_to(FILTERS)
        (folder / "action.d").mkdir()
        (folder / "action.d" / "tell.conf").write_text(f"[Definition]\nactionban = echo '<ip>' >>'{self._banned}'\n")
        (folder / "fail2ban.conf").write_text(
            dedent(f"""\
                [Definition]
                loglevel = INFO
                logtarget = {self._log}
                syslogsocket = auto
                socket = {folder / "socket"}
                pidfile = {folder / "pid"}
                dbfile = {folder / "database"}
                dbpurgeage = 1d
                dbmaxmatches = 10
                """)
        )
        (folder / "jail.conf").write_text(
            dedent(f"""\
                [sshd]
                enabled = true
                filter = sshd
                backend = polling
                usedns = no
                logpath = {log}
                maxretry = {max_retry}
                findtime = 600
                bantime = 600
                action = tell
                """)
        )
        environment = {"PATH": os.environ["PATH"], "TZ": "UTC"}
        self.process = Process(
            "fail2ban", [server, "-c", folder, "-f", "start"], log=folder / "output", env=environment
        )

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    @property
    def banned(self) -> list[str]:
        """The addresses that were banned until now, in that order."""
        return self._banned.read_text().split() if self._banned.exists() else []

    @property
    def failures(self) -> Counter[str]:
        """How many failures it has found of each address."""
        return Counter(re.findall(r"\] Found (\S+) - ", self._said()))

    def wait_for_ban(self, address: str) -> None:
        """Wait until an address is banned. It reads and bans in order: whoever failed too often before is banned by then."""

        def banned() -> bool:
            self.process.must_run()
            return address in self.banned

        wait_until(banned, timeout_seconds=60, what=f"the ban of {address}", explain=self._explanation)

    def _explanation(self) -> str:
        return f"{self._said()[-3000:]}\n{self.process.log_tail()}"

    def _said(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""
