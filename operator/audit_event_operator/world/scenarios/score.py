"""What became of the episodes of one scenario: in this run, and since this process took it up."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from audit_event_operator.resource.status import ScenarioStatus
from audit_event_operator.world.scenarios.truth import FAILED_LOGINS, SENSITIVE_FILE, Record


class ScenarioCounts(NamedTuple):
    """What became of one scenario since this process took it up. `events`: published ones. `expected_alerts`: by rule."""

    name: str
    complete: int = 0
    incomplete: int = 0
    missed: int = 0
    events: int = 0
    expected_alerts: Mapping[str, int] = MappingProxyType({})


class Score:
    """Goes on from what the status told, if it did."""

    def __init__(self, told: ScenarioStatus | None) -> None:
        told = told or ScenarioStatus("")
        self.episodes, self.missed, self.expected = told.episodes, told.missed, told.expected_alerts
        self.last_episode, self.last_time = told.last_episode, told.last_time
        self.complete = self.incomplete = self.missed_here = self.events = 0
        self.alerts = Counter({FAILED_LOGINS: 0, SENSITIVE_FILE: 0})

    def begin_run(self) -> None:
        """Count a new run from zero."""
        self.episodes = self.missed = self.expected = 0
        self.last_episode = self.last_time = None

    def count(self, record: Record) -> None:
        """An episode has ended."""
        self.episodes += 1
        self.complete += record.complete
        self.incomplete += not record.complete
        self.events += len(record.said)
        for alert in record.expected() if record.known else ():
            self.alerts[alert.rule] += alert.times
            self.expected += alert.times

    def miss(self) -> None:
        """An episode could not begin in time."""
        self.missed += 1
        self.missed_here += 1

    def status(self, name: str, under_way: str | None) -> ScenarioStatus:
        """This run; `under_way` is the id of an episode that has not ended."""
        return ScenarioStatus(
            name, self.episodes, self.missed, under_way, self.last_episode, self.last_time, self.expected
        )

    def totals(self, name: str) -> ScenarioCounts:
        """Since this process took it up."""
        return ScenarioCounts(name, self.complete, self.incomplete, self.missed_here, self.events, dict(self.alerts))
