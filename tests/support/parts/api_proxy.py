"""A man in the middle between the operator and the API server, who speaks TLS to both and can spoil what is said.

For what a real API server will not do on demand: break off a watch, hold it back, or send a line of it that is no JSON.
"""

import contextlib
import json
import select
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any, Self

from support.parts.certificates import Pair, issue
from support.parts.controlplane import ControlPlane
from support.parts.processes import free_port

CHUNK_BYTES = 65536
GARBAGE = b'{"type": "MODIFIED", "object": {"metadata": \n'


class _Line:
    """One connection of a client and ours to the server, relayed by a thread of its own."""

    def __init__(self, client: ssl.SSLSocket, server: ssl.SSLSocket) -> None:
        self.client = client
        self.server = server
        self.watches = False
        self.held = False
        self.lock = threading.Lock()

    def close(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class ApiProxy:
    """Relays while it is entered; `kubeconfig` leads through it."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        """Nothing listens yet.

        Args:
            plane: the real one, already started: its authority signs our certificate.
            folder: where that goes; must exist.
        """
        self._plane = plane
        self._folder = folder
        self.port = free_port()
        authority = Pair(plane.ca_file, plane.ca_file.with_suffix(".key"))
        ours = issue(authority, folder, "proxy", ["127.0.0.1", "localhost"])
        self._as_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._as_server.load_cert_chain(ours.certificate, ours.key)
        self._as_client = ssl.create_default_context(cafile=str(plane.ca_file))
        self.watches_opened = 0
        self.refused: list[tuple[float, str]] = []
        """When (time.monotonic()) which request was refused, for example "GET /apis/…"."""
        self._refusal: bytes | None = None
        self._listener = socket.socket()
        self._lines: list[_Line] = []
        self._threads: list[threading.Thread] = []
        self._over = False
        self._holding = False

    def kubeconfig(self, original: Path) -> Path:
        """The same one, through us."""
        text = original.read_text().replace(self._plane.url, f"https://127.0.0.1:{self.port}")
        config: dict[str, Any] = json.loads(text)
        path = self._folder / "through-the-proxy.kubeconfig"
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    def __enter__(self) -> Self:
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._lines:
            line.close()
        for thread in self._threads:
            thread.join(10)

    # --- mischief ---------------------------------------------------------------------------------------------------

    @property
    def watches(self) -> int:
        """How many watches are open now."""
        return sum(line.watches for line in self._lines)

    def cut_watches(self) -> int:
        """Break every watch off; returns how many there were."""
        found = [line for line in self._lines if line.watches]
        for line in found:
            line.close()
        return len(found)

    def say(self, text: bytes = GARBAGE, *, and_cut: bool = False) -> int:
        """Put a line (that is no JSON, say) into every watch, and break it off then; returns how many there were."""
        found = [line for line in self._lines if line.watches]
        for line in found:
            with line.lock, contextlib.suppress(OSError):  # between two chunks of the server
                line.client.sendall(b"%x\r\n%s\r\n" % (len(text), text))
            if and_cut:
                line.close()
        return len(found)

    def refuse(self, status: int, **headers: str) -> None:
        """From now on answer every new request with this status, and ask nobody."""
        body = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status}).encode()
        said = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"} | headers
        lines = [f"HTTP/1.1 {status} No", *(f"{name.replace('_', '-')}: {value}" for name, value in said.items())]
        self._refusal = "\r\n".join([*lines, "", ""]).encode() + body

    def accept(self) -> None:
        """Ask the API server again."""
        self._refusal = None

    def hold_watches(self) -> None:
        """From now on nothing that a watch says gets through, also of new ones."""
        self._holding = True

    def release_watches(self) -> None:
        """Let through what was held back."""
        self._holding = False

    # --- inside -----------------------------------------------------------------------------------------------------

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, name="api-proxy", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._over:
            try:
                knocking, _ = self._listener.accept()
            except OSError:
                return
            self._start(self._serve, knocking)

    def _serve(self, knocking: socket.socket) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(knocking.close)
            try:
                client = self._as_server.wrap_socket(knocking, server_side=True)
                stack.callback(client.close)
                plain = socket.create_connection(("127.0.0.1", self._plane.port), timeout=5)
                stack.callback(plain.close)
                server = self._as_client.wrap_socket(plain, server_hostname="127.0.0.1")
                stack.callback(server.close)
            except OSError:
                return
            server.settimeout(None)
            line = _Line(client, server)
            self._lines.append(line)
            try:
                self._relay(line)
            except OSError:
                pass
            finally:
                self._lines.remove(line)

    def _relay(self, line: _Line) -> None:
        """Both ways, by one thread, because an SSL socket is not for two at once."""
        while not self._over:
            if not (line.client.pending() or line.server.pending()):
                ends = [line.client] if line.watches and self._holding else [line.client, line.server]
                select.select(ends, [], [], 0.1)
            if said := _received(line.client):
                if (refusal := self._refusal) is not None:
                    self.refused.append((time.monotonic(), said.split(b" HTTP", 1)[0].decode(errors="replace")))
                    line.client.sendall(refusal)
                    return
                if said.startswith(b"GET "):
                    line.watches = b"watch=" in said.split(b"\r\n", 1)[0]
                    self.watches_opened += line.watches
                line.server.sendall(said)
            if not (line.watches and self._holding) and (answer := _received(line.server)):
                with line.lock:
                    line.client.sendall(answer)


def _received(end: ssl.SSLSocket) -> bytes:
    """What is there now, nothing if nothing is: what made the socket readable may be TLS's own.

    Raises:
        OSError: the line is at its end.
    """
    if not end.pending() and not select.select([end], [], [], 0)[0]:
        return b""
    end.setblocking(False)
    try:
        data = end.recv(CHUNK_BYTES)
    except ssl.SSLWantReadError:
        return b""
    finally:
        end.setblocking(True)
    if not data:
        raise ConnectionError
    return data
