"""The chart as a release has it: packaged for one image, pushed to a registry, and installed from there."""

import http.client
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from audit_event_operator import __version__
from support.parts.build import find_binaries
from support.parts.controlplane import REPOSITORY
from support.parts.helm import CHART, find_helm, helm_version
from support.parts.processes import Process, free_port
from support.waiting import wait_until

IMAGE = "ghcr.io/someone/audit-event-operator"
DIGEST = "sha256:" + "5" * 64
PACKAGE = f"audit-event-operator-{__version__}.tgz"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the Makefile needs for a release, where it may write dist/."""
    for name in ("Makefile", "CHANGELOG.md"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for name in ("charts", "crds", "manifests", "operator"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    return tmp_path


def make(checkout: Path, *arguments: str) -> None:
    tools = [f"HELM={find_helm() / 'helm'}", f"KUBECTL={find_binaries() / 'kubectl'}"]
    done = subprocess.run(["make", "-s", *arguments, *tools], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_helm_is_the_version_of_the_go_module(helm) -> None:
    assert helm.run("version", "--template", "{{.Version}}").stdout == helm_version()


def test_a_release_packages_the_chart_for_its_image(checkout, render) -> None:
    make(checkout, "release-files", f"RELEASE_IMAGE={IMAGE}", f"DIGEST={DIGEST}")
    assert sorted(path.name for path in (checkout / "dist").iterdir()) == [
        PACKAGE, "crds.yaml", "install", "install.yaml", "notes.md",
    ]  # fmt: skip
    images = {
        container["image"]
        for documents in (render(chart=checkout / "dist" / PACKAGE), install_yaml(checkout))
        for each in documents
        if each["kind"] == "Deployment"
        for container in each["spec"]["template"]["spec"]["containers"]
    }
    assert images == {f"{IMAGE}:{__version__}@{DIGEST}"}, "chart and install.yaml run the same"


def install_yaml(checkout: Path) -> list[dict]:
    return list(yaml.safe_load_all((checkout / "dist/install.yaml").read_text()))


def test_a_package_of_one_s_own_is_the_chart_without_its_tests(checkout, render) -> None:
    make(checkout, "chart")
    assert [path.name for path in (checkout / "dist").iterdir()] == [PACKAGE]
    with tarfile.open(checkout / "dist" / PACKAGE) as package:
        names = {name.removeprefix("audit-event-operator/") for name in package.getnames()}
    wanted = {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file()}
    assert names == {name for name in wanted if not name.startswith("tests/")}
    assert render(chart=checkout / "dist" / PACKAGE) == render()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of a registry that keeps everything in memory."""
    port = free_port()
    process = Process("registry", [find_helm() / "registry", f"-port={port}"], log=tmp_path / "registry.log")

    def answers() -> bool:
        process.must_run()
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            line.request("GET", "/v2/")
            return line.getresponse().status == 200
        except OSError:
            return False
        finally:
            line.close()

    process.start()
    try:
        wait_until(answers, what="the registry", explain=process.log_tail)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()


def test_what_was_pushed_can_be_installed_by_its_name_and_version(checkout, helm, registry, render) -> None:
    make(checkout, "chart", f"RELEASE_IMAGE={IMAGE}", f"DIGEST={DIGEST}")
    package = checkout / "dist" / PACKAGE
    pushed = helm.run("push", package, f"oci://{registry}/someone/charts", "--plain-http")
    assert f"Pushed: {registry}/someone/charts/audit-event-operator:{__version__}" in pushed.stdout + pushed.stderr
    assert "Digest: sha256:" in pushed.stdout + pushed.stderr, "what the workflow signs"
    address = f"oci://{registry}/someone/charts/audit-event-operator"
    done = helm.run("template", "audit-event-operator", address, "--version", __version__, "--plain-http")
    (deployment,) = [each for each in yaml.safe_load_all(done.stdout) if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{IMAGE}:{__version__}@{DIGEST}"
    shown = helm.run("show", "values", address, "--version", __version__, "--plain-http").stdout
    assert f"repository: {IMAGE}" in shown
