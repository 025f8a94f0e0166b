"""Installs the Debian packages that the tests need and that are missing: `PYTHONPATH=tests python -m support.parts.install`.

Silent when everything is there. No service is left running or enabled: the tests start what they need themselves.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# package → a program it brings. With the packages that they recommend, Prometheus would bring a node exporter.
PACKAGES = {
    "rabbitmq-server": "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "prometheus": "promtool",
    "openssl": "openssl",
    "rsyslog": "/usr/sbin/rsyslogd",
    "chromium": "chromium",
    "fail2ban": "fail2ban-server",
    "jq": "jq",
    "curl": "curl",
}
SERVICES = ("rabbitmq-server", "prometheus", "fail2ban", "rsyslog")
POLICY = Path("/usr/sbin/policy-rc.d")  # asked by every package before it starts a service; exit code 101 forbids it


def missing_packages() -> list[str]:
    """The packages whose program is not there."""
    return [package for package, program in PACKAGES.items() if shutil.which(program) is None]


def install(packages: list[str]) -> None:
    """Install with apt-get, as root. CalledProcessError when it fails; what it said is on stderr then."""
    with _no_service_starts():
        _apt("update", "-qq")
        _apt("install", "-qq", "-y", "--no-install-recommends", *packages)
    if Path("/run/systemd/system").exists():
        services = [service for service in SERVICES if service in packages]
        subprocess.run(["systemctl", "disable", "--now", "--quiet", *services], check=False, stderr=subprocess.DEVNULL)


def _apt(*arguments: str) -> None:
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()


@contextmanager
def _no_service_starts() -> Iterator[None]:
    if POLICY.exists():  # somebody has an opinion already
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def main() -> int:
    missing = missing_packages()
    if not missing:
        return 0
    names = " ".join(missing)
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print(
            f"The tests need {names} (Debian's names). As root on Debian or Ubuntu they are installed by this command; "
            f"else: apt-get install --no-install-recommends {names}",
            file=sys.stderr,
        )
        return 1
    print(f"Installing {names} ...", file=sys.stderr, flush=True)
    try:
        install(missing)
    except subprocess.CalledProcessError as error:
        print(f"`{' '.join(error.cmd)}` failed with exit code {error.returncode}.", file=sys.stderr)
        return 1
    if missing := missing_packages():
        print(f"Installed, and still there is no program of {' '.join(missing)}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
