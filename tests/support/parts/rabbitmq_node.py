"""What a node of RabbitMQ is made of: which installation its programs come from, its epmd, its environment and configuration.

Knows no protocol and starts no node; `RabbitMQ` (rabbitmq.py) does.
"""

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.parts import rabbitmq4
from support.parts.certificates import issue, make_authority
from support.parts.processes import PartError, Process, free_port

# Not the wrapper on PATH, which changes to the user rabbitmq and to its data folder.
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
CHOICE = "AEG_TEST_RABBITMQ"
COOKIE = ".erlang.cookie"


@dataclass(frozen=True)
class Installation:
    """RabbitMQ's programs: those of this machine, or (`tree`) those of another Debian's tree of files."""

    tree: Path | None = None

    @classmethod
    def chosen(cls, environment: Mapping[str, str]) -> "Installation":
        """The one of the Debian suite that AEG_TEST_RABBITMQ names, or this machine's when it is unset or empty.

        Raises:
            PartError: it names no suite that has RabbitMQ 4.
            BuildError: it was not made yet.
        """
        wanted = environment.get(CHOICE, "")
        if wanted not in {"", *rabbitmq4.SUITES}:
            suites = " or ".join(rabbitmq4.SUITES)
            raise PartError(f"{CHOICE} is {wanted!r}; it may be {suites}, or unset for the RabbitMQ of this machine.")
        return cls(rabbitmq4.find_tree(wanted) if wanted else None)

    def command(self, program: str | Path, *arguments: str) -> list[str]:
        """The command line that runs one of its programs; the process that is started becomes the program."""
        found = (self.tree or Path("/")) / (PROGRAMS / "rabbitmq-server").relative_to("/")
        if not found.exists():
            raise PartError(f"There is no {found}: run `PYTHONPATH=tests python -m support.parts.install`.")
        command = [str(program), *arguments]
        return rabbitmq4.inside(self.tree, command) if self.tree else command

    @property
    def path(self) -> str:
        """PATH for its programs."""
        standard = self.tree is not None or shutil.which("erl", path=os.defpath)
        return os.defpath if standard else os.environ.get("PATH", os.defpath)


class Epmd:
    """Erlang's register of nodes, on a port of its own: a node would start one in the background, which outlives us."""

    def __init__(self, folder: Path, installation: Installation) -> None:
        """Nothing is started yet; its log goes into `folder`, which must exist."""
        self.port = free_port()
        command = installation.command("epmd", "-address", "127.0.0.1", "-port", str(self.port))
        environment = {"PATH": installation.path, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
        self.process = Process("epmd", command, log=folder / "epmd.log", env=environment)

    def start(self) -> None:
        """Start it if it does not run."""
        if not self.process.running:
            self.process.start()

    def kill(self) -> None:
        self.process.kill()


@dataclass(frozen=True)
class Node:
    """One node in a folder: its name, ports and secrets."""

    folder: Path
    installation: Installation
    epmd: Epmd
    user: str
    password: str
    name: str = "tests"
    cookie: str = field(default_factory=lambda: secrets.token_hex(16))
    port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    distribution_port: int = field(default_factory=free_port)
    # Beside the default range of others, of whom each takes one port of eleven.
    command_port: int = field(default_factory=free_port)
    peers: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Erlang's name of it."""
        return f"{self.name}@localhost"

    def environment(self) -> dict[str, str]:
        """Of the server and of rabbitmqctl. Nothing of the caller's: a RABBITMQ_… of theirs would change the node."""
        return {
            "PATH": self.installation.path,
            "HOME": str(self.folder),  # the cookie is here
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self.epmd.port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.full_name,
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_CTL_DIST_PORT_MIN": str(self.command_port),
            "RABBITMQ_CTL_DIST_PORT_MAX": str(self.command_port + 10),
            "RABBITMQ_BASE": str(self.folder),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self.folder / "rabbitmq.pid"),
            # The server script then becomes the server, so that its pid is the one to signal; -noinput is what it leaves out.
            "RABBITMQ_ALLOW_INPUT": "true",
            "RABBITMQ_SERVER_START_ARGS": "-noinput",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    def write(self) -> None:
        """Certificates, cookie and configuration, if they are not there yet."""
        if (self.folder / COOKIE).exists():
            return
        authority = make_authority(self.folder)
        server = issue(authority, self.folder, "server", ["127.0.0.1", "localhost"])
        issue(authority, self.folder, "client")
        (self.folder / "enabled_plugins").write_text("[].\n")
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
            f"ssl_options.cacertfile = {authority.certificate}",
            f"ssl_options.certfile = {server.certificate}",
            f"ssl_options.keyfile = {server.key}",
            "ssl_options.verify = verify_peer",  # a client's certificate is looked at, but not asked for
            "ssl_options.fail_if_no_peer_cert = false",
            f"default_user = {self.user}",
            f"default_pass = {self.password}",
            "default_user_tags.administrator = true",
            "log.console.level = info",
            *_cluster_of(self.peers),
        ]
        (self.folder / "rabbitmq.conf").write_text("\n".join([*lines, ""]))
        cookie = self.folder / COOKIE
        cookie.write_text(self.cookie)
        cookie.chmod(0o400)


def _cluster_of(peers: Iterable[str]) -> list[str]:
    """The lines that let nodes which start together find each other, and know again whom they belong to."""
    numbered = [f"cluster_formation.classic_config.nodes.{index} = {peer}" for index, peer in enumerate(peers, 1)]
    return ["cluster_formation.peer_discovery_backend = classic_config", *numbered] if numbered else []
