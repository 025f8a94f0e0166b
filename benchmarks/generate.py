"""How fast `generate` writes the seed's stream and a fleet with scenarios, beside a bare loop of dict and orjson. No disk.

Measured in turns, in processor time of one core. The exit code is 0 when the medians are within the budgets: the seed's stream
250,000/s and 0.8 of the bare loop, a fleet of 200 users and 40 hosts with scenarios 60,000/s.
"""

import contextlib
import io
import os
import random
import statistics
import time
import uuid
from datetime import UTC, datetime

import orjson

from audit_event_operator.engine.snapshot import Ref
from audit_event_operator.files.collection import Found
from audit_event_operator.modes.generate import generate
from audit_event_operator.modes.portions import Request
from audit_event_operator.resource.spec import parse_spec

EVENTS = 200_000
RUNS = 5
BEGIN_NS = 1_767_604_200 * 10**9  # a Monday morning
SEED_LEAST, FLEET_LEAST, RATIO_LEAST = 250_000, 60_000, 0.8
FLEET = {
    "activity": "Sessions",
    "interval": "200ms",
    "scenarios": [
        {"name": "guess", "type": "BruteForce", "every": "1h"},
        {"name": "take", "type": "AccountTakeover", "every": "2h"},
    ],
}


def bare() -> None:
    """What somebody would write who only needs events."""
    hosts, users, dice = ("web-01", "db-02", "api-03"), ("alice", "bob", "carol"), random.Random(1)
    with open(os.devnull, "wb") as out:  # noqa: PTH123 - the shortest way
        for number in range(EVENTS):
            event = {
                "event_id": str(uuid.UUID(int=dice.getrandbits(128))),
                "timestamp": datetime.fromtimestamp(BEGIN_NS // 10**9 + 5 * number, UTC).isoformat(),
                "source_service": "bare",
                "server_hostname": hosts[number % 3],
                "event_type": "user_login",
                "severity": "INFO",
                "user_id": users[number % 3],
                "action_result": "SUCCESS",
                "details": {"ip_address": "192.168.1.100", "protocol": "ssh"},
            }
            out.write(orjson.dumps(event) + b"\n")


def written(spec: dict) -> None:
    """`generate` into nowhere."""
    found = Found(Ref("bench", "stream"), parse_spec({"randomSeed": 1, **spec}))
    request = Request([found], BEGIN_NS, BEGIN_NS, BEGIN_NS + 10**18, EVENTS, os.devnull)
    with contextlib.redirect_stderr(io.StringIO()):
        generate(request)


def main() -> int:
    """Measure, print, judge."""
    work = {"bare loop": bare, "seed": lambda: written({}), "fleet with scenarios": lambda: written(FLEET)}
    rates: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(RUNS):
        for name, one in work.items():
            began = time.process_time()
            one()
            rates[name].append(EVENTS / (time.process_time() - began))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    ratio = statistics.median(ours / loop for ours, loop in zip(rates["seed"], rates["bare loop"], strict=True))
    for name, median in medians.items():
        print(f"{name:22} {median:10,.0f}/s")
    print(f"seed / bare loop: {ratio:.2f} (budget {RATIO_LEAST})")
    good = medians["seed"] >= SEED_LEAST and medians["fleet with scenarios"] >= FLEET_LEAST and ratio >= RATIO_LEAST
    return 0 if good else 1
