"""Three nodes of RabbitMQ in one cluster on loopback, behind one address, as a Service is before the pods of a StatefulSet.

Nodes are stopped, killed and started one by one; the address leads to one that runs.
"""

import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from support.parts.processes import PartError
from support.parts.rabbitmq import Broker, RabbitMQ
from support.parts.rabbitmq_node import Epmd, Installation, Node
from support.parts.tcp_proxy import TcpProxy
from support.waiting import wait_until

NAMES = ("a", "b", "c")
FORMED_SECONDS = 60


class RabbitMQCluster(Broker):
    """The cluster as one broker; what is asked of it goes to the node to which its address leads."""

    def __init__(self, folder: Path, installation: Installation) -> None:
        """Nothing is started yet.

        Args:
            folder: gets a folder of data, configuration and log for each node; must exist.
            installation: which RabbitMQ.
        """
        super().__init__("127.0.0.1", 0, "tester", f"secret-{secrets.token_hex(12)}")
        self._epmd = Epmd(folder, installation)
        cookie = secrets.token_hex(16)
        self.nodes: dict[str, RabbitMQ] = {}
        for name in NAMES:
            (own := folder / name).mkdir()
            node = Node(own, installation, self._epmd, self.user, self.password, name, cookie, peers=_full_names(NAMES))
            self.nodes[name] = RabbitMQ(own, node=node)
        self._address = TcpProxy("127.0.0.1", self.nodes[NAMES[0]].port)

    def __enter__(self) -> Self:
        """Start all and wait until they are one cluster (10–20 s)."""
        for node in self.nodes.values():
            node.launch()
        for node in self.nodes.values():
            node.wait_ready()
        wait_until(lambda: set(self.running()) == set(NAMES), timeout_seconds=FORMED_SECONDS, what="the cluster")
        self._address.__enter__()
        self.port = self._address.port
        return self

    def __exit__(self, *_: object) -> None:
        if self.port:
            self._address.__exit__()
        for node in self.nodes.values():
            node.close()
        self._epmd.kill()

    # --- single nodes -----------------------------------------------------------------------------------------------

    def stop(self, *names: str) -> None:
        """End these gently, one after the other; new connections go to another one."""
        for name in names:
            self.nodes[name].stop()
            self._lead_to_a_living_one()

    def kill(self, *names: str) -> None:
        """SIGKILL for these; new connections go to another one."""
        for name in names:
            self.nodes[name].server.kill()
        self._lead_to_a_living_one()

    def start(self, *names: str) -> None:
        """Start these (again) together and wait until they serve clients; the address stays where it leads."""
        for name in names:
            self.nodes[name].launch()
        for name in names:
            self.nodes[name].wait_ready()
        self._lead_to_a_living_one()

    def lead_to(self, name: str) -> None:
        """From now on new connections go to this node; those that stand stay where they are."""
        self._address.upstream_port = self.nodes[name].port

    # --- what the cluster says --------------------------------------------------------------------------------------

    def rabbitmqctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on a node that runs."""
        return self._living()[0].rabbitmqctl(*arguments)

    def running(self) -> list[str]:
        """The nodes that run, as the cluster sees it."""
        said: dict[str, Any] = json.loads(self.rabbitmqctl("cluster_status", "--formatter", "json"))
        return [_short_name(name) for name in said["running_nodes"]]

    def leader(self, queue: str) -> str:
        """The node that leads a quorum queue; empty when there is no such queue, or nobody who could tell of it."""
        return next((_short_name(row["leader"]) for row in self._told(queue, "leader")), "")

    def members_online(self, queue: str) -> set[str]:
        """The nodes whose members of a quorum queue take part."""
        return {_short_name(name) for row in self._told(queue, "online") for name in row["online"]}

    def _told(self, queue: str, column: str) -> list[dict[str, Any]]:
        rows = json.loads(self.rabbitmqctl("list_queues", "--formatter", "json", "name", column))
        return [row for row in rows if row["name"] == queue]

    # --- inside -----------------------------------------------------------------------------------------------------

    def _living(self) -> list[RabbitMQ]:
        living = [node for node in self.nodes.values() if node.server.running]
        if not living:
            raise PartError("No node of the cluster runs.")
        return living

    def _lead_to_a_living_one(self) -> None:
        ports = [node.port for node in self.nodes.values() if node.server.running]
        if ports and self._address.upstream_port not in ports:
            self._address.upstream_port = ports[0]


def _full_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}@localhost" for name in names)


def _short_name(full: str) -> str:
    return full.partition("@")[0]
