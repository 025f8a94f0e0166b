"""The lock files: complete, by hash, of one piece, and free of anything about the machine that wrote them."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
LOCKS = {name: (ROOT / "requirements" / f"{name}.txt").read_text() for name in ("run", "build", "dev")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[\w.]+)(?: ; (?P<marker>[^\\]+))? \\$", re.MULTILINE)


def pins(lock):
    return {canonicalize_name(match["name"]): Version(match["version"]) for match in PIN.finditer(LOCKS[lock])}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_and_no_address(lock):
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted-host"):
        assert word not in LOCKS[lock]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_carries_a_hash_and_every_line_belongs_to_a_pin(lock):
    blocks = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", LOCKS[lock], flags=re.MULTILINE).strip())
    assert len(blocks) == len(pins(lock))
    for block in blocks:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block


def test_the_locks_satisfy_what_the_package_asks_for():
    groups = PROJECT["dependency-groups"]
    development = [entry for entry in groups["dev"] if isinstance(entry, str)]
    asked = {"run": PROJECT["project"]["dependencies"], "build": groups["build"], "dev": development}
    asked["build"] = [*asked["build"], *PROJECT["build-system"]["requires"]]
    for lock, requirements in asked.items():
        for requirement in map(Requirement, requirements):
            version = pins(lock).get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement} is missing from requirements/{lock}.txt; `make lock` adds it"
            assert requirement.specifier.contains(version), f"{requirement} is not satisfied by {version}"


@pytest.mark.parametrize("lock", ["run", "build"])
def test_development_has_the_versions_that_users_have(lock):
    assert pins(lock).items() <= pins("dev").items()
