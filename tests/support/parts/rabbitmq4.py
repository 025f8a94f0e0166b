"""RabbitMQ 4 of a newer Debian on this one, without containers: a tree of files in the cache, made once by debootstrap.

A program of it runs in a mount namespace of its own, in which /usr is the tree's. Everything else (data, configuration, ports,
pid) is as if it were installed. By hand: `PYTHONPATH=tests python -m support.parts.rabbitmq4 SUITE`.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.parts import install
from support.parts.build import BuildError, cache_folder, only_one

SUITES = ("trixie", "forky")
"""Debian 13, which has RabbitMQ 4.0, and what is to become Debian 14, which had 4.3 in November 2026."""
PACKAGE = "rabbitmq-server"
SCRIPT = "/usr/share/debootstrap/scripts/sid"
PROGRAM = "usr/lib/rabbitmq/bin/rabbitmq-server"
# Beside Debian's own repository there are those of its updates and of others, which have no whole suite.
WHOLE_DEBIAN = re.compile(r"/debian/?$")
# The shell is the old one, what it becomes is the new one; nobody else ever sees the mount, and it ends with the process.
BECOME = 'mount --bind "$0" /usr && exec "$@"'


def tree_folder(suite: str) -> Path:
    """The tree in the cache (it need not exist yet)."""
    return cache_folder() / f"rabbitmq-{suite}"


def find_tree(suite: str) -> Path:
    """The tree; BuildError where there is none yet."""
    folder = tree_folder(suite)
    if not folder.exists():
        raise BuildError(
            f"RabbitMQ of Debian {suite} is not there yet ({folder} is missing): run `make test-rabbitmq4 SUITE={suite}`, "
            f"or `PYTHONPATH=tests python -m support.parts.rabbitmq4 {suite}` (a minute, once)."
        )
    return folder


def inside(tree: Path, command: list[str]) -> list[str]:
    """The command, run with the tree's programs and libraries. It becomes the command: same pid, same parent."""
    return ["unshare", "--mount", "sh", "-c", BECOME, str(tree / "usr"), *command]


def build(suite: str) -> Path:
    """Make the tree if it is missing and return it; two processes never make it at the same time."""
    target = tree_folder(suite)
    target.parent.mkdir(parents=True, exist_ok=True)
    with only_one(target.parent / "rabbitmq4.lock", "making the tree of RabbitMQ 4"):
        if target.exists():
            return target
        if os.geteuid() != 0:
            raise BuildError(f"A tree of Debian {suite} can only be made and used by root.")
        if shutil.which("debootstrap") is None:
            install.install(["debootstrap"])
        _say(f"Installing RabbitMQ of Debian {suite} into {target} (a minute, once) ...")
        started = time.monotonic()
        # Made beside the target: a rename within one file system is all or nothing.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as scratch:
            made = Path(scratch) / suite
            _debootstrap(suite, made)
            shutil.rmtree(made / "var/cache/apt", ignore_errors=True)
            made.rename(target)
        _say(f"Installed in {time.monotonic() - started:.0f} s.")
    return target


def _debootstrap(suite: str, into: Path) -> None:
    # In a namespace of its own, so that what debootstrap mounts is never left behind in a folder that is removed.
    include = ["--variant=minbase", f"--include={PACKAGE}"]
    # How Debian is put together is the same for all suites; this debootstrap may not know the newest by name.
    command = ["unshare", "--mount", "debootstrap", *include, suite, str(into), _repository(), SCRIPT]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not (into / PROGRAM).exists():
        said = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise BuildError(f"debootstrap failed with exit code {done.returncode}:\n{said}")


def _repository() -> str:
    """Where this machine's own apt gets Debian from."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    for address in asked.stdout.splitlines():
        if WHOLE_DEBIAN.search(address):
            return address
    raise BuildError("apt of this machine is configured with no repository of Debian.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Make the tree of the suite that is named, print its folder on stdout."""
    if len(sys.argv) != 2 or sys.argv[1] not in SUITES:
        _say(f"Name one suite: {' or '.join(SUITES)}.")
        return 2
    try:
        print(build(sys.argv[1]))
    except (BuildError, subprocess.CalledProcessError) as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
