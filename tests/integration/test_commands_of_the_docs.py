"""The commands that the pages tell a reader to type, run by bash on a real API server, a real RabbitMQ and the operator.

A fenced block of `sh` is run, unless `<!-- not run: reason -->` stands directly above it. Each page has a namespace of its own
and runs from top to bottom; README.md and manifests/README.md as well as docs/.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.parts.build import find_binaries
from support.parts.controlplane import REPOSITORY, ControlPlane
from support.parts.monitoring_crds import install_monitoring_crds
from support.parts.operator_process import OperatorProcess, running_operator
from support.parts.rabbitmq import Broker, RabbitMQ
from support.waiting import wait_until

pytestmark = pytest.mark.integration

BLOCK_SECONDS = 60
# Decisions tell those why who change the product; their commands are examples.
DOCS = [page for page in sorted((REPOSITORY / "docs").rglob("*.md")) if page.parent.name != "decisions"]
PAGES = [REPOSITORY / "README.md", REPOSITORY / "manifests/README.md", *DOCS]
# It takes the CustomResourceDefinition and the operator's rights away.
LAST = REPOSITORY / "docs/how-to/uninstall.md"
FENCE = re.compile(r"^ *```(\w*)$(.*?)^ *```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- not run: \S.* -->\n\Z")
# Pages that are about resources which their reader has already: the samples that are applied before.
BEFORE = {"docs/troubleshooting.md": ("01-minimal", "06-bounded-run", "05-secret-credentials")}


class Block(NamedTuple):
    """A fenced block: the line it begins in, its language and text, and whether it is marked as not to be run."""

    line: int
    language: str
    text: str
    marked: bool


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            text.count("\n", 0, found.start()) + 2,
            found[1],
            found[2],
            MARK.search(text[: found.start()]) is not None,
        )
        for found in FENCE.finditer(text)
    ]


def to_run(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "sh" and not block.marked]


RUN = [page for page in PAGES if to_run(page) and page != LAST]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster that the pages may change as they like, with the controllers that bring deletion to its end."""
    with ControlPlane(tmp_path_factory.mktemp("docs"), controller_manager=True) as running:
        running.install_crd()
        running.install_rbac()
        install_monitoring_crds(running)
        yield running


@pytest.fixture(scope="module")
def operator(
    plane: ControlPlane, rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("operator")
    with running_operator(plane, plane.operator_kubeconfig(), rabbitmq, folder) as running:
        yield running


def follow(page: Path, plane: ControlPlane, broker: RabbitMQ, folder: Path) -> None:
    """Do what the page says."""
    name = str(page.relative_to(REPOSITORY))
    namespace = "docs-" + re.sub(r"\W+", "-", name.removesuffix(".md")).lower()
    plane.kubectl("create", "namespace", namespace)
    for sample in BEFORE.get(name, ()):
        plane.kubectl("apply", "-n", namespace, "-f", REPOSITORY / f"manifests/samples/{sample}.yaml")
    environment = {
        "HOME": str(folder),
        "PATH": os.pathsep.join([str(find_binaries()), str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
        "KUBECONFIG": str(plane.user_kubeconfig("admin", namespace)),
        "BROKER_HOST": "127.0.0.1",
        "BROKER_PORT": str(broker.port),
        "BROKER_TLS_PORT": str(broker.tls_port),
        "BROKER_USER": broker.user,
        "BROKER_PASSWORD": broker.password,
        "BROKER_CA_FILE": str(broker.ca_file),
        "PASSWORD": "any",
    }
    try:
        for block in to_run(page):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=BLOCK_SECONDS,
                check=False,
            )
            assert done.returncode == 0, f"{name}:{block.line}\n{block.text}\n{done.stdout}"
    finally:
        plane.kubectl("delete", "aeg", "--all", "-n", namespace, "--ignore-not-found", check=False)


def test_every_page_speaks_of_a_shell_as_sh() -> None:
    """Else a block would be left out without a word."""
    other = [
        f"{page.name}:{block.line}"
        for page in PAGES
        for block in blocks(page)
        if block.language in {"bash", "shell", "console", "zsh"}
    ]
    assert other == []


@pytest.mark.parametrize("page", RUN, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_commands_of_a_page_pass(page, operator, plane, own_rabbitmq, tmp_path) -> None:
    assert operator.running
    follow(page, plane, own_rabbitmq, tmp_path)


def test_uninstalling_leaves_nothing(operator, plane, own_rabbitmq, tmp_path) -> None:
    assert operator.running
    # The page speaks of the default overlay; other pages have applied the production one and a component beside it.
    more = ("audit-event-operator-access-reviews", "audit-event-operator-metrics-reader")
    plane.kubectl("delete", "clusterrole,clusterrolebinding", *more, "--ignore-not-found")
    follow(LAST, plane, own_rabbitmq, tmp_path)
    wait_until(
        lambda: plane.request("GET", "/api/v1/namespaces/audit-event-operator").status == 404,
        what="the namespace's end",
    )
    left = plane.kubectl("get", "crd,clusterroles,clusterrolebindings", "-o", "name").stdout
    assert not [line for line in left.splitlines() if "audit-event" in line or "auditflow" in line]
