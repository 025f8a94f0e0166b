"""Dependencies: each is really used, and each has its reason written down."""

import ast
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ONLY_DATA = {"tzdata"}  # the standard library reads it where the system has no time zones
ROOT = Path(__file__).parents[3]
ASKED = {
    Requirement(line).name for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
}
IMPORTED_AS = {"python-dotenv": "dotenv", "python-json-logger": "pythonjsonlogger", "pyyaml": "yaml"}


def imported():
    found = set()
    for path in (ROOT / "operator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found


def test_every_dependency_is_imported_somewhere():
    modules = {name: IMPORTED_AS.get(name, name.replace("-", "_")) for name in ASKED - ONLY_DATA}
    assert {name for name, module in modules.items() if module not in imported()} == set()


def test_every_dependency_has_its_reason():
    reasons = (ROOT / "docs/decisions/0002-dependencies.md").read_text()
    assert {name for name in ASKED if f"\n| {name} |" not in reasons} == set()
