"""The operator under test: the installed command in a process of its own, seen from outside only (HTTP, log, exit code)."""

import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from prometheus_client.parser import text_string_to_metric_families

from support.parts.controlplane import OPERATOR, ControlPlane
from support.parts.processes import Process, free_port
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

T = TypeVar("T")

SERIES = "audit_event_operator_generator_"
"""What the names of a generator's own metrics begin with."""

# What the operator may see of the caller's environment; a RABBITMQ_…, AEG_… or KUBECONFIG of theirs would decide the test.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "COVERAGE_PROCESS_CONFIG")


class Response(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Stopped(NamedTuple):
    """How it ended: exit code (negative: the signal) and how long that took."""

    exit_code: int
    seconds: float


class OperatorProcess:
    """`audit-event-operator SUBCOMMAND …` on free ports, with nothing but the environment it is given."""

    def __init__(
        self,
        folder: Path,
        subcommand: str = "run",
        *arguments: str | Path,
        kubeconfig: Path | None = None,
        env: Mapping[str, str] | None = None,
        name: str = "operator",
        prefix: Sequence[str] = (),
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: working directory (so that a `.env` is only found there) and place of the logs; must exist.
            subcommand: run, standalone, demo …
            arguments: what follows it.
            kubeconfig: becomes KUBECONFIG.
            env: more variables, for example `broker.environment()`; they win over the ones set here.
            name: tells several processes in one folder apart.
            prefix: a command that becomes the operator, for example `prlimit` with its options.
        """
        self.app_port = free_port()
        self.metrics_port = free_port()
        self.output_file = folder / f"{name}.out"
        environment = {key: os.environ[key] for key in _INHERITED if key in os.environ}
        environment |= {
            "HOME": str(folder),
            "APP_PORT": str(self.app_port),
            "PROMETHEUS_PORT": str(self.metrics_port),
            "AEG_BIND_ADDRESS": "127.0.0.1",
            "PYTHONUNBUFFERED": "1",
        }
        if kubeconfig is not None:
            environment["KUBECONFIG"] = str(kubeconfig)
        environment |= env or {}
        command = [*prefix, sys.executable, "-m", "audit_event_operator", subcommand, *arguments]
        log = folder / f"{name}.log"
        self.process = Process(name, command, log=log, stdout=self.output_file, env=environment, cwd=folder)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    # --- start and stop ---------------------------------------------------------------------------------------------

    def start(self, *, wait_ready: bool = True) -> Self:
        """Start it (again), and wait until /readyz says 200."""
        self.process.start()
        if wait_ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout_seconds: float = 30) -> None:
        """Wait until /readyz says 200; PartError when it ends before."""

        def ready() -> bool:
            self.process.must_run()
            return self.status_of("/readyz") == 200

        wait_until(ready, timeout_seconds=timeout_seconds, what="the operator", explain=self.process.log_tail)

    def stop(self, *, timeout_seconds: float = 40) -> Stopped:
        """SIGTERM, and how it ended; SIGKILL (exit code -9) when it has not within the time-out."""
        started = time.monotonic()
        exit_code = self.process.stop(timeout_seconds=timeout_seconds)
        return Stopped(exit_code, time.monotonic() - started)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def end(self) -> None:
        """At the end of a test: SIGKILL, but under `make coverage` SIGTERM, for only then it writes down what it ran."""
        if "COVERAGE_PROCESS_CONFIG" in os.environ:
            self.process.stop(timeout_seconds=5)
        self.kill()

    def pause(self) -> None:
        """SIGSTOP."""
        self.process.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.process.resume()

    @property
    def running(self) -> bool:
        return self.process.running

    @property
    def pid(self) -> int:
        return self.process.pid

    # --- what it says -----------------------------------------------------------------------------------------------

    @property
    def log(self) -> str:
        """Everything on stderr up to now."""
        return self.process.log_file.read_text(errors="replace")

    @property
    def output(self) -> str:
        """Everything on stdout up to now."""
        return self.output_file.read_text(errors="replace")

    def wait_for_log(self, text: str, *, timeout_seconds: float = 30) -> None:
        """Wait until the text stands in the log."""
        self.wait_until(lambda: text in self.log, timeout_seconds=timeout_seconds, what=f"{text!r} in the log")

    def wait_until(self, condition: Callable[[], T], *, timeout_seconds: float = 30, what: str = "") -> T:
        """As support.waiting.wait_until, with the end of the log in the message when the time is over."""
        return wait_until(condition, timeout_seconds=timeout_seconds, what=what, explain=self.process.log_tail)

    # --- HTTP -------------------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        timeout_seconds: float = 10,
    ) -> Response:
        """One HTTP request to APP_PORT (or another port); OSError when nobody answers."""
        line = http.client.HTTPConnection("127.0.0.1", port or self.app_port, timeout=timeout_seconds)
        try:
            line.request(method, path, body, dict(headers or {}))
            answer = line.getresponse()
            return Response(answer.status, dict(answer.headers.items()), answer.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"The operator broke the line: {error!r}") from error
        finally:
            line.close()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        return self.request("GET", path, headers=headers)

    def get_json(self, path: str) -> Any:
        """The decoded body of a GET, whatever the status."""
        return self.get(path).json()

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Response:
        """POST; bytes go as they are, everything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, data, {"Content-Type": "application/json"} | dict(headers or {}))

    def status_of(self, path: str) -> int:
        """The HTTP status of a GET; 0 when nobody answers."""
        try:
            return self.get(path).status
        except OSError:
            return 0

    def metrics_text(self) -> str:
        """/metrics of PROMETHEUS_PORT, as Prometheus sees it."""
        return self.request("GET", "/metrics", port=self.metrics_port).body.decode()

    def metric(self, name: str, **labels: str) -> float | None:
        """The sum of the samples of that name with these labels (others may be there too); None without any."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.metrics_text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None


@contextmanager
def running_operator(
    cluster: ControlPlane, kubeconfig: Path, broker: Broker, folder: Path, **env: str
) -> Iterator[OperatorProcess]:
    """`run` as its ServiceAccount, with this broker as default target, for a whole module of tests."""
    environment = broker.environment() | {"AEG_LEASE_NAMESPACE": OPERATOR} | env
    operator = OperatorProcess(folder, "run", kubeconfig=kubeconfig, env=environment)
    try:
        yield operator.start()
    finally:
        operator.end()
        cluster.delete_leases()


def must_be_free_of_bugs(operator: OperatorProcess) -> None:
    """The log has no traceback and no sentence that admits a bug."""
    lines = [line for line in operator.log.splitlines() if "Traceback" in line or "this is a bug" in line]
    assert not lines, operator.log[-5000:]
