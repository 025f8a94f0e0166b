"""How a newcomer gets the command, as the README says: `make demo` from a fresh clone, and pipx."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = {"APP_PORT": "0", "PROMETHEUS_PORT": "0", "MAKEFLAGS": "", "MAKELEVEL": "0"}

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path, cwd: Path = REPOSITORY, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, env=os.environ | environment, check=True, capture_output=True, text=True)


def test_make_demo_in_a_fresh_clone_says_what_it_does_and_then_prints_events_only(tmp_path: Path) -> None:
    run("git", "clone", "--quiet", REPOSITORY, tmp_path / "clone")
    demo = ("make", "demo", "ARGS=--for 2s")
    first = run(*demo, cwd=tmp_path / "clone", **ENVIRONMENT)
    assert first.stderr.startswith("Creating .venv")
    assert "Installing the operator" in first.stderr
    again = run(*demo, cwd=tmp_path / "clone", **ENVIRONMENT)
    assert again.stderr.startswith("Printing events")
    for line in (first.stdout + again.stdout).splitlines():
        assert json.loads(line)["event_id"]


def test_pipx_installs_the_command(tmp_path: Path) -> None:
    places = {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    run(sys.executable, "-m", "venv", tmp_path / "tools")
    python = tmp_path / "tools" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pipx")
    run(python, "-m", "pipx", "install", "--python", sys.executable, ".", **places)
    command = tmp_path / "bin" / "audit-event-operator"
    assert run(command, "version").stdout.startswith("audit-event-operator ")
    assert "AuditEventGenerator" in run(command, "sample", "minimal").stdout
