"""The scenarios of one stream over time: which episodes begin, what is due of them, how they end, and what became of them.

Moments are nanoseconds of the caller's steady clock. The caller makes events of what is due, says what became of each, and
fetches the records.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from audit_event_operator.events.event import Mark
from audit_event_operator.events.identity import uuid4_texts
from audit_event_operator.pacing.intensity import NS_PER_SECOND
from audit_event_operator.resource.scenarios import Scenario
from audit_event_operator.resource.status import ScenarioStatus
from audit_event_operator.world.cast import WorldCast
from audit_event_operator.world.scenarios.actors import Actors
from audit_event_operator.world.scenarios.ending import Ending
from audit_event_operator.world.scenarios.episode import Episode
from audit_event_operator.world.scenarios.scene import Move, Scene
from audit_event_operator.world.scenarios.schedule import Schedule, episode_dice
from audit_event_operator.world.scenarios.score import ScenarioCounts, Score
from audit_event_operator.world.scenarios.scripts import Part, play
from audit_event_operator.world.scenarios.truth import Record, Said
from audit_event_operator.world.scenarios.usual import USUAL, malicious, techniques_of

PATIENCE_SECONDS: Final = 5
"""So late an episode may begin, and an event of it be made."""
PATIENCE_NS: Final = PATIENCE_SECONDS * NS_PER_SECOND
_STANDSTILL_NS: Final = 60 * NS_PER_SECOND
_UNKNOWN_TYPE: Final = "Unknown"


class Cue(NamedTuple):
    """An event that is due: whose it is, since when, and what happens."""

    mark: Mark
    due_ns: int
    move: Move


class _Role:
    """One scenario of the spec: when its next episode begins, and the one that is under way."""

    def __init__(self, scenario: Scenario, score: Score) -> None:
        self.scenario = scenario
        self.score = score
        self.schedule: Schedule | None = None
        self.number: int | None = None
        self.begins_ns: int | None = None
        self.last_begun_ns: int | None = None
        self.episode: Episode | None = None


class Playbook:
    """The scenarios of one stream.

    `told`: what the status says of them. `entropy` gives as many random bytes as asked for, for the ids of episodes.
    """

    __slots__ = (
        "_actors",
        "_begun_ns",
        "_entropy",
        "_header",
        "_open",
        "_roles",
        "_seed",
        "_told",
        "missed",
        "news",
        "records",
    )

    def __init__(self, told: Iterable[ScenarioStatus], entropy: Callable[[int], bytes]) -> None:
        self.records: list[Record] = []
        """Of episodes that have ended; the caller takes them out."""
        self.news: list[str] = []
        """What happened, for a log; the caller takes it out."""
        self.missed = 0
        """Episodes that could not begin in time; the caller takes them out."""
        self._told = {each.name: each for each in told}
        self._entropy = entropy
        self._roles: dict[str, _Role] = {}
        self._open: dict[str, Episode] = {}
        self._actors: Actors | None = None
        self._seed = 0
        self._begun_ns: int | None = None
        self._header = False

    # -- what changes --------------------------------------------------------------------------------------------------

    def adopt(self, scenarios: Iterable[Scenario], *, cast: WorldCast | None, header: bool, now_ns: int) -> None:
        """Play these scenarios from now on; `cast`: the people and hosts, None where there are no scenarios."""
        self._header = header
        if cast is not None and (self._actors is None or self._actors.cast is not cast):
            self._actors, self._seed = Actors(cast), cast.seed
        roles: dict[str, _Role] = {}
        for scenario in scenarios:
            role = self._roles.pop(scenario.name, None)
            if role is None:
                role = _Role(scenario, Score(self._told.get(scenario.name)))
                self._take_up(role)
            role.scenario = scenario
            if scenario.suspend:
                self._end(role.episode, Ending.SCENARIO_SUSPENDED)
            roles[scenario.name] = role
        for gone in self._roles.values():
            self._end(gone.episode, Ending.SCENARIO_REMOVED)
        for told in self._told.values():
            if told.open is not None:  # its scenario is gone
                self._lost(told, None)
        self._told.clear()
        self._roles = roles
        if self._actors is not None:
            self._actors.begin(sum(role.score.episodes + role.score.missed for role in roles.values()))
        self._schedule(now_ns)

    def begin(self, begun_ns: int, now_ns: int, *, ahead_ns: int) -> None:
        """The run began then; schedules count from there. `ahead_ns`: wall clock minus `now_ns`."""
        self._begun_ns = begun_ns
        for role in self._roles.values():
            last = role.score.last_time
            if role.last_begun_ns is None and last is not None:
                role.last_begun_ns = int(last.timestamp() * NS_PER_SECOND) - ahead_ns
        self._schedule(now_ns)

    def begin_run(self) -> None:
        """There is a new run, which has not begun yet."""
        self.end(Ending.NEW_RUN)
        self._begun_ns = None
        for role in self._roles.values():
            role.score.begin_run()
            role.number = role.begins_ns = role.last_begun_ns = None

    def end(self, ending: Ending) -> None:
        """End all that is under way; what is on its way may still be published."""
        for role in self._roles.values():
            self._end(role.episode, ending)

    def give_up(self) -> None:
        """Nothing more will become known of what is on its way."""
        for episode in tuple(self._open.values()):
            episode.under_way.clear()
            episode.ending = episode.ending or Ending.EVENTS_LOST
            self._finish_if_over(episode)

    # -- what it knows -------------------------------------------------------------------------------------------------

    @property
    def next_ns(self) -> int | None:
        """When something begins or is due next; None where nothing will."""
        moments = (each for role in self._roles.values() for each in self._moments(role))
        return min(moments, default=None)

    def __bool__(self) -> bool:
        """Whether there is any scenario, or something of one is under way."""
        return bool(self._roles or self._open)

    @property
    def idle(self) -> bool:
        """No episode is under way."""
        return not self._open

    def status(self) -> tuple[ScenarioStatus, ...]:
        """What became of each scenario of the spec in this run."""
        return tuple(
            role.score.status(name, None if role.episode is None else role.episode.id)
            for name, role in self._roles.items()
        )

    def totals(self) -> tuple[ScenarioCounts, ...]:
        """What became of each scenario of the spec since this process took it up."""
        return tuple(role.score.totals(name) for name, role in self._roles.items())

    # -- from moment to moment -----------------------------------------------------------------------------------------

    def look(self, now_ns: int, *, ahead_ns: int, ready: bool, limited: bool) -> None:
        """Begin what is to begin, miss what could not begin in time, end what could not go on.

        `ahead_ns`: wall clock minus `now_ns`. `ready`: events can be delivered now. `limited`: it is the cap that leaves no
        room.
        """
        for role in self._roles.values():
            episode = role.episode
            if episode is not None:
                due_ns = episode.next_ns
                if due_ns is not None and due_ns + PATIENCE_NS < now_ns:
                    self._end(episode, Ending.RATE_LIMITED if limited else Ending.NO_ROOM)
            if role.begins_ns is not None and now_ns - role.begins_ns > _STANDSTILL_NS:
                self._next(role, now_ns - PATIENCE_NS)  # nobody looked: it was not ours to play
            while role.begins_ns is not None and role.begins_ns <= now_ns and not role.scenario.suspend:
                if ready and role.episode is None and now_ns - role.begins_ns <= PATIENCE_NS:
                    self._begin(role, role.begins_ns, ahead_ns)
                elif now_ns - role.begins_ns > PATIENCE_NS:
                    self._miss(role, "the stream was not ready" if not ready else "the one before had not ended")
                else:
                    break
                self._next(role)

    def due(self, now_ns: int, most: int) -> list[Cue]:
        """What is due, the earliest first, at most so many; the caller makes events of all of it, and calls `made`."""
        cues: list[Cue] = []
        while len(cues) < most:
            waiting = [
                (moment, episode)
                for episode in self._open.values()
                if (moment := episode.next_ns) is not None and moment <= now_ns
            ]
            if not waiting:
                break
            moment, episode = min(waiting, key=lambda each: each[0])
            move = episode.moves[episode.taken]
            mark = Mark(episode.scenario.name, episode.id, move.step, episode.taken, self._header)
            episode.taken += 1
            cues.append(Cue(mark, moment, move))
        return cues

    def made(self, mark: Mark, said: Said) -> None:
        """An event was made, and is on its way."""
        self._open[mark.episode].under_way[mark.place] = said

    def settle(self, mark: Mark, *, published: bool) -> bool:
        """What became of an event; True when its episode is over."""
        episode = self._open.get(mark.episode)
        said = None if episode is None else episode.under_way.pop(mark.place, None)
        if episode is None or said is None:
            return False
        if published:
            episode.said.append(said)
        else:
            episode.lost = True
        return self._finish_if_over(episode)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _moments(self, role: _Role) -> Iterable[int]:
        if role.episode is not None and (due_ns := role.episode.next_ns) is not None:
            yield due_ns
        if role.begins_ns is not None and not role.scenario.suspend:
            yield role.begins_ns

    def _take_up(self, role: _Role) -> None:
        told = self._told.pop(role.scenario.name, None)
        if told is not None and told.open is not None:
            self._lost(told, role)

    def _lost(self, told: ScenarioStatus, role: _Role | None) -> None:
        """The process before was killed while an episode was under way: of what it did nothing is known."""
        began = told.last_time or datetime.fromtimestamp(0, UTC)
        began_ns = int(began.timestamp() * 1_000) * 1_000_000
        scenario = None if role is None else role.scenario
        record = Record(
            told.name,
            _UNKNOWN_TYPE if scenario is None else scenario.type,
            told.open or "",
            scenario is None or malicious(scenario),
            () if scenario is None else techniques_of(scenario),
            began_ns,
            began_ns,
            Ending.OPERATOR_LOST,
            complete=False,
            said=(),
            known=False,
        )
        if role is not None:
            role.score.count(record)
        self._tell(record)

    def _schedule(self, now_ns: int) -> None:
        """Find out when each scenario has its next episode."""
        if self._begun_ns is None or self._actors is None:
            return
        for role in self._roles.values():
            scenario = role.scenario
            victims = self._actors.count(scenario)
            role.schedule = Schedule(scenario, self._seed, begun_ns=self._begun_ns, victims=victims)
            if scenario.every_ns is None:
                score = role.score
                begun = role.episode is not None or score.last_episode is not None or score.episodes or score.missed
                role.number = None if begun else 0
                # A single one whose time has passed begins at once.
                role.begins_ns = None if begun else max(now_ns, role.schedule.begins_ns(0))
            else:
                self._next(role, now_ns - PATIENCE_NS)

    def _next(self, role: _Role, earliest_ns: int | None = None) -> None:
        """Look for the episode after the last one; `earliest_ns`: those before that are of the past."""
        if role.schedule is None or role.scenario.every_ns is None:
            role.number = role.begins_ns = None
            return
        moments = [each for each in (role.last_begun_ns, earliest_ns) if each is not None]
        role.number = role.schedule.first_after(max(moments))
        role.begins_ns = None if role.number is None else role.schedule.begins_ns(role.number)

    def _begin(self, role: _Role, begins_ns: int, ahead_ns: int) -> None:
        actors, scenario, number = self._actors, role.scenario, role.number
        if actors is None or number is None:
            return
        role.last_begun_ns = begins_ns
        actors.forget(begins_ns)
        turn = episode_dice(self._seed, b"turn", scenario.name, 0).roll(2**32)
        person = actors.victim(scenario, number, turn, begins_ns)
        if person is None:
            self._miss(role, "everybody whom it may be about has to rest from other episodes")
            return
        begins_unix_ns = begins_ns + ahead_ns
        scene = Scene(episode_dice(self._seed, b"episode", scenario.name, number, begins_unix_ns))
        play(Part(scenario, person, actors, begins_ns), scene)
        (episode_id,) = uuid4_texts(self._entropy(16))
        episode = Episode(scenario, episode_id.decode(), begins_ns, begins_unix_ns, scene.moves)
        rest_ns = USUAL[scenario.type].rest_seconds * NS_PER_SECOND
        actors.rests({move.occurrence.user for move in scene.moves}, begins_ns + scene.lasts_ns + rest_ns)
        role.episode = self._open[episode.id] = episode
        role.score.last_episode = episode.id
        role.score.last_time = datetime.fromtimestamp(begins_unix_ns / NS_PER_SECOND, UTC)
        self.news.append(f"Episode {episode.id} of scenario {scenario.name} ({scenario.type}) begins.")
        self._finish_if_over(episode)

    def _miss(self, role: _Role, why: str) -> None:
        role.last_begun_ns = role.begins_ns
        role.score.miss()
        self.missed += 1
        self.news.append(f"Scenario {role.scenario.name} misses an episode: {why}.")

    def _end(self, episode: Episode | None, ending: Ending) -> None:
        if episode is None:
            return
        if episode.next_ns is not None:
            episode.ending = ending
        self._finish_if_over(episode)

    def _finish_if_over(self, episode: Episode) -> bool:
        if not episode.over or episode.id not in self._open:
            return False
        del self._open[episode.id]
        record = episode.record()
        role = next((role for role in self._roles.values() if role.episode is episode), None)
        if role is not None:
            role.episode = None
            role.score.count(record)
        self._tell(record)
        return True

    def _tell(self, record: Record) -> None:
        self.records.append(record)
        alerts = ", ".join(f"{each.times} {each.rule}" for each in record.expected())
        published = "1 event" if len(record.said) == 1 else f"{len(record.said)} events"
        what = f"{published} published; expected alerts: {alerts or 'none'}"
        self.news.append(
            f"Episode {record.episode} of scenario {record.scenario} ({record.type}) ended: {record.end_reason}, {what}."
        )
