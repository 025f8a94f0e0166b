"""A real rsyslog as the receiver: it reads lines by RFC 5424 alone, and tells what it understood of each.

Lines come over TCP on loopback, each with its length before it (RFC 6587), so that nothing in a line can end it. Sizes are
Debian's: what is longer than 8 KiB is cut.
"""

import json
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple, Self

from support.parts.processes import Process, free_port
from support.waiting import wait_until

_END = "end-of-batch"
_PARTS = {
    "priority": "pri", "version": "protocol-version", "host": "hostname", "tag": "app-name", "process": "procid",
    "message_id": "msgid", "data": "structured-data", "text": "msg", "raw": "rawmsg",
}  # fmt: skip
"""What we call what rsyslog knows of a message; its time is written apart."""


class Received(NamedTuple):
    """What rsyslog understood of one message, as bytes; `raw` is what had come in."""

    priority: bytes
    version: bytes
    """`0` where it understood nothing."""
    time: bytes
    host: bytes
    tag: bytes
    process: bytes
    message_id: bytes
    data: bytes
    text: bytes
    raw: bytes


class Rsyslog:
    """Takes lines, and writes those of `log` as Debian's rsyslog writes `/var/log/auth.log`."""

    def __init__(self, folder: Path) -> None:
        """Nothing is started yet; `folder` gets its configuration, process id and files, and must exist."""
        program = shutil.which("rsyslogd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert program, "rsyslogd is missing: Debian's package rsyslog brings it (make test installs it)."
        self.port = free_port()
        self.log = folder / "auth.log"
        self.traditional_log = folder / "traditional.log"
        self._parsed = folder / "parsed.jsonl"
        self._complaints = folder / "complaints"
        self._read_bytes = self._batches = 0
        (folder / "spool").mkdir()
        config = folder / "rsyslog.conf"
        config.write_text(
            dedent(f"""\
                global(workDirectory="{folder / "spool"}")
                module(load="imtcp")
                template(name="parsed" type="list") {{ {_template()} }}
                ruleset(name="judge" parser="rsyslog.rfc5424" queue.type="Direct") {{
                  action(type="omfile" file="{self._parsed}" template="parsed")
                  if $app-name != "{_END}" then {{
                    action(type="omfile" file="{self.log}" template="RSYSLOG_FileFormat")
                    action(type="omfile" file="{self.traditional_log}" template="RSYSLOG_TraditionalFileFormat")
                  }}
                }}
                input(type="imtcp" address="127.0.0.1" port="{self.port}" ruleset="judge")
                syslog.* action(type="omfile" file="{self._complaints}")
                """)
        )
        command = [program, "-n", "-f", config, "-i", folder / "pid"]
        self.process = Process("rsyslog", command, log=folder / "output", env={"PATH": "/usr/bin:/bin", "TZ": "UTC"})
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self.process.start()
        self._socket = wait_until(self._connected, what="rsyslog", explain=self.complaints)
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
        self.process.stop()

    def receive(self, lines: Iterable[bytes]) -> list[Received]:
        """Send the lines and wait until all were read. What it could not read at all is in the list, too."""
        assert self._socket is not None, "rsyslog was not started"
        self._batches += 1
        end = f"<14>1 2026-01-01T00:00:00Z - {_END} {self._batches} - - that was all".encode()
        for line in (*lines, end):
            self._socket.sendall(b"%d %b" % (len(line), line))
        found: list[Received] = []

        def all_read() -> bool:
            self.process.must_run()
            found.extend(self._more())
            return bool(found) and found[-1].raw == end

        wait_until(all_read, timeout_seconds=60, what="rsyslog's end", every_seconds=0.01, explain=self.complaints)
        return found[:-1]

    def complaints(self) -> str:
        """What it said about messages, and about itself."""
        said = self._complaints.read_text(errors="replace") if self._complaints.exists() else ""
        return f"{said}\n{self.process.log_tail()}"

    def _connected(self) -> socket.socket | None:
        self.process.must_run()
        try:
            return socket.create_connection(("127.0.0.1", self.port))
        except OSError:
            return None

    def _more(self) -> Iterable[Received]:
        """What was written since we read last, whole lines only."""
        if not self._parsed.exists():
            return
        with self._parsed.open("rb") as written:
            written.seek(self._read_bytes)
            for line in written:
                if not line.endswith(b"\n"):
                    return
                self._read_bytes += len(line)
                yield _received(line)


def _template() -> str:
    parts = [
        'property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")',
        *(f'property(outname="{ours}" name="{theirs}" format="jsonf")' for ours, theirs in _PARTS.items()),
    ]
    return 'constant(value="{") ' + ' constant(value=",") '.join(parts) + ' constant(value="}\\n")'


def _received(line: bytes) -> Received:
    parts = json.loads(line.decode(errors="surrogateescape"))
    return Received(**{name: text.encode(errors="surrogateescape") for name, text in parts.items()})
