"""What tests of the whole operator share: a tap on queues that notes when events come, and the operator itself.

Only what anybody outside could do: the API server, AMQP, and the operator's own process.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import pika

from support.parts.controlplane import OPERATOR, ControlPlane
from support.parts.operator_process import OperatorProcess
from support.parts.processes import wait_until
from support.parts.rabbitmq import Broker, Message

LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{OPERATOR}/leases/{OPERATOR}"
SERIES = "audit_event_operator_generator_"


class Arrival(NamedTuple):
    """A message, and when it came (time.monotonic())."""

    at: float
    queue: str
    message: Message

    def json(self) -> Any:
        return self.message.json()


class Tap:
    """Takes everything out of some queues and notes when it came; declares the queues as the operator would."""

    def __init__(self, broker: Broker, queues: Iterable[str]) -> None:
        self._broker = broker
        self._queues = tuple(queues)
        self._arrivals: list[Arrival] = []
        self._stop = threading.Event()
        self._flowing = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="tap", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._flowing.is_set() or self._error, what="the tap")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        if self._error is not None:
            raise self._error

    @property
    def arrivals(self) -> list[Arrival]:
        """Everything up to now, in the order it came."""
        return list(self._arrivals)

    def __len__(self) -> int:
        return len(self._arrivals)

    def wait_for(self, count: int, *, timeout_seconds: float = 20) -> list[Arrival]:
        """Wait until at least so many have come, and return all."""
        wait_until(
            lambda: len(self._arrivals) >= count,
            timeout_seconds=timeout_seconds,
            what=f"{count} messages",
            every_seconds=0.01,
            explain=lambda: f"{len(self._arrivals)} came",
        )
        return self.arrivals

    def wait_for_more(self, count: int = 1, *, timeout_seconds: float = 20) -> list[Arrival]:
        """Wait until so many have come from now on, and return these."""
        before = len(self._arrivals)
        return self.wait_for(before + count, timeout_seconds=timeout_seconds)[before:]

    def wait_for_silence(self, seconds: float, *, timeout_seconds: float = 15) -> float:
        """Wait until nothing has come for so long; returns when the last one came (time.monotonic())."""
        began = time.monotonic()

        def last() -> float:
            return self._arrivals[-1].at if self._arrivals else 0.0

        wait_until(
            lambda: time.monotonic() - max(began, last()) > seconds,
            timeout_seconds=timeout_seconds,
            what=f"{seconds} s without a message",
        )
        return last()

    def _run(self) -> None:
        try:
            with self._broker.channel() as channel:
                for queue in self._queues:
                    channel.queue_declare(queue, durable=True)
                    channel.basic_consume(queue, self._note(queue), auto_ack=True)
                self._flowing.set()
                while not self._stop.is_set():
                    channel.connection.process_data_events(time_limit=0.05)
        except BaseException as error:  # noqa: BLE001 - raised by the test's own thread
            self._error = error

    def _note(self, queue: str) -> Callable[..., None]:
        def note(_channel: object, _method: object, properties: pika.BasicProperties, body: bytes) -> None:
            self._arrivals.append(Arrival(time.monotonic(), queue, Message(properties, body)))

        return note


@contextmanager
def running_operator(
    cluster: ControlPlane, kubeconfig: Path, broker: Broker, folder: Path, **env: str
) -> Iterator[OperatorProcess]:
    """`run` as its ServiceAccount, with this broker as default target, for a whole module of tests."""
    environment = broker.environment() | {"AEG_LEASE_NAMESPACE": OPERATOR} | env
    operator = OperatorProcess(folder, "run", kubeconfig=kubeconfig, env=environment)
    try:
        yield operator.start()
    finally:
        operator.kill()
        cluster.request("DELETE", LEASE)  # else the next one would wait until it has run out


def must_be_free_of_bugs(operator: OperatorProcess) -> None:
    """Nothing in the log says that something happened which the operator did not foresee."""
    lines = [line for line in operator.log.splitlines() if "Traceback" in line or "this is a bug" in line]
    assert not lines, operator.log[-5000:]


def chi_square_p(seen: Mapping[str, int], weights: Mapping[str, int]) -> float:
    """How likely a sample at least this far from the weights is (Wilson and Hilferty's approximation: two digits are right)."""
    assert set(seen) <= set(weights), set(seen) - set(weights)
    scale = sum(seen.values()) / sum(weights.values())
    distance = sum((seen.get(key, 0) - weight * scale) ** 2 / (weight * scale) for key, weight in weights.items())
    degrees = len(weights) - 1
    spread = 2 / (9 * degrees)
    return 0.5 * math.erfc(((distance / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(2 * spread))


def every_version(cluster: ControlPlane, collection: str, resource_version: str) -> list[dict[str, Any]]:
    """All versions of a collection's objects since that one, as a watch tells them."""
    query = f"watch=1&timeoutSeconds=1&resourceVersion={resource_version}"
    lines = cluster.kubectl("get", "--raw", f"{collection}?{query}").stdout.splitlines()
    return [json.loads(line)["object"] for line in lines if line]
