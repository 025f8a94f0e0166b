"""The two modes without a cluster, as a person runs them: the demo, and the drop-in for the seed service."""

import json
import signal
import subprocess
import sys
import urllib.request
import uuid
from pathlib import Path

import pytest

from support.parts.operator_process import OperatorProcess
from support.parts.processes import free_port
from support.parts.rabbitmq import Broker
from support.waiting import wait_until

COMMAND = [sys.executable, "-m", "audit_event_operator"]
SEED_KEYS = {
    "event_id", "timestamp", "source_service", "server_hostname", "event_type", "severity", "user_id",
    "action_result", "details",
}  # fmt: skip


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def test_the_demo_shows_events_and_nothing_else_on_stdout(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*COMMAND, "demo", "--for", "5s"], capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert len(events) >= 8
    for event in events:
        assert set(event) - {"resource", "client_ip"} == SEED_KEYS
        assert uuid.UUID(event["event_id"]).version == 4
    assert "curl" in ended.stderr
    assert f"{len(events)} events printed" in ended.stderr


ATTACKED = """
apiVersion: auditflow.jojees.net/v1alpha1
kind: AuditEventGenerator
metadata: {name: attacked}
spec:
  interval: 500ms
  activity: Sessions
  scenarios:
    - {name: guess, type: BruteForce, attempts: {min: 5, max: 5}, pace: {min: 50ms, max: 100ms}, successPercent: 0}
"""


@pytest.mark.parametrize("file", [None, "truth.jsonl"])
def test_the_demo_tells_of_episodes_and_their_truth_beside_the_events(file, tmp_path: Path) -> None:
    (tmp_path / "attacked.yaml").write_text(ATTACKED)
    options = [] if file is None else ["--truth", file]
    done = subprocess.run(
        [*COMMAND, "demo", "--for", "4s", "-f", "attacked.yaml", *options],
        capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0
    events = {event["event_id"]: event for event in map(json.loads, done.stdout.splitlines())}
    told = [line for line in done.stderr.splitlines() if line.startswith("{")]
    written = [] if file is None else (tmp_path / file).read_text().splitlines()
    (record,) = map(json.loads, told + written)
    assert bool(written) == (file is not None)
    assert {events[each["eventId"]]["action_result"] for each in record["events"]} == {"FAILURE"}
    assert record["expectedAlerts"][0]["count"] == 3
    assert "of scenario guess (BruteForce) begins." in done.stderr
    assert "ended: Completed, 5 events published; expected alerts: 3 ANLY-SEC-001." in done.stderr


def test_while_the_demo_runs_all_routes_answer_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    port, environment = free_port(), {"PATH": "/usr/bin:/bin", "PROMETHEUS_PORT": "0"}
    demo = subprocess.Popen(
        [*COMMAND, "demo"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment | {"APP_PORT": str(port)}, cwd=tmp_path,
    )  # fmt: skip
    try:
        assert demo.stdout is not None
        first = json.loads(demo.stdout.readline())
        base = f"http://127.0.0.1:{port}"
        assert json.loads(fetch(f"{base}/healthz"))["status"] == "healthy"
        assert "audit_event_generator_events_total" in fetch(f"{base}/metrics")
        assert json.loads(fetch(f"{base}/generators"))
        post = urllib.request.Request(
            f"{base}/generate_event",
            data=b'{"event_type":"user_login","user_id":"by-hand"}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(post, timeout=5) as answer:
            assert answer.status == 202
            posted = json.loads(answer.read())["event_id"]
        demo.send_signal(signal.SIGINT)
        out, err = demo.communicate(timeout=10)
    finally:
        demo.kill()
    assert demo.returncode == 0
    assert posted in [json.loads(line)["event_id"] for line in out.splitlines()]
    assert "events printed" in err
    assert "Traceback" not in err
    assert first["source_service"] == "audit-event-generator"


def test_the_demo_takes_another_port_when_its_own_is_taken(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "APP_PORT": str(free_port()), "PROMETHEUS_PORT": "0"}
    with subprocess.Popen([*COMMAND, "demo"], stdout=subprocess.PIPE, env=environment, cwd=tmp_path) as one:
        assert one.stdout is not None
        one.stdout.readline()
        other = subprocess.run(
            [*COMMAND, "demo", "--for", "1s"],
            capture_output=True,
            text=True,
            timeout=30,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
        one.terminate()
    assert other.returncode == 0
    assert other.stdout


def test_a_reader_that_has_enough_ends_the_demo_quietly(tmp_path: Path) -> None:
    ended = subprocess.run(
        ["/bin/sh", "-c", f"{' '.join(COMMAND)} demo | head -1"],
        capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False,
        env={"PATH": "/usr/bin:/bin", "APP_PORT": "0", "PROMETHEUS_PORT": "0"},
    )  # fmt: skip
    assert len(ended.stdout.splitlines()) == 1
    assert "Traceback" not in ended.stderr


def test_standalone_is_the_seed_service_by_the_seeds_variables(tmp_path: Path, rabbitmq: Broker, queue: str) -> None:
    environment = rabbitmq.environment() | {"RABBITMQ_QUEUE": queue, "EVENT_GENERATION_INTERVAL_SECONDS": "0.25"}
    with OperatorProcess(tmp_path, "standalone", env=environment) as seed:
        messages = rabbitmq.take(queue, 5, timeout_seconds=10)
        assert seed.get_json("/healthz")["rabbitmq_connected"] is True
        assert seed.metric("audit_event_generator_rabbitmq_connection_status") == 1
        assert seed.metric("audit_event_operator_generator_interval_seconds", generator="audit-event-generator") == 0.25
        stopped = seed.stop()
    assert stopped.exit_code == 0
    for message in messages:
        assert set(message.json()) - {"resource", "client_ip"} == SEED_KEYS


def test_saving_a_file_acts_like_kubectl_apply(tmp_path: Path, rabbitmq: Broker, queue: str) -> None:
    streams = tmp_path / "streams"
    streams.mkdir()
    file = streams / "one.yaml"
    text = (
        "apiVersion: auditflow.jojees.net/v1alpha1\nkind: AuditEventGenerator\nmetadata: {name: one, namespace: shop}\n"
        f"spec: {{queue: {queue}, interval: INTERVAL}}\n"
    )
    file.write_text(text.replace("INTERVAL", "1h"))
    with OperatorProcess(tmp_path, "standalone", "-f", streams, env=rabbitmq.environment()) as operator:
        rabbitmq.take(queue, 1, timeout_seconds=10)
        file.write_text(text.replace("INTERVAL", "50ms"))
        rabbitmq.take(queue, 10, timeout_seconds=10)
        row = operator.get_json("/generators/shop/one")
        assert row["events_published"] >= 10, "the counters go on"
        file.write_text(text.replace("INTERVAL", "25h"))
        operator.wait_for_log("one.yaml:4: interval")
        assert operator.status_of("/generators/shop/one") == 200, "a broken save disturbs nothing"
        file.unlink()
        wait_until(lambda: operator.status_of("/generators/shop/one") == 404, timeout_seconds=10, what="its end")
