"""A real Chromium without a window, seen through its DevTools protocol: what a page does, says, asks for and costs.

Knows nothing of the pages. https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import itertools
import os
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

from support.parts.processes import PartError, Process
from support.waiting import wait_until

SWITCHES = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


class Page:
    """One tab. Open it with `Browser.page()`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []  # errors and warnings of the console, exceptions that nobody caught
        self.requests: list[str] = []  # the addresses of everything that was asked for
        self._reading = asyncio.create_task(self._read())

    async def begin(self) -> None:
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            await self.send(f"{domain}.enable")

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; PartError when the browser refuses it."""
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        answer = await asyncio.wait_for(waiting, 20)
        if "error" in answer:
            raise PartError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    async def open(self, url: str) -> None:
        await self.send("Page.navigate", url=url)

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited when it is a promise; PartError when it throws."""
        answer = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise PartError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    async def wait_for(self, script: str, timeout_seconds: float = 15) -> Any:
        """Ask until the expression is true, and return it; AssertionError when the time is over."""
        deadline, trouble = time.monotonic() + timeout_seconds, ""
        while time.monotonic() < deadline:
            try:
                if answer := await self.run(script):
                    return answer
            except PartError as error:  # the old document has just gone, or the new one is not complete
                trouble = str(error)
            await asyncio.sleep(0.05)
        raise AssertionError(
            f"Waited {timeout_seconds} s in vain for: {script}\n{trouble}\nThe console: {self.complaints}"
        )

    async def press(self, key: str) -> None:
        """A key such as Tab or Enter, as from the keyboard."""
        text = {"Enter": "\r", " ": " "}.get(key, "")
        code = {"Tab": 9, "Enter": 13, " ": 32}[key]
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, text=text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def look(self, *, width: int, height: int, dark: bool = False, phone: bool = False) -> None:
        """Set the size of the window and what the user prefers."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def busy_seconds(self) -> float:
        """How long the page has kept its thread busy in all: scripts, style, layout and the rest."""
        metrics = (await self.send("Performance.getMetrics"))["metrics"]
        return float({each["name"]: each["value"] for each in metrics}["TaskDuration"])

    async def cut_off(self, *, offline: bool) -> None:
        """Take the network away from the page, or give it back."""
        unlimited = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        await self.send("Network.emulateNetworkConditions", offline=offline, **unlimited)

    async def tree(self) -> list[tuple[str, str]]:
        """(role, name) of everything that a screen reader is told, in order."""
        nodes = (await self.send("Accessibility.getFullAXTree"))["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        ]

    async def _read(self) -> None:
        async for message in self._socket:
            content = message.json()
            waiting = self._waiting.pop(content.get("id", 0), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(content)
            self._note(content.get("method", ""), content.get("params", {}))

    def _note(self, method: str, said: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and said["type"] in {"error", "warning", "assert"}:
            self.complaints.append(str(said["args"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url', '')}")


class Browser:
    """One Chromium with a fresh profile; a context manager."""

    def __init__(self, folder: Path) -> None:
        """Nothing is started yet; `folder` must exist and becomes home of profile and log."""
        program = shutil.which("chromium")
        if program is None:
            raise PartError("There is no chromium; `make test` installs it, or: apt-get install chromium")
        self._profile = folder / "profile"
        rights = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to have a sandbox as root
        where = [f"--user-data-dir={self._profile}", "--remote-debugging-port=0", "about:blank"]
        command = [program, *SWITCHES, *rights, *where]
        environment = os.environ | {"HOME": str(folder)}
        self._process = Process("chromium", command, log=folder / "chromium.log", env=environment)
        self._port = 0

    def __enter__(self) -> Self:
        self._process.start()
        self._port = wait_until(self._find_port, what="Chromium", explain=self._process.log_tail)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def _find_port(self) -> int:
        self._process.must_run()
        file = self._profile / "DevToolsActivePort"
        text = file.read_text() if file.exists() else ""
        return int(text.split("\n")[0]) if "\n" in text else 0

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Page]:
        """A new tab, closed afterwards."""
        base = f"http://127.0.0.1:{self._port}/json"
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{base}/new?about:blank") as answer:
                target = await answer.json(content_type=None)
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                page = Page(socket)
                try:
                    await page.begin()
                    yield page
                finally:
                    await page.close()
            async with session.get(f"{base}/close/{target['id']}"):
                pass
