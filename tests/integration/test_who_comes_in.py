"""The door of the real command: what a web page makes a browser send gets no further, what probes and people send does."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.parts.operator_process import OperatorProcess

EVENT = {"event_type": "user_login"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., OperatorProcess]]:
    """start(subcommand, **variables): an operator without a broker, whose liveness is all that is waited for."""
    started: list[OperatorProcess] = []

    def start(subcommand: str, **variables: str) -> OperatorProcess:
        operator = OperatorProcess(tmp_path, subcommand, env=variables)
        started.append(operator)
        operator.start(wait_ready=False)
        operator.wait_until(lambda: operator.status_of("/livez") == 200, what="the operator")
        return operator

    yield start
    for each in started:
        each.end()


def raw(port: int, head: str) -> str:
    """The status line that these bytes get."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(head.replace("\n", "\r\n").encode())
        return line.makefile().readline()


def test_a_rebound_name_gets_nothing_out_of_the_demo(start) -> None:
    demo = start("demo")
    evil = f"evil.test:{demo.app_port}"
    assert demo.post("/generate_event", EVENT, {"Host": evil, "Origin": f"http://{evil}"}).status == 421
    assert demo.get("/generators", {"Host": evil}).status == 421
    assert demo.request("GET", "/metrics", headers={"Host": evil}, port=demo.metrics_port).status == 421
    assert demo.post("/generate_event", EVENT, {"Origin": "http://evil.test"}).status == 403
    assert demo.post("/generate_event", EVENT, {"Origin": "null"}).status == 403
    assert demo.post("/generate_event", EVENT, {"Host": f"localhost:{demo.app_port}"}).status == 202
    own = f"127.0.0.1:{demo.app_port}"
    assert demo.post("/generate_event", EVENT, {"Host": own, "Origin": f"http://{own}"}).status == 202
    assert "user_login" in demo.output


def test_as_in_a_pod_probes_and_scrapes_come_in_by_whatever_name(start) -> None:
    operator = start("standalone", AEG_BIND_ADDRESS="0.0.0.0")
    for host in (
        "10.244.0.7:5000",
        "audit-event-operator.audit-event-operator.svc:5000",
        "[fd00::7]:5000",
        "AUDIT.Example.org.",
    ):
        assert operator.get("/livez", {"Host": host}).status == 200
        assert operator.request("GET", "/metrics", headers={"Host": host}, port=operator.metrics_port).status == 200
    assert " 200 " in raw(operator.app_port, "GET /livez HTTP/1.0\n\n")
    assert (
        operator.post("/generate_event", EVENT, {"Host": "a.example.org", "Origin": "http://b.example.org"}).status
        == 403
    )


def test_with_names_listed_only_these_come_in_beside_addresses_and_localhost(start) -> None:
    operator = start("standalone", AEG_BIND_ADDRESS="0.0.0.0", AEG_HTTP_HOSTS="audit.example.org, .svc")
    for host in ("audit.example.org", "a.b.svc:5000", "10.244.0.7:5000", "localhost:1"):
        assert operator.get("/livez", {"Host": host}).status == 200
    assert operator.get("/livez", {"Host": "evil.test"}).status == 421
    assert "AEG_HTTP_HOSTS" in operator.get("/livez", {"Host": "evil.test"}).json()["error"]
    assert " 400 " in raw(operator.app_port, "GET /livez HTTP/1.1\nHost: me@audit.example.org\n\n")
    assert " 400 " in raw(operator.app_port, "GET /livez HTTP/1.1\nHost: localhost\nHost: evil.test\n\n")


@pytest.mark.parametrize("subcommand", ["run", "standalone", "demo"])
@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"AEG_API_AUHT": "token"}, "AEG_API_AUHT is not a setting; did you mean AEG_API_AUTH?"),
        (
            {"RABBITMQ_QUEUE": "amq.foo"},
            "RABBITMQ_QUEUE: queue must not begin with amq. because RabbitMQ reserves these names",
        ),
        ({"AEG_HTTP_HOSTS": "http://a"}, "AEG_HTTP_HOSTS: must list host names"),
    ],
)
def test_a_setting_that_cannot_be_ends_the_start_with_one_sentence(subcommand, variables, says, tmp_path) -> None:
    command = [sys.executable, "-m", "audit_event_operator", subcommand]
    ended = subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin"} | variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"audit-event-operator: {says}")
    assert ended.stderr.count("\n") == 1
