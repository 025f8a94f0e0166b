"""A team that asks for more than its share takes nothing from others: caps of resources and namespaces, seen in the queue."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.parts.consumer import Consumer
from support.parts.controlplane import ControlPlane
from support.parts.generators import Generators
from support.parts.operator_process import OperatorProcess, must_be_free_of_bugs
from support.waiting import wait_until

WINDOW_SECONDS = 6
GREEDY: dict[str, Any] = {"interval": "100ms", "eventsPerInterval": 10_000}  # 100,000/s


@pytest.fixture
def operator(start_operator: Callable[..., OperatorProcess]) -> Iterator[OperatorProcess]:
    running = start_operator(AEG_MAX_EVENTS_PER_SECOND="400", AEG_MAX_EVENTS_PER_SECOND_PER_NAMESPACE="500")
    yield running
    must_be_free_of_bugs(running)


@pytest.fixture
def modest(cluster: ControlPlane) -> Iterator[Generators]:
    """A second team, with a namespace of its own."""
    team = Generators(cluster, cluster.create_namespace(f"modest-{uuid.uuid4().hex[:8]}"))
    yield team
    team.delete_all()


def rates(consumer: Consumer) -> dict[str, float]:
    """Events per second of each host from now on."""
    began = time.monotonic()
    time.sleep(WINDOW_SECONDS)  # the window of the measurement
    seen = Counter(
        each.json()["server_hostname"] for each in consumer.arrivals if began <= each.at < began + WINDOW_SECONDS
    )
    return {host: count / WINDOW_SECONDS for host, count in seen.items()}


@pytest.mark.timeout(120)
def test_who_asks_for_too_much_is_cut_and_told_so_and_the_neighbours_keep_their_rate(
    operator, cluster, namespace, modest, rabbitmq, queue
) -> None:
    greedy = Generators(cluster, namespace)
    with Consumer(rabbitmq, [queue]) as consumer:

        def stream(team: Generators, name: str, **spec: Any) -> None:
            team.create(name, queue=queue, entities={"hosts": {"names": [name]}}, **spec)
            team.wait_for(name, "Publishing")

        stream(greedy, "small", interval="100ms")
        stream(greedy, "large-1", **GREEDY)
        stream(greedy, "large-2", **GREEDY)
        stream(modest, "steady", interval="10ms")
        together = rates(consumer)
        cut = {name: greedy.condition(name, "RateLimited") for name in ("small", "large-1", "large-2")}
        greedy.delete("large-2")
        wait_until(lambda: "400" in greedy.condition("large-1", "RateLimited")["message"], what="the larger share")
        alone = rates(consumer)
    assert together == pytest.approx({"small": 10, "large-1": 245, "large-2": 245, "steady": 100}, rel=0.1)
    assert alone == pytest.approx({"small": 10, "large-1": 400, "steady": 100}, rel=0.1)
    assert cut["small"] == {}
    for name in ("large-1", "large-2"):
        assert cut[name]["status"] == "True"
        assert "100000" in cut[name]["message"]
        assert "245" in cut[name]["message"]
    assert modest.condition("steady", "RateLimited") == {}
