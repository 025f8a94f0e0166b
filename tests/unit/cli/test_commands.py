"""The commands that need nothing: exit codes, and who gets stdout."""

import re
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from audit_event_operator import __version__
from audit_event_operator.cli import main

FREE_PORTS = {"APP_PORT": "0", "PROMETHEUS_PORT": "0"}


def run(*arguments, **options):
    return CliRunner().invoke(main, arguments, **options)


def test_every_command_has_help():
    listing = run("--help").output
    for name in ("run", "standalone", "demo", "generate", "preview", "validate", "crd", "sample", "version"):
        assert name in listing
        assert run(name, "--help").exit_code == 0


def test_version_tells_version_and_commit():
    told = run("version", env={"AEG_COMMIT": "abc123"}).output
    assert told.startswith(f"audit-event-operator {__version__} (commit abc123,")


def test_samples_are_listed_and_printed():
    assert "01-minimal" in run("sample", "--list").output.splitlines()
    assert "kind: AuditEventGenerator" in run("sample", "minimal").output
    wrong = run("sample", "nonsense")
    assert wrong.exit_code == 2
    assert "01-minimal" in wrong.output


def test_validate_exits_with_what_it_found(tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text(run("sample", "01").output)
    assert run("validate", "-f", str(good)).exit_code == 0
    assert run("validate", "-f", "-", input=good.read_text()).exit_code == 0
    bad = tmp_path / "bad.yaml"
    bad.write_text(good.read_text().replace("spec: {}", "spec: {interval: 25h}"))
    found = run("validate", "-f", str(tmp_path))
    assert found.exit_code == 1
    assert re.search(r"bad\.yaml:.* interval", found.stderr)
    assert "good.yaml" in found.stdout
    assert run("validate").exit_code == 2


def test_validate_warns_on_stderr_and_is_content(tmp_path):
    unwise = tmp_path / "unwise.yaml"
    unwise.write_text(run("sample", "01").output.replace("spec: {}", 'spec: {queue: "audit "}'))
    found = run("validate", str(unwise))
    assert found.exit_code == 0
    assert found.stdout == f"{unwise}:2: AuditEventGenerator default/demo is valid\n"
    assert found.stderr.startswith(f"{unwise}:6: warning: queue starts or ends with a space")


NO_REVIEW = "AEG_API_AUTH=kubernetes needs a cluster, and {} runs without one; use none or token"


@pytest.mark.parametrize(
    "command, settings, says",
    [
        ("run", {"RABBITMQ_QUEUE": "amq.foo"}, "audit-event-operator: RABBITMQ_QUEUE: queue must not begin with amq."),
        ("standalone", {"RABBITMQ_QUEUE": "a\nb"}, "audit-event-operator: RABBITMQ_QUEUE: must be 1 to 255 characters"),
        (
            "demo",
            {"RABBITMQ_QUEUE": "é" * 128},
            "audit-event-operator: RABBITMQ_QUEUE: queue must be at most 255 bytes",
        ),
        ("run", {"AEG_API_AUHT": "token"}, "AEG_API_AUHT is not a setting; did you mean AEG_API_AUTH?"),
        ("standalone", {"AEG_API_AUHT": "token"}, "AEG_API_AUHT is not a setting; did you mean AEG_API_AUTH?"),
        ("demo", {"AEG_API_AUHT": "token"}, "AEG_API_AUHT is not a setting; did you mean AEG_API_AUTH?"),
        ("standalone", {"AEG_API_AUTH": "kubernetes"}, NO_REVIEW.format("standalone")),
        ("demo", {"AEG_API_AUTH": "kubernetes"}, NO_REVIEW.format("demo")),
        ("demo", {"APP_PORT": "many"}, "APP_PORT"),
        ("demo --for 0s", {}, "--for"),
        ("demo --for soon", {}, "--for"),
        ("demo --for -1s", {}, "--for"),
    ],
)
def test_wrong_use_exits_with_2_and_is_explained_on_stderr(command, settings, says):
    answer = run(*command.split(), env=FREE_PORTS | settings)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert says in answer.stderr


@pytest.mark.parametrize("mode", ["standalone", "demo"])
def test_files_without_a_valid_resource_fail_with_their_problems(mode, tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [")
    answer = run(mode, "-f", str(tmp_path), env=FREE_PORTS)
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert f"{tmp_path}/bad.yaml:1: not valid YAML" in answer.stderr
    assert "Done" not in answer.stderr


def test_a_port_that_is_taken_fails_with_the_setting_to_change():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = run("standalone", env=FREE_PORTS | {"APP_PORT": port, "AEG_BIND_ADDRESS": "127.0.0.1"})
    assert answer.exit_code == 1
    assert f"APP_PORT {port} is in use" in answer.stderr


def test_help_and_demo_start_without_kubernetes_and_kopf():
    code = """import sys, audit_event_operator.modes.without_cluster
print([m for m in ('kopf', 'kubernetes', 'pika') if m in sys.modules])"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_help_is_quick():
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "audit_event_operator", "--help"], capture_output=True, check=True)
    assert time.monotonic() - began < 5
