"""What a write of the status costs the API server when the spec is as large as it may be: it validates all of it, each time."""

import os
import statistics
from pathlib import Path
from typing import Any

import pytest

from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES
from support.parts.controlplane import GENERATORS, ControlPlane
from support.parts.generators import Generators

MOST_MILLISECONDS = 150
ROUNDS = 7
MOST_ROUNDS = 40
PATCHES = 10
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def long(duration: str) -> str:
    """The same duration in as many characters as it may have."""
    return duration.zfill(32)


USER = "u" * 255
HOST = "h" * 253
OWN = [f"{'n' * 60}{number:03}" for number in range(32)]
SPAN = {"min": long("0.0125s"), "max": long("0.599s")}
NETWORKS = [f"203.100.1{number}.254/32" for number in range(10, 26)]
KEY = "${event_type}.${severity}.${action_result}.${host}$"
TOKENS = "${user} ${host} ${client_ip} ${sequence} "


def scenario(number: int) -> dict[str, Any]:
    step = {
        "event": OWN[-1],
        "user": USER,
        "host": HOST,
        "address": "203.100.113.254",
        "after": SPAN,
        "repeat": 1000,
        "gap": SPAN,
    }
    return {
        "name": f"{'s' * 60}{number:03}",
        "type": "Steps",
        "every": long("719.5h"),
        "startAfter": long("719.5h"),
        "jitterPercent": 100,
        "attempts": {"min": 1000, "max": 1000},
        "pace": SPAN,
        "successPercent": 100,
        "users": [f"{USER[:250]}{each:05}" for each in range(16)],
        "hosts": [f"{HOST[:250]}{each:03}" for each in range(16)],
        "steps": [step] * 16,
        "malicious": False,
        "techniques": ["T1110.001"] * 8,
        "suspend": True,
    }


def largest() -> dict[str, Any]:
    """Every list as long as it may be, every text as long as it may be; together just below etcd's 1.5 MiB."""
    details = {f"{'k' * 61}{number:02}": (TOKENS * 26)[:1024] for number in range(30)}
    details |= {"ip_address": "203.100.113.254", "resource": "r" * 255}
    return {
        "queue": "q" * 255,
        "exchange": {"name": "x" * 255, "routingKey": (KEY * 5)[:255]},
        "message": {
            "headers": {f"{'h' * 60}{number:03}": (KEY * 5)[:255] for number in range(8)},
            "priority": 255,
            "expiration": long("719.5h"),
        },
        "interval": long("0.5h"),
        "eventsPerInterval": 10_000,
        "eventMix": dict.fromkeys([*BUILT_IN_TEMPLATES[:32], *OWN], 1_000_000),
        "eventTypes": [
            {
                "name": name,
                "eventType": "t" * 63,
                "severity": "CRITICAL",
                "actionResult": "A" * 32,
                "resource": "r" * 255,
                "details": details,
            }
            for name in OWN
        ],
        "activity": "Sessions",
        "entities": {
            "users": {"names": [f"{USER[:250]}{number:05}" for number in range(256)], "count": 100_000},
            "hosts": {"names": [f"{HOST[:250]}{number:03}" for number in range(32)], "count": 10_000},
            "clients": {"cidrs": NETWORKS},
            "attackers": {"cidrs": NETWORKS},
        },
        "traffic": {
            "jitterPercent": 100,
            "profile": {"timeZone": "America/Argentina/ComodRivadavia", "hourly": [1000] * 24, "weekdays": [1000] * 7},
            "bursts": [
                {
                    "every": long("167.5h"),
                    "duration": long("166.5h"),
                    "multiplierPercent": 10_000,
                }
            ]
            * 8,
            "stages": [{"duration": long("719.5h"), "targetPercent": 10_000, "transition": "Step"}] * 32,
            "repeatStages": True,
        },
        "scenarios": [scenario(number) for number in range(8)],
        "groundTruth": {"queue": "g" * 255, "header": True},
        "randomSeed": 2**53 - 1,
        "maxEvents": 2**53 - 1,
        "runDuration": long("719.5h"),
        "runId": "r" * 63,
        "rabbitmq": {"secretRef": {"name": "n" * 253}, "vhost": "v" * 255, "tls": {"mode": "Verify"}},
    }


def cpu_seconds(plane: ControlPlane) -> float:
    """User and system time of the API server so far."""
    fields = Path(f"/proc/{plane.apiserver.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


@pytest.mark.timeout(300)
def test_a_status_patch_of_the_largest_resource_costs_the_api_server_little(
    cluster: ControlPlane, generators: Generators, measured
) -> None:
    uid = generators.create("largest", **largest())["metadata"]["uid"]
    path = f"{GENERATORS.path(generators.namespace, 'largest')}/status"

    def patch(published: int) -> None:
        """As the operator does it."""
        status = {"observedGeneration": 1, "eventsPublished": published}
        operations = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        answer = cluster.request("PATCH", path, operations, content_type="application/json-patch+json")
        assert answer.body["status"]["eventsPublished"] == published

    patch(0)
    costs: list[float] = []
    # The least disturbed round counts: whoever shares the processor's core and caches makes the same work cost more.
    while len(costs) < ROUNDS or (min(costs) > MOST_MILLISECONDS and len(costs) < MOST_ROUNDS):
        number, before = len(costs), cpu_seconds(cluster)
        for each in range(PATCHES):
            patch(1 + number * PATCHES + each)
        costs.append((cpu_seconds(cluster) - before) / PATCHES * 1000)
    measured(f"a status patch of the largest resource: {statistics.median(costs):.0f} ms of the API server's CPU")
    assert min(costs) <= MOST_MILLISECONDS, costs
