"""What a new status is worth telling in Kubernetes Events: turns of the Ready condition, and episodes of scenarios.

Pure; how often and how fast it is told is the recorder's business.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from audit_event_operator.resource.conditions import Reason
from audit_event_operator.resource.status import ReadyCondition, ScenarioStatus, parse_progress, ready_condition

NORMAL: Final = "Normal"
WARNING: Final = "Warning"
RECOVERED: Final = "Recovered"
STARTED: Final = "Started"
FOREIGN_OWNER: Final = "ForeignOwner"
EPISODE_STARTED: Final = "EpisodeStarted"
EPISODE_ENDED: Final = "EpisodeEnded"
EPISODE_MISSED: Final = "EpisodeMissed"
_SETTLED: Final = frozenset({Reason.SUSPENDED, Reason.COMPLETED})


class Announcement(NamedTuple):
    """What is worth telling: the Kubernetes Event's type, reason and message."""

    kind: str
    reason: str
    message: str


def announcements(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Announcement]:
    """What is worth telling when one status follows another."""
    turn = announcement(ready_condition(before), ready_condition(after))
    if turn is not None:
        yield turn
    if before.get("scenarios") != after.get("scenarios"):
        known = {each.name: each for each in parse_progress(before).scenarios}
        for scenario in parse_progress(after).scenarios:
            yield from _of_episodes(known.pop(scenario.name, ScenarioStatus(scenario.name)), scenario)
        for removed in known.values():
            yield from _of_episodes(removed, ScenarioStatus(removed.name))


def announcement(before: ReadyCondition | None, after: ReadyCondition | None) -> Announcement | None:
    """What a change of the Ready condition is worth telling; None when it is nothing new."""
    if after is None or (before is not None and (before.status, before.reason) == (after.status, after.reason)):
        return None
    if after.status == "False":
        return Announcement(WARNING, after.reason, after.message)
    if after.status != "True":
        return None
    if after.reason in _SETTLED:
        return Announcement(NORMAL, after.reason, after.message)
    if before is not None and before.status == "True" and before.reason not in _SETTLED:
        return None  # Connected and Publishing are both well
    recovered = before is not None and before.status == "False"
    return Announcement(NORMAL, RECOVERED if recovered else STARTED, after.message)


def _of_episodes(before: ScenarioStatus, after: ScenarioStatus) -> Iterator[Announcement]:
    of = f"of scenario {after.name}"
    if before.open is not None and before.open != after.open:
        yield Announcement(NORMAL, EPISODE_ENDED, f"Episode {before.open} {of} ended.")
    if after.open is not None and before.open != after.open:
        yield Announcement(NORMAL, EPISODE_STARTED, f"Episode {after.open} {of} began.")
    missed = after.missed - before.missed
    if missed > 0:
        episodes = "An episode" if missed == 1 else f"{missed} episodes"
        yield Announcement(
            WARNING, EPISODE_MISSED, f"{episodes} {of} did not begin, because the stream was not ready in time."
        )
