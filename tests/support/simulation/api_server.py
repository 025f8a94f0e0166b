"""An API server on virtual time that keeps Leases: late, lost and refused answers, and outages for all or for one."""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from audit_event_operator.cluster.api.errors import ClusterError, Conflict, NotFound, Unreachable
from support.simulation.world import ProcessLoop, World

Json = dict[str, Any]


@dataclass
class Weather:
    """How the API server behaves; chances are per request, times in seconds."""

    latency: tuple[float, float] = (0.002, 0.05)
    """One way."""
    late_chance: float = 0.0
    """One way takes one to six seconds."""
    carried_out_late_chance: float = 0.0
    """A request arrives after up to twelve seconds, when its client has long given up."""
    lost_chance: float = 0.0
    """It is carried out, and its answer is lost: half of the clients hear of a broken connection, half of nothing."""
    refused_chance: float = 0.0
    """500 or 409, and nothing was done."""


class ApiServer:
    """The Leases, and who can reach them."""

    def __init__(self, world: World, weather: Weather) -> None:
        self.world = world
        self.weather = weather
        self.leases: dict[str, Json] = {}
        self.asked: list[tuple[float, str]] = []
        """When which request arrived."""
        self.handed_over: list[tuple[float, str, str]] = []
        """When which bucket Lease got which holder."""
        self.slow: set[str] = set()
        """Those whose requests and answers take one to six seconds."""
        self._away: dict[str, tuple[float, bool]] = {}
        self._versions = itertools.count(1)

    def be_away(self, whom: str, until: float, *, silent: bool) -> None:
        """Do not answer one process, or any (`*`), until a time: refuse connections, or be silent."""
        self._away[whom] = until, silent

    def recover(self) -> None:
        """Be there for everybody, in time."""
        self.weather = Weather()
        self._away.clear()
        self.slow.clear()

    def delay(self, who: str) -> float:
        """One way to the server or back."""
        dice, weather = self.world.random, self.weather
        if who in self.slow or dice.random() < weather.late_chance:
            return dice.uniform(1, 6) / (2 if who in self.slow else 1)
        return dice.uniform(*weather.latency)

    def request(self, who: str, method: str, args: tuple[Any, ...], answer: Callable[[Any], None]) -> None:
        """Take a request on its way; `answer` is called with the result or the error when that has come back, or never."""
        dice, weather = self.world.random, self.weather
        delay = self.delay(who)
        if dice.random() < weather.carried_out_late_chance:
            delay = dice.uniform(5, 12)
        self.world.at(self.world.now + delay, lambda: self._arrive(who, method, args, answer))

    def _arrive(self, who: str, method: str, args: tuple[Any, ...], answer: Callable[[Any], None]) -> None:
        dice, weather = self.world.random, self.weather
        for each in (who, "*"):
            until, silent = self._away.get(each, (0.0, False))
            if self.world.now < until:
                if not silent:
                    answer(Unreachable("connection refused"))
                return
        self.asked.append((self.world.now, method))
        result: Any
        if dice.random() < weather.refused_chance:
            result = dice.choice([Unreachable("500"), Conflict("409")])
        else:
            try:
                result = getattr(self, f"_{method}")(*args)
            except ClusterError as error:
                result = error
            if dice.random() < weather.lost_chance:
                if dice.random() < 0.5:
                    return
                result = Unreachable("connection reset")
        self.world.at(self.world.now + self.delay(who), lambda: answer(result))

    # -- carried out at once -------------------------------------------------------------------------------------------

    def _list_leases(self, _namespace: str, _labels: str) -> list[Json]:
        return list(self.leases.values())

    def _create_lease(self, _namespace: str, lease: Json) -> Json:
        name = lease["metadata"]["name"]
        if name in self.leases:
            raise Conflict("exists")
        return self._put(name, lease, "")

    def _update_lease(self, _namespace: str, name: str, lease: Json) -> Json:
        current = self._found(name, lease["metadata"]["resourceVersion"])
        return self._put(name, lease, current["spec"]["holderIdentity"])

    def _delete_lease(self, _namespace: str, name: str, version: str) -> None:
        self._found(name, version)
        del self.leases[name]

    def _found(self, name: str, version: str) -> Json:
        if name not in self.leases:
            raise NotFound(name)
        if self.leases[name]["metadata"]["resourceVersion"] != version:
            raise Conflict("written since")
        return self.leases[name]

    def _put(self, name: str, lease: Json, before: str) -> Json:
        version = str(next(self._versions))
        written = {**lease, "metadata": {**lease["metadata"], "resourceVersion": version}}
        self.leases[name] = written
        holder = lease["spec"]["holderIdentity"]
        if "-member-" not in name and holder != before:
            self.handed_over.append((self.world.now, name, holder))
        return written

    def per_second(self, begin: float, end: float) -> dict[str, float]:
        """Requests per second by method between two times."""
        counts = Counter(method for at, method in self.asked if begin <= at < end)
        return {method: count / max(end - begin, math.ulp(1.0)) for method, count in counts.items()}


class Wire:
    """How one process reaches the API server; the part of `Cluster` that deals with Leases."""

    def __init__(self, server: ApiServer, who: str, loop: ProcessLoop) -> None:
        self._server, self._who, self._loop = server, who, loop
        self.on_traffic: Callable[[], None] = lambda: None
        """Called when a request was sent or an answer has come, before the process knows."""

    async def list_leases(self, namespace: str, labels: str) -> Any:
        return await self._ask("list_leases", namespace, labels)

    async def create_lease(self, namespace: str, lease: Json) -> Any:
        return await self._ask("create_lease", namespace, lease)

    async def update_lease(self, namespace: str, name: str, lease: Json) -> Any:
        return await self._ask("update_lease", namespace, name, lease)

    async def delete_lease(self, namespace: str, name: str, version: str) -> Any:
        return await self._ask("delete_lease", namespace, name, version)

    async def _ask(self, method: str, *args: Any) -> Any:
        future = self._loop.create_future()

        def receive(result: Any) -> None:
            if not future.done():
                future.set_result(result)

        def answer(result: Any) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon(receive, result)
                self.on_traffic()

        self._server.request(self._who, method, args, answer)
        self.on_traffic()
        result = await future
        if isinstance(result, ClusterError):
            raise result
        return result
