"""Everything at once: joins, SIGTERM, SIGKILL, SIGSTOP, outages, and an API server that answers late, wrongly or not at all."""

from typing import NamedTuple

from support.simulation.api_server import Weather
from support.simulation.fleet import Overlap, SimulatedFleet

STORM = Weather(
    latency=(0.002, 0.4), late_chance=0.03, carried_out_late_chance=0.01, lost_chance=0.03, refused_chance=0.03
)  # fmt: skip
CALM_SECONDS = 30.0


class Findings(NamedTuple):
    """What came of one storm.

    Attributes:
        overlaps: moments at which two might work on one bucket; those of a lone member apart.
        settled: seconds until all was well after the storm; None when it was not within `CALM_SECONDS`.
        story: what was done, to find out why.
    """

    overlaps: list[Overlap]
    lone_overlaps: list[Overlap]
    settled: float | None
    story: list[str]


def storm(seed: int, *, members: int = 4, least: int = 2, seconds: float = 120.0, strict: bool = False) -> Findings:
    """Start some members, let the storm blow for a while, and see whether all comes back to order.

    Where no more than `least` live, somebody joins in place of the next blow.
    """
    with SimulatedFleet(seed, strict=strict) as fleet:
        for _ in range(members):
            fleet.start()
            fleet.run(fleet.world.random.uniform(0, 2))
        fleet.server.weather = STORM
        story = []
        until = fleet.world.now + seconds
        while fleet.world.now < until:
            story.append(f"{fleet.world.now:.3f} {_strike(fleet, members, least)}")
            fleet.run(min(fleet.world.random.expovariate(1 / 3), 15))
        fleet.server.recover()
        for process in fleet.living():
            process.trap = 0
            process.loop.resume()
        story.append(f"{fleet.world.now:.3f} calm")
        settled = fleet.settle(CALM_SECONDS)
        fleet.run(15)
        apart = [each for each in fleet.overlaps if each.lone]
        return Findings([each for each in fleet.overlaps if not each.lone], apart, settled, story)


def _strike(fleet: SimulatedFleet, members: int, least: int) -> str:
    dice, living, now = fleet.world.random, fleet.living(), fleet.world.now
    blow = dice.choice(["join", "leave", "kill", "pause", "trap", "trap", "away", "alone", "slow"])
    if blow == "join" or len(living) <= least:
        return f"join {fleet.start().identity}" if len(living) < 2 * members else "nothing"
    victim = dice.choice(living)
    if blow == "leave":
        victim.terminate()
    elif blow == "kill":
        victim.kill()
    elif blow == "pause":
        victim.pause(dice.choice([dice.uniform(1, 60), dice.uniform(3, 15)]))
    elif blow == "trap":
        victim.pause_in_traffic(dice.randint(1, 12), dice.choice([dice.uniform(1, 60), dice.uniform(3, 15)]))
    elif blow == "slow":
        fleet.server.slow.add(victim.identity)
        fleet.world.at(now + dice.uniform(10, 60), lambda: fleet.server.slow.discard(victim.identity))
    else:
        whom = "*" if blow == "away" else victim.identity
        fleet.server.be_away(whom, now + dice.uniform(10, 60 if blow == "alone" else 20), silent=dice.random() < 0.5)
        return f"{blow} {whom}"
    return f"{blow} {victim.identity}"
