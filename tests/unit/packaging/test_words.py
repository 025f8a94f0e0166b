"""Retired words do not come back as names of modules, classes and functions; CONTRIBUTING.md has the words in use."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

RETIRED = {
    "nap", "pulse", "chatter", "desk", "lane", "tally", "agenda", "intake", "keeper", "announcer", "standing", "suspicion",
    "vital", "shelf", "verdict", "sights", "witness", "vigil", "fate", "deed", "station",
}  # fmt: skip
RETIRED_CLASSES = {"Term", "Tools", "Session", "Asking", "Mute", "LineLost", "WayOut", "Bench", "Saw"}


def words(name: str) -> set[str]:
    """The words in an identifier, snake or camel."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"))


def names(path: Path) -> Iterator[str]:
    """Modules, classes and functions; test functions are sentences and may use any word."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith(
            "test_"
        ):
            yield node.name


def test_no_name_has_a_retired_word():
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / line for line in listed.splitlines() if (ROOT / line).exists()]
    assert len(paths) > 300
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name in names(path)
        if words(name) & RETIRED or name in RETIRED_CLASSES
    ]
    assert not found


@pytest.mark.parametrize(
    "name, parts",
    [("LeaseKeeper", {"lease", "keeper"}), ("_work_queue", {"", "work", "queue"}), ("asknap", {"asknap"})],
)
def test_words_are_told_apart(name, parts):
    assert words(name) == parts
