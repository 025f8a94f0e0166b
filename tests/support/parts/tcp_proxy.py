"""A TCP proxy in front of a real part that can cut, silence or slow down each direction: the network of the fault tests.

It runs in a thread with a loop of its own, so that sync and async tests can use it. Tests set its attributes at any time.
"""

import asyncio
import contextlib
import ssl
import threading
from dataclasses import dataclass, field
from typing import Self

CHUNK_BYTES = 64 * 1024


@dataclass(eq=False)
class TcpProxy:
    """Listens on an address of loopback and passes bytes on to `host:port`.

    pass_upstream, pass_downstream: whether bytes to the server and back are passed on; else they are swallowed, and the end of
        the connection with them, as on a network that has gone silent.
    bytes_per_second: how fast each direction goes; None means as fast as it can.
    open: whether new connections are passed on; else they are accepted and nothing ever comes back.
    pause_seconds: how long each piece is held back, on top of that.
    tls: serve clients with this, as a man in the middle: the server gets what was encrypted. Load another certificate into it,
        and later connections get that one. Handshakes that fail do not count as accepted.
    accepted: connections so far.
    """

    host: str
    upstream_port: int
    pass_upstream: bool = True
    pass_downstream: bool = True
    open: bool = True
    bytes_per_second: float | None = None
    pause_seconds: float = 0.0
    tls: ssl.SSLContext | None = None
    accepted: int = 0
    passed_bytes: int = 0
    address: str = "127.0.0.1"
    port: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        up = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(up,), name="tcp-proxy", daemon=True)
        self._thread.start()
        if not up.wait(10):
            raise OSError("the proxy does not listen")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        if self._thread is not None:
            self._thread.join(10)

    def cut(self) -> None:
        """Break every connection that is open (RST); none of them passes anything on any more."""

        async def abort() -> None:
            self._abort()

        asyncio.run_coroutine_threadsafe(abort(), self._loop).result(10)

    def silence(self) -> None:
        """Swallow everything in both directions from now on."""
        self.pass_upstream = self.pass_downstream = False

    def restore(self) -> None:
        """Pass everything on again: for new connections, for the old ones have lost bytes."""
        self.cut()
        self.pass_upstream = self.pass_downstream = True

    # --- inside its thread ------------------------------------------------------------------------------------------

    def _run(self, up: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, self.address, 0, ssl=self.tls))
        self.port = server.sockets[0].getsockname()[1]
        up.set()
        self._loop.run_forever()
        server.close()
        self._abort()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def _abort(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._writers.add(writer)
        far_writer: asyncio.StreamWriter | None = None
        try:
            if not self.open:
                while await reader.read(CHUNK_BYTES):
                    continue
                return
            far_reader, far_writer = await asyncio.open_connection(self.host, self.upstream_port)
            self._writers.add(far_writer)
            await asyncio.gather(
                self._pass(reader, far_writer, "pass_upstream"),
                self._pass(far_reader, writer, "pass_downstream"),
                return_exceptions=True,
            )
        except OSError:
            return  # the far part is away: so is the line
        except asyncio.CancelledError:
            return  # the end of the line; asyncio's own callback of a connection says loudly that a task was cancelled
        finally:
            for each in (writer, far_writer):
                if each is not None:
                    each.transport.abort()
                    self._writers.discard(each)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await asyncio.sleep(self.pause_seconds)
            while data:
                rate = self.bytes_per_second  # it may have become another one while we waited for the data
                piece, data = (data, b"") if rate is None else _split(data, max(1, int(rate / 10)))
                await asyncio.sleep(0.0 if rate is None else len(piece) / rate)
                self.passed_bytes += len(piece)
                if getattr(self, direction):
                    writer.write(piece)
                    await writer.drain()
        if getattr(self, direction):
            with contextlib.suppress(OSError):
                writer.close()


def _split(data: bytes, length: int) -> tuple[bytes, bytes]:
    return data[:length], data[length:]
