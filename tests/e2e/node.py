"""A cluster with a real node, and what the tests ask of it: by kubectl alone, as a user would.

Knows nothing of where the cluster comes from.
"""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pika

OPERATOR = "audit-event-operator"


@dataclass(frozen=True)
class Message:
    """One message as the broker had it."""

    message_id: str
    unix_seconds: int
    body: dict[str, Any]


@dataclass(frozen=True)
class Cluster:
    """kubectl, bound to one cluster."""

    program: str
    kubeconfig: str

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """The stdout of one call; a failure carries what kubectl said."""
        done = subprocess.run(
            [self.program, "--kubeconfig", self.kubeconfig, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """One object, or a list of them, as JSON."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def operator_pods(self) -> list[dict[str, Any]]:
        """The operator's pods, those on their way out included."""
        return self.get("-n", OPERATOR, "pods", "-l", f"app.kubernetes.io/name={OPERATOR}")["items"]

    def in_the_pod(self, program: str) -> str:
        """What a Python program prints inside the operator's container."""
        return self.kubectl("-n", OPERATOR, "exec", f"deployment/{OPERATOR}", "--", "python3", "-c", program)

    def ask(self, path: str, port: int = 5000) -> tuple[int, str]:
        """GET by name through DNS and Service, from inside the cluster: status code and body."""
        url = f"http://{OPERATOR}.{OPERATOR}.svc.cluster.local:{port}{path}"
        program = (
            "import urllib.error, urllib.request\n"
            f"try: answer = urllib.request.urlopen({url!r}, timeout=10)\n"
            "except urllib.error.HTTPError as error: answer = error\n"
            "print(answer.status)\n"
            "print(answer.read().decode())"
        )
        code, _, body = self.in_the_pod(program).partition("\n")
        return int(code), body

    @contextmanager
    def forward(self, namespace: str, target: str, port: int) -> Iterator[int]:
        """A local port that leads to `target`."""
        command = [self.program, "--kubeconfig", self.kubeconfig, "-n", namespace, "port-forward", target, f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                found = re.search(r"127\.0\.0\.1:(\d+)", line)
                assert found, f"port-forward to {target} says: {line}{process.stdout.read()}"
                yield int(found[1])
            finally:
                process.terminate()

    @contextmanager
    def broker(self) -> Iterator["Broker"]:
        """A connection to the throw-away broker of the dev overlay."""
        with self.forward(OPERATOR, "service/rabbitmq-service", 5672) as port:
            credentials = pika.PlainCredentials("user", "password")
            connection = pika.BlockingConnection(
                pika.ConnectionParameters(
                    "127.0.0.1", port, credentials=credentials, connection_attempts=5, retry_delay=1
                )
            )
            try:
                yield Broker(connection)
            finally:
                connection.close()


@dataclass(frozen=True)
class Broker:
    """What a test wants to know of the broker."""

    connection: pika.BlockingConnection

    def depth(self, queue: str) -> int:
        """How many messages wait in the queue; 0 when there is none of that name."""
        channel = self.connection.channel()
        try:
            count: int = channel.queue_declare(queue, passive=True).method.message_count
        except pika.exceptions.ChannelClosedByBroker:
            return 0
        channel.close()
        return count

    def take_all(self, queue: str) -> list[Message]:
        """Everything that waits in the queue, taken out."""
        channel = self.connection.channel()
        messages = []
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                break
            messages.append(Message(properties.message_id, properties.timestamp, json.loads(body)))
        channel.close()
        return messages


def eventually(what: str, seconds: float, check: Callable[[], object], *, every: float = 0.5) -> float:
    """Asks until the answer is truthy; returns the seconds it took.

    Raises:
        AssertionError: the time is over; the text carries the last answer or refusal.
    """
    began = time.monotonic()
    while True:
        try:
            answer = check()
        except AssertionError as error:  # kubectl may be refused for a moment while a pod changes
            answer, said = None, str(error)
        else:
            said = repr(answer)
        elapsed = time.monotonic() - began
        if answer:
            return elapsed
        assert elapsed < seconds, f"not within {seconds} s: {what}; the last answer: {said}"
        time.sleep(every)


def condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a resource by its type; empty when it has none."""
    found = [entry for entry in resource.get("status", {}).get("conditions", []) if entry["type"] == kind]
    return found[0] if found else {}
