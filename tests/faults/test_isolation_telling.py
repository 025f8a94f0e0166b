"""What is told of streams: one namespace's labels and Kubernetes Events leave room for another's."""

import re
import time
from typing import Any

import pytest

from support.faults.harness import span
from support.parts.prometheus import Prometheus
from support.waiting import wait_until

HOSTS = [f"flood-{number}" for number in range(32)]
COUNTED = "audit_event_generator_events_total"


def flood(turn: int) -> dict[str, object]:
    """A spec with 32 hosts and 32 event types of its own: 1,024 label sets."""
    names = [f"type_{turn}_{number}" for number in range(32)]
    return {
        "interval": "100ms",
        "eventsPerInterval": 100,
        "eventTypes": [{"name": name} for name in names],
        "eventMix": dict.fromkeys(names, 1),
        "entities": {"hosts": {"names": HOSTS}},
    }


@pytest.mark.row(51)
@pytest.mark.timeout(300)
def test_a_flood_of_labels_leaves_room_for_the_labels_of_others(harness, neighbour, tmp_path, measured) -> None:
    operator = harness.start()
    queue = harness.queue("free")
    with harness.watched(), Prometheus(tmp_path, operator.metrics_port) as prometheus:
        names = ["first"]

        def own_row(name: str) -> None:
            neighbour.patch("modest", eventTypes=[{"name": name}], eventMix={name: 1, names[-1]: None})
            names.append(name)
            wait_until(lambda: operator.metric(COUNTED, event_type=name), what=f"a row of {name}")

        first = {"eventTypes": [{"name": "first"}], "eventMix": {"first": 1}}
        neighbour.create("modest", queue=queue, interval="100ms", **first)
        neighbour.wait_for("modest", "Publishing")
        rounds = round(span(6, 2))
        for turn in range(rounds):
            for number in range(3):
                harness.stream(f"flood-{turn}-{number}", queue, until="Publishing", **flood(3 * turn + number))
            wait_until(
                lambda: (operator.metric("audit_event_operator_label_overflow_total") or 0) > 100, what="the flood"
            )
            own_row(f"during_{turn}")
            for number in range(3):
                harness.resources.delete(f"flood-{turn}-{number}")
            own_row(f"after_{turn}")
            time.sleep(span(20, 3))  # so that Prometheus sees it
        counters = re.findall(r"^# TYPE (audit_event_\S+) counter$", operator.metrics_text(), re.MULTILINE)
        fallen = [name for name in counters if prometheus.query(f"resets({name}[10m]) > 0")]
        rows = prometheus.query(f"count({COUNTED})")
    assert counters
    assert not fallen
    measured(
        f"{2 * rounds} new event types of another namespace had rows of their own beside {rounds} floods of 3,072 label "
        f"sets; {rows[0][1]:.0f} rows; none of {len(counters)} counters fell"
    )


@pytest.mark.row(54)
@pytest.mark.timeout(300)
def test_the_kubernetes_events_of_many_failures_leave_room_for_those_of_others(harness, neighbour, measured) -> None:
    harness.start()
    many = round(span(1000, 150))
    for number in range(many):
        reference = {"secretRef": {"name": "missing"}}
        harness.stream(f"failing-{number}", "nowhere", until=None, rabbitmq=reference)
    harness.wait_for(f"failing-{many - 1}", "SecretNotFound")

    def events(namespace: str) -> list[dict[str, Any]]:
        return harness.plane.request("GET", f"/api/v1/namespaces/{namespace}/events").body["items"]

    began = time.monotonic()
    neighbour.create("lost", queue="nowhere", rabbitmq={"secretRef": {"name": "missing"}})

    def told() -> bool:
        return any(event["reason"] == "SecretNotFound" for event in events(neighbour.namespace))

    wait_until(told, what="the Kubernetes Event", timeout_seconds=20)
    took = time.monotonic() - began
    here = len(events(harness.namespace))
    assert here < many, "the others still wait"
    measured(f"told after {took:.1f} s, while {many - here} of {many} of another namespace waited")
