"""Several replicas on virtual time: gaps when members come and go, how fast shares even out, requests per second, and storms.

The classes of the operator run unchanged; the API server, the network and the signals are simulated. The exit code is 0 when no
two members ever might work on one bucket, and the gaps are within 5 s (join, SIGTERM) and 20 s (SIGKILL).
"""

import logging
import sys
import uuid
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from audit_event_operator.cluster.leadership.buckets import BUCKETS, bucket_of
from support.simulation.chaos import storm
from support.simulation.fleet import SimulatedFleet
from support.simulation.process import Process

MEMBERS = {1: 20, 2: 20, 4: 20, 10: 10, 50: 3}
"""How many runs for how many members."""
STORMS = {2: 40, 4: 60, 8: 20}
UIDS = 1_000_000
GAP_MOST = {"join": 5.0, "SIGTERM": 5.0, "SIGKILL": 20.0}
SETTLE_MOST_SECONDS = 60.0
QUIET_SECONDS = 20.0


class Change(NamedTuple):
    """What one change did: the longest gap, when all was settled, and how many bucket Leases were taken beyond the least."""

    gap: float
    settled: float
    moves_too_many: int
    writes_per_second: float


class Run(NamedTuple):
    """One fleet: its changes, and what it costs when nothing changes."""

    changes: dict[str, Change]
    puts: float
    lists: float
    imbalance: int
    overlaps: int


def run(members: int, seed: int) -> Run:
    """Start so many members; then one more joins, one leaves by SIGTERM, and one is killed and replaced a second later."""
    with SimulatedFleet(seed) as fleet:
        for _ in range(members - 1):
            fleet.start()
        if fleet.processes and fleet.settle(SETTLE_MOST_SECONDS) is None:
            raise TimeoutError(f"{members} members did not settle, seed {seed}")
        if fleet.processes:
            fleet.run(fleet.world.random.uniform(0, 10))
        changes = {"join": _change(fleet, lambda _: fleet.start())}
        begin = fleet.world.now
        fleet.run(QUIET_SECONDS)
        costs = fleet.server.per_second(begin, fleet.world.now)
        imbalance = max(fleet.shares()) - min(fleet.shares())
        changes["SIGTERM"] = _change(fleet, lambda each: each.terminate(), replace="before")
        changes["SIGKILL"] = _change(fleet, lambda each: each.kill(), replace="after")
        return Run(
            changes, costs.get("update_lease", 0.0), costs.get("list_leases", 0.0), imbalance, len(fleet.overlaps)
        )


def _change(fleet: SimulatedFleet, do: Callable[[Process], object], replace: str = "") -> Change:
    if replace == "before" and len(fleet.living()) == 1:  # as a rolling update does; otherwise it scales down
        fleet.start()
        fleet.settle(SETTLE_MOST_SECONDS)
        fleet.run(5)
    begin, written, shares = fleet.world.now, len(fleet.server.handed_over), _shares(fleet)
    victim = fleet.world.random.choice(fleet.living()) if fleet.living() else None
    do(victim)  # type: ignore[arg-type]
    if replace == "after":
        fleet.run(1)
        fleet.start()
    settled = fleet.settle(SETTLE_MOST_SECONDS)
    if settled is None:
        raise TimeoutError("not settled")
    settled = fleet.world.now - begin
    writes = fleet.server.per_second(begin, fleet.world.now)
    fleet.run(15)  # what still moves counts, too
    taken = sum(bool(holder) for _, _, holder in fleet.server.handed_over[written:])
    return Change(
        fleet.worst_gap(begin),
        settled,
        taken - _least_moves(shares, [each.identity for each in fleet.living()]),
        sum(count for method, count in writes.items() if method != "list_leases"),
    )


def _shares(fleet: SimulatedFleet) -> Counter[str]:
    return Counter(
        {each.identity: sum(each.may_work().values()) for each in fleet.living()}
    )  # fmt: skip


def _least_moves(shares: Counter[str], living: list[str]) -> int:
    """How many buckets must at least be taken by another member so that all living ones have fair shares."""
    fair, more = divmod(BUCKETS, len(living))
    counts = sorted((shares[who] for who in living), reverse=True)
    return sum(max(0, fair + (place < more) - count) for place, count in enumerate(counts))


def main() -> int:
    """Simulate, print, judge."""
    logging.disable(logging.CRITICAL)
    good = True
    print(
        "members  runs | longest gap: join  SIGTERM  SIGKILL | settled after: join  SIGTERM  SIGKILL |  PUT/s  LIST/s | ",
        end="",
    )
    print("writes/s in a join | moves beyond the least: join SIGTERM SIGKILL | imbalance")
    for members, count in MEMBERS.items():
        runs = [run(members, 1000 * members + seed) for seed in range(count)]
        worst = {what: max(each.changes[what].gap for each in runs) for what in GAP_MOST}
        settled = {what: max(each.changes[what].settled for each in runs) for what in GAP_MOST}
        moves = {what: sum(each.changes[what].moves_too_many for each in runs) / count for what in GAP_MOST}
        print(
            f"{members:7}  {count:4} |"
            + "".join(f" {each:7.1f} s" for each in worst.values()) + " |"
            + "".join(f" {each:7.1f} s" for each in settled.values()) + " |"
            + f" {max(each.puts for each in runs):6.1f}  {max(each.lists for each in runs):6.1f} |"
            + f" {max(each.changes['join'].writes_per_second for each in runs):6.1f} |"
            + "".join(f" {each:5.1f}" for each in moves.values())
            + f" | {max(each.imbalance for each in runs)}",
            flush=True,
        )  # fmt: skip
        good &= not any(each.overlaps for each in runs)
        good &= all(worst[what] <= most for what, most in GAP_MOST.items() if members > 1 or what != "join")
    for strict in (False, True):
        for members, count in STORMS.items():
            verdicts = [storm(seed, members=members, strict=strict) for seed in range(count)]
            overlaps = sum(bool(each.overlaps) for each in verdicts)
            lone = sum(bool(each.lone_overlaps) for each in verdicts)
            lasting = sum(each.settled is None for each in verdicts)
            print(
                f"storms of 120 s, {members} to {2 * members} members{', strict' if strict else ''}: {count} runs, "
                f"two at work in {overlaps}, beside a lone member in {lone}, not settled after 30 s of calm in {lasting}, "
                f"latest {max(each.settled or 0 for each in verdicts):.1f} s",
                flush=True,
            )
            good &= not overlaps and not lasting and not (strict and lone)
    dice = Random(1)
    counts = Counter(bucket_of(str(uuid.UUID(int=dice.getrandbits(128), version=4))) for _ in range(UIDS))
    print(
        f"{UIDS:,} UIDs: {min(counts.values()):,} to {max(counts.values()):,} in a bucket (even: {UIDS // BUCKETS:,})"
    )
    print("ok" if good else "MISSED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
