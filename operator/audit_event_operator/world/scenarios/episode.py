"""One episode under way: its moves, what of them is on its way, and what was published."""

from collections.abc import Sequence

from audit_event_operator.resource.scenarios import Scenario
from audit_event_operator.world.scenarios.ending import Ending
from audit_event_operator.world.scenarios.scene import Move
from audit_event_operator.world.scenarios.truth import Record, Said
from audit_event_operator.world.scenarios.usual import malicious, techniques_of


class Episode:
    """Moments are nanoseconds of the clock of `begins_ns`."""

    def __init__(self, scenario: Scenario, episode_id: str, begins_ns: int, begins_unix_ns: int, moves: Sequence[Move]):
        self.scenario = scenario
        self.id = episode_id
        self.begins_ns = begins_ns
        self.begins_unix_ns = begins_unix_ns
        self.moves = moves
        self.taken = 0
        self.under_way: dict[int, Said] = {}
        self.said: list[Said] = []
        self.lost = False
        self.ending: Ending | None = None

    @property
    def next_ns(self) -> int | None:
        """When its next move is due; None where none is to come."""
        if self.ending is not None or self.taken >= len(self.moves):
            return None
        return self.begins_ns + self.moves[self.taken].offset_ns

    @property
    def over(self) -> bool:
        """Nothing is to come, and nothing on its way."""
        return not self.under_way and self.next_ns is None

    def record(self) -> Record:
        """What it did."""
        ending = self.ending or (Ending.EVENTS_LOST if self.lost else Ending.COMPLETED)
        scenario = self.scenario
        ends_ns = self.moves[self.taken - 1].offset_ns if self.taken else 0
        return Record(
            scenario.name,
            scenario.type,
            self.id,
            malicious(scenario),
            techniques_of(scenario),
            self.begins_unix_ns,
            self.begins_unix_ns + ends_ns,
            ending,
            ending is Ending.COMPLETED,
            tuple(self.said),
        )
