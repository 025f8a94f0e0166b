"""Starting and surely ending the processes of the tests: each by its own pid, also when the test run is interrupted or killed.

Knows nothing of what it starts. Start processes from a thread that lives as long as they should: on Linux they die with it.
"""

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Below the ephemeral ports of Linux (32768 and up) and RabbitMQ's command line (35672–35682), so that a port is still
# free when a part that was killed starts on it again.
# Workers of pytest-xdist have a slice each: what one has stopped for a moment another one must not take.
_ALL_PORTS = range(20000, 32000)
_WORKERS = 6
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
PORTS = _ALL_PORTS[_WORKER::_WORKERS] if "PYTEST_XDIST_WORKER" in os.environ else _ALL_PORTS

_given_ports: set[int] = set()
_living: dict[int, "Process"] = {}


class PartError(RuntimeError):
    """A real part did not do what it was told; the message has the end of its log."""


class Process:
    """One child process with its output in a file; start, stop, kill, pause, and start again."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdout: Path | None = None,
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log_file = log
        self._stdout_file = stdout
        self.env = dict(os.environ if env is None else env)
        self._cwd = cwd
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        if self._popen is None:
            raise PartError(f"{self.name} was not started.")
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None before its end; negative: the signal that ended it."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> None:
        if self.running:
            raise PartError(f"{self.name} runs already.")
        if not _living:
            atexit.unregister(_kill_all)
            atexit.register(_kill_all)
        with self.log_file.open("ab") as log:
            stdout = log if self._stdout_file is None else self._stdout_file.open("ab")
            self._popen = subprocess.Popen(
                [*_die_with_parent(), *self.command],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
                env=self.env,
                cwd=self._cwd or self.log_file.parent,
                start_new_session=True,  # Ctrl-C in the terminal is for us alone: parts are ended in order
            )
            stdout.close()
        _living[self._popen.pid] = self

    def stop(self, *, timeout_seconds: float = 10, signal_number: int = signal.SIGTERM) -> int:
        """Ask it to end and wait; SIGKILL after the time-out. Returns the exit code."""
        if self.running:
            self.signal(signal_number)
            try:
                self._wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._ended()

    def kill(self) -> int:
        """SIGKILL, and wait for the end."""
        if self.running:
            self.signal(signal.SIGKILL)
            self._wait(30)
        return self._ended()

    def wait(self, timeout_seconds: float) -> int:
        """Wait for it to end by itself and return its exit code; PartError when it does not."""
        try:
            self._wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise PartError(f"{self.name} still runs after {timeout_seconds} s.\n{self.log_tail()}") from None
        return self._ended()

    def pause(self) -> None:
        """SIGSTOP; returns when it stands still."""
        self.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def signal(self, number: int) -> None:
        if not self.running:
            raise PartError(f"{self.name} does not run (exit code {self.exit_code}).\n{self.log_tail()}")
        os.kill(self.pid, number)

    def must_run(self) -> None:
        """Raise PartError when it has ended: for the loops that wait for it to be ready."""
        if not self.running:
            raise PartError(f"{self.name} ended with exit code {self.exit_code}.\n{self.log_tail()}")

    def log_tail(self, lines: int = 30) -> str:
        """The end of its log, for messages."""
        if not self.log_file.exists():
            return "(no log)"
        text = self.log_file.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"--- the end of {self.log_file}:", *text])

    def _wait(self, timeout_seconds: float) -> None:
        if self._popen is not None:
            self._popen.wait(timeout_seconds)

    def _ended(self) -> int:
        if self._popen is None:
            return 0
        _living.pop(self._popen.pid, None)
        return int(self._popen.returncode)


def free_port() -> int:
    """A loopback port that nobody listens on, and that is given out once only by this process."""
    for port in random.sample(PORTS, 500):
        if port not in _given_ports and _is_free(port):
            _given_ports.add(port)
            return port
    raise PartError(f"No free port between {PORTS.start} and {PORTS.stop}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _die_with_parent() -> list[str]:
    # No preexec_fn: it can hang in a process with threads. setpriv becomes the program, so the pid stays the same.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _kill_all() -> None:
    for process in list(_living.values()):
        process.kill()
