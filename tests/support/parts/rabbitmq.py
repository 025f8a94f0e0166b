"""A real RabbitMQ on loopback, apart from any other on the machine, and what tests ask a broker by AMQP.

`Broker` is any broker that can be reached; `RabbitMQ` is one that the tests own: they may stop, kill and administer it.
"""

import json
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from support.parts.processes import Process
from support.parts.rabbitmq_node import PROGRAMS, Epmd, Installation, Node
from support.waiting import wait_until

READY_SECONDS = 30


class Message(NamedTuple):
    """A message as it was in the queue."""

    properties: pika.BasicProperties
    body: bytes
    routing_key: str = ""

    def json(self) -> Any:
        return json.loads(self.body)


class Broker:
    """A broker that is there already: its address, and short questions to it, each on a connection of its own."""

    def __init__(self, host: str, port: int, user: str, password: str, vhost: str = "/") -> None:
        self.host = host
        self.port = port
        self.user = user
        self.password = password
        self.vhost = vhost

    @classmethod
    def from_url(cls, url: str) -> "Broker":
        """A broker by its URL (plain AMQP only)."""
        parameters = pika.URLParameters(url)
        login = parameters.credentials
        return cls(parameters.host, parameters.port, login.username, login.password, parameters.virtual_host)

    @property
    def url(self) -> str:
        vhost = self.vhost.replace("/", "%2F")
        return f"amqp://{self.user}:{self.password}@{self.host}:{self.port}/{vhost}"

    def environment(self) -> dict[str, str]:
        """The variables that make it the operator's default target."""
        return {
            "RABBITMQ_HOST": self.host,
            "RABBITMQ_PORT": str(self.port),
            "RABBITMQ_USER": self.user,
            "RABBITMQ_PASS": self.password,
            "RABBITMQ_VHOST": self.vhost,
        }

    def secret(self, name: str, namespace: str, *, labelled: bool = True, **changed: str) -> dict[str, Any]:
        """The Secret object that leads to it; `changed` replaces keys of its data, an empty value removes one."""
        data = {"host": self.host, "port": str(self.port), "username": self.user, "password": self.password} | changed
        metadata: dict[str, Any] = {"name": name, "namespace": namespace}
        if labelled:
            metadata["labels"] = {"auditflow.jojees.net/broker-credentials": "true"}
        kept = {key: value for key, value in data.items() if value}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": kept}

    @contextmanager
    def channel(self, vhost: str | None = None) -> Iterator[BlockingChannel]:
        """A channel on a fresh connection, both closed at the end."""
        parameters = pika.ConnectionParameters(
            self.host,
            self.port,
            vhost or self.vhost,
            pika.PlainCredentials(self.user, self.password),
            connection_attempts=1,
            socket_timeout=5,
            blocked_connection_timeout=20,
        )
        connection = pika.BlockingConnection(parameters)
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()

    def answers(self) -> bool:
        """Does it take a connection now?"""
        try:
            # First without pika, which says in ten log lines that nobody listens.
            socket.create_connection((self.host, self.port), timeout=5).close()
            with self.channel():
                return True
        except (AMQPError, OSError):
            return False

    def declare(self, queue: str, arguments: Mapping[str, Any] | None = None, *, durable: bool = True) -> None:
        with self.channel() as channel:
            channel.queue_declare(queue, durable=durable, arguments=dict(arguments or {}))

    def delete(self, queue: str) -> None:
        """Delete a queue; it need not exist."""
        with self.channel() as channel:
            channel.queue_delete(queue)

    def declare_exchange(self, name: str, kind: str = "topic") -> None:
        with self.channel() as channel:
            channel.exchange_declare(name, kind, durable=True)

    def delete_exchange(self, name: str) -> None:
        with self.channel() as channel:
            channel.exchange_delete(name)

    def bind(self, queue: str, exchange: str, key: str = "", arguments: Mapping[str, Any] | None = None) -> None:
        """Declare a queue and bind it."""
        with self.channel() as channel:
            channel.queue_declare(queue, durable=True)
            channel.queue_bind(queue, exchange, key, dict(arguments or {}))

    def unbind(self, queue: str, exchange: str, key: str = "") -> None:
        with self.channel() as channel:
            channel.queue_unbind(queue, exchange, key)

    def exists(self, queue: str) -> bool:
        return self._ready_messages(queue) is not None

    def queue_depth(self, queue: str) -> int:
        """How many messages are ready; 0 when there is no such queue."""
        return self._ready_messages(queue) or 0

    def purge(self, queue: str) -> None:
        with self.channel() as channel:
            channel.queue_purge(queue)

    def publish(self, queue: str, body: bytes, *, persistent: bool = True) -> None:
        """One message, confirmed by the broker when this returns."""
        with self.channel() as channel:
            channel.confirm_delivery()
            properties = pika.BasicProperties(delivery_mode=2 if persistent else 1)
            channel.basic_publish("", queue, body, properties, mandatory=True)

    def drain(self, queue: str) -> list[Message]:
        """Take all messages that are ready out of the queue; [] when there is no such queue."""
        taken: list[Message] = []
        while depth := self.queue_depth(queue):
            taken += self.take(queue, depth)
        return taken

    def take(self, queue: str, count: int, *, timeout_seconds: float = 30) -> list[Message]:
        """Take exactly `count` messages out of the queue, and wait for those that are not there yet.

        AssertionError when they did not come in time; then the last ones that came (at most 1,000) are back in the queue.
        """
        taken: list[Message] = []
        last_tag = acknowledged = 0
        deadline = time.monotonic() + timeout_seconds
        wait_until(lambda: self.exists(queue), timeout_seconds=timeout_seconds, what=f"the queue {queue!r}")
        with self.channel() as channel:
            channel.basic_qos(prefetch_count=min(count, 2000))
            for method, properties, body in channel.consume(queue, inactivity_timeout=0.1):
                if method is not None:
                    taken.append(Message(properties, body, method.routing_key))
                    last_tag = method.delivery_tag
                    if len(taken) % 1000 == 0:  # in bulk, but before the prefetch window is full
                        channel.basic_ack(last_tag, multiple=True)
                        acknowledged = last_tag
                if len(taken) == count:
                    break
                if time.monotonic() > deadline:
                    raise AssertionError(
                        f"{len(taken)} of {count} messages came into {queue!r} within {timeout_seconds} s."
                    )
            if last_tag > acknowledged:
                channel.basic_ack(last_tag, multiple=True)
            channel.cancel()
        return taken

    def _ready_messages(self, queue: str) -> int | None:
        with self.channel() as channel:
            try:
                return int(channel.queue_declare(queue, passive=True).method.message_count)
            except ChannelClosedByBroker as error:
                if error.reply_code == 404:
                    return None
                raise


class RabbitMQ(Broker):
    """A broker of our own in a folder: own node name, ports, cookie and data; plain AMQP and TLS; a user who may do all."""

    def __init__(self, folder: Path, *, installation: Installation | None = None, node: Node | None = None) -> None:
        """Nothing is started yet.

        Args:
            folder: where data, configuration and log go; must exist.
            installation: which RabbitMQ; else the one that AEG_TEST_RABBITMQ chooses.
            node: an exact description, for one of several nodes; its folder must be `folder`, its epmd is not ended with it.
        """
        self._own_epmd: Epmd | None = None
        if node is None:
            installation = installation or Installation.chosen(os.environ)
            self._own_epmd = Epmd(folder, installation)
            # A password that a search for it in logs and metrics cannot find by chance.
            node = Node(folder, installation, self._own_epmd, "tester", f"secret-{secrets.token_hex(12)}")
        super().__init__("127.0.0.1", node.port, node.user, node.password)
        self.folder = folder
        self.node = node
        self.tls_port = node.tls_port
        self.ca_file = folder / "ca.crt"
        self.client_certificate = folder / "client.crt"
        self.client_key = folder / "client.key"
        self._env = node.environment()
        command = node.installation.command(PROGRAMS / "rabbitmq-server")
        self.server = Process(f"rabbitmq-server {node.name}", command, log=folder / "rabbitmq.log", env=self._env)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- start and stop ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start (again) on the same port and data, and wait until clients are served (3–5 s)."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start (again) without waiting, for nodes that wait for each other."""
        self.node.write()
        self.node.epmd.start()
        self.server.start()

    def wait_ready(self) -> None:
        """Wait until clients are served; PartError when the server ends before."""

        def ready() -> bool:
            self.server.must_run()
            return self.answers()

        wait_until(
            ready, timeout_seconds=READY_SECONDS, what="RabbitMQ", explain=self.server.log_tail, every_seconds=0.1
        )

    def stop(self) -> None:
        """End it gently: clients are told (connection.close 320), messages are written."""
        self.server.stop(timeout_seconds=30)

    def kill(self, *, definitions_written: bool = True) -> None:
        """SIGKILL: clients see a broken line.

        Args:
            definitions_written: write queues, users and vhosts to the disk first. RabbitMQ itself may leave them in memory for
                2 s, and a queue that is lost so takes its messages along, confirmed ones too.
        """
        if definitions_written:
            self.write_definitions()
        self.server.kill()

    def write_definitions(self) -> None:
        """Have it write queues, users and vhosts to the disk now."""
        self.rabbitmqctl("eval", "mnesia:sync_log().")

    def close(self) -> None:
        """End everything for good, the data with it."""
        self.server.kill()
        if self._own_epmd is not None:
            self._own_epmd.kill()

    def pause(self) -> None:
        """SIGSTOP: clients see nothing at all."""
        self.server.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.server.resume()

    # --- administration ---------------------------------------------------------------------------------------------

    def version(self) -> str:
        """Of the server that runs, for example "3.10.8"."""
        return self.rabbitmqctl("eval", "rabbit_misc:version().").strip().strip('"')

    def release(self) -> tuple[int, int]:
        """For example (3, 10): what a behaviour that changed depends on."""
        major, minor = self.version().split(".")[:2]
        return int(major), int(minor)

    def rabbitmqctl(self, *arguments: str, timeout_seconds: float = 100) -> str:
        """Run rabbitmqctl on this node and return its output; AssertionError when it fails."""
        command = self.node.installation.command(PROGRAMS / "rabbitmqctl", "--quiet", *arguments)
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            env=self._env,
            cwd=self.folder,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"rabbitmqctl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def add_user(self, name: str, password: str, *, vhost: str = "/", write: str = ".*", configure: str = ".*") -> None:
        """A user with rights in one vhost, which is made as well; `write` and `configure` are patterns of names."""
        self.define(
            vhosts=[{"name": vhost}],
            users=[{"name": name, "password": password, "tags": ""}],
            permissions=[{"user": name, "vhost": vhost, "configure": configure, "write": write, "read": ".*"}],
        )

    def add_vhost(self, name: str) -> None:
        """A vhost, in which the tests' own user may do everything."""
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.define(vhosts=[{"name": name}], permissions=[{"user": self.user, "vhost": name, **everything}])

    def define(self, **definitions: list[dict[str, Any]]) -> None:
        """Import definitions (vhosts, users, permissions, policies, queues …), all with one start of rabbitmqctl."""
        with tempfile.NamedTemporaryFile("w", dir=self.folder, suffix=".json") as file:
            json.dump(definitions, file)
            file.flush()
            self.rabbitmqctl("import_definitions", file.name)

    def delete_vhost(self, name: str) -> None:
        self.rabbitmqctl("delete_vhost", name)

    def change_password(self, user: str, password: str) -> None:
        self.rabbitmqctl("change_password", user, password)

    def raise_memory_alarm(self) -> None:
        """From now on every connection that publishes is blocked."""
        self.rabbitmqctl("set_vm_memory_high_watermark", "0")

    def clear_memory_alarm(self) -> None:
        self.rabbitmqctl("set_vm_memory_high_watermark", "0.4")

    def close_all_connections(self, reason: str = "closed by a test") -> None:
        """Every client gets connection.close 320."""
        self.rabbitmqctl("close_all_connections", reason)

    def list_queues(self, vhost: str = "/") -> dict[str, dict[str, Any]]:
        """name → type, durable, messages (ready and unacknowledged), messages_persistent, arguments."""
        columns = ["name", "type", "durable", "messages", "messages_persistent", "arguments"]
        rows = json.loads(self.rabbitmqctl("list_queues", "-p", vhost, "--formatter", "json", *columns))
        return {row["name"]: row for row in rows}

    def list_connections(self) -> list[dict[str, Any]]:
        """One row for each: name, user, vhost, state, channels."""
        columns = ["name", "user", "vhost", "state", "channels"]
        rows: list[dict[str, Any]] = json.loads(self.rabbitmqctl("list_connections", "--formatter", "json", *columns))
        return rows
