"""Thousands of AuditEventGenerators in the hands of their users, over a few connections that stay open."""

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Self

import orjson

from support.parts.controlplane import GENERATORS, ControlPlane
from support.parts.generators import API_VERSION, MERGE

USERS: Final = 8
"""How many create at once."""


class ManyGenerators:
    """Resources by `namespace/name`. From any thread: each has a connection of its own, until the end of the context."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self._own = threading.local()
        self._lines: list[http.client.HTTPSConnection] = []
        self._context = ssl.create_default_context(cafile=str(cluster.ca_file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for line in self._lines:
            line.close()

    def create(self, refs: Sequence[str], spec: Callable[[int], Mapping[str, Any]]) -> None:
        """Create them all; `spec` makes one from its place in `refs`."""
        with ThreadPoolExecutor(USERS) as pool:
            list(pool.map(lambda numbered: self.create_one(numbered[1], spec(numbered[0])), enumerate(refs)))

    def create_one(self, ref: str, spec: Mapping[str, Any]) -> None:
        namespace, name = ref.split("/")
        body = {"apiVersion": API_VERSION, "kind": "AuditEventGenerator", "metadata": {"name": name}, "spec": spec}
        self.send("POST", GENERATORS.path(namespace), body)

    def patch(self, ref: str, spec: Mapping[str, Any]) -> None:
        """Merge into the spec; None removes a field."""
        self.send("PATCH", GENERATORS.path(*ref.split("/")), {"spec": spec}, MERGE)

    def delete(self, refs: Sequence[str]) -> None:
        """Delete them, one by one: in one call, ten thousand take an API server longer than it takes for a request."""
        with ThreadPoolExecutor(USERS) as pool:
            list(pool.map(self.delete_one, refs))

    def delete_one(self, ref: str) -> None:
        self.send("DELETE", GENERATORS.path(*ref.split("/")))

    def delete_all(self, namespace: str) -> None:
        """All of a namespace, in one call."""
        self.send("DELETE", GENERATORS.path(namespace))

    def items(self) -> list[dict[str, Any]]:
        """All there are, in all namespaces."""
        return list(self.send("GET", GENERATORS.path())["items"])

    def watch(self) -> Iterator[Mapping[str, Any]]:
        """Watch events from now on; each time that the API server drops the stream, the objects of a list come in between."""
        while True:
            listed = self.send("GET", GENERATORS.path())
            yield from ({"type": "LISTED", "object": each} for each in listed["items"])
            line, version = self._line(None), listed["metadata"]["resourceVersion"]
            line.request("GET", f"{GENERATORS.path()}?watch=1&resourceVersion={version}", headers=self._headers())
            for event in line.getresponse():
                told = orjson.loads(event)
                if told["type"] == "ERROR":
                    break
                yield told

    def send(self, method: str, path: str, body: object = None, content_type: str = "application/json") -> Any:
        """One call as the administrator; AssertionError with the answer unless it says that it was done."""
        content = None if body is None else json.dumps(body)
        try:
            answer, text = self._exchange(method, path, content, content_type)
        except ConnectionError:  # the API server closes what was idle for long
            del self._own.line
            answer, text = self._exchange(method, path, content, content_type)
        assert answer.status < 300, text
        return orjson.loads(text)

    def _exchange(
        self, method: str, path: str, content: str | None, content_type: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        if not hasattr(self._own, "line"):
            self._own.line = self._line(120)
        self._own.line.request(method, path, content, self._headers(content_type))
        answer = self._own.line.getresponse()
        return answer, answer.read()

    def _line(self, timeout_seconds: float | None) -> http.client.HTTPSConnection:
        line = http.client.HTTPSConnection(
            "127.0.0.1", self._cluster.port, timeout=timeout_seconds, context=self._context
        )
        self._lines.append(line)
        return line

    @staticmethod
    def _headers(content_type: str = "application/json") -> dict[str, str]:
        return {"Authorization": "Bearer token-of-admin", "Content-Type": content_type}
