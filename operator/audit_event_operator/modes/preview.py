"""What a stream would say, told without a cluster: rate, mix, people and hosts, episodes and their alerts, sample events.

A function of the spec and the moment at which it is to begin.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from audit_event_operator.events.factory import derive_seed
from audit_event_operator.events.identity import timestamp_of
from audit_event_operator.events.mix import weights_of
from audit_event_operator.files.collection import Found
from audit_event_operator.files.source import uid_of
from audit_event_operator.modes.rate_chart import DAY_NS, HOUR_NS, WEEK_NS, chart, picture, planned
from audit_event_operator.resource.spec import Activity, GeneratorSpec
from audit_event_operator.timeline.makers import Makers
from audit_event_operator.timeline.play import play
from audit_event_operator.timeline.replay import Replay
from audit_event_operator.world.cast import IndependentCast, WorldCast
from audit_event_operator.world.scenarios.ending import Ending
from audit_event_operator.world.scenarios.truth import Record

_SAMPLES: Final = 10
_EPISODES: Final = 3
_FIRST: Final = 5
_LONGEST_NS: Final = 30 * DAY_NS
_ROLES: Final = ("admin", "developer", "service account", "office")
_DAY: Final = (DAY_NS // 72, 72)
_WEEK: Final = (2 * HOUR_NS, 84)
_DAY_MARKS: Final = (6 * HOUR_NS, "%H:%M")
_WEEK_MARKS: Final = (DAY_NS, "%a")


def preview(found: Found, from_ns: int) -> list[str]:
    """Lines of text about one resource whose run begins at that moment."""
    spec, seed = found.spec, _seed(found)
    begins = datetime.fromtimestamp(from_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    lines = [f"{found.ref}: activity {spec.activity}, seed {seed}, from {begins}"]
    for title, part in (
        ("Rate over a day", _rate(spec, seed, from_ns, _DAY, _DAY_MARKS)),
        ("Rate over a week", _rate(spec, seed, from_ns, _WEEK, _WEEK_MARKS)),
        ("Mix", _mix(spec)),
        ("Users and hosts", _people(spec, seed)),
        ("Episodes", _episodes(found, from_ns)),
        ("Warnings", iter(found.warnings)),
        ("First events", _samples(found, from_ns)),
    ):
        told = [f"  {line}" for line in part]
        if told:
            lines += ["", title, *told]
    return lines


def rate_picture(streams: Sequence[Found], from_ns: int) -> str:
    """The planned rates over a day and a week as an SVG document."""
    charts = []
    for found in streams:
        for what, (cell_ns, cells), (mark_ns, form) in (("a day", _DAY, _DAY_MARKS), ("a week", _WEEK, _WEEK_MARKS)):
            rates = planned(found.spec, _seed(found), from_ns, cell_ns, cells)
            charts.append((f"{found.ref}: events per second over {what}", rates, mark_ns, form))
    return picture("Planned rates", charts)


def _seed(found: Found) -> int:
    given = found.spec.random_seed
    return derive_seed(uid_of(found.ref)) if given is None else given


def _rate(
    spec: GeneratorSpec, seed: int, from_ns: int, cells: tuple[int, int], marks: tuple[int, str]
) -> Iterator[str]:
    rates = planned(spec, seed, from_ns, *cells)
    yield from chart(rates, *marks)
    bounds = [f"maxEvents {spec.max_events}"] if spec.max_events is not None else []
    bounds += [f"runDuration {spec.run_duration}"] if spec.run_duration is not None else []
    ends = f"; the run ends with {' or '.join(bounds)}" if bounds else ""
    yield f"{rates.events:,.0f} events, scenarios not counted{ends}"


def _mix(spec: GeneratorSpec) -> Iterator[str]:
    weights = weights_of(spec.event_mix, spec.activity)
    whole = sum(weights.values())
    width = max(map(len, weights))
    for name, weight in sorted(weights.items(), key=lambda item: -item[1]):
        if weight:
            yield f"{name:{width}}  {float(Fraction(weight) * 100 / whole):5.1f} %"


def _people(spec: GeneratorSpec, seed: int) -> Iterator[str]:
    cast = Makers().cast(spec, seed)
    if cast is None or spec.activity is Activity.INDEPENDENT:
        drawn = IndependentCast(spec.entities, seed)
        for what, names in (("users", drawn.users), ("hosts", drawn.hosts)):
            some = ", ".join(names[number] for number in range(min(_FIRST, len(names))))
            yield f"{len(names):,} {what}: {some}{', ...' if len(names) > _FIRST else ''}"
        return
    yield from _behaving(cast)


def _behaving(cast: WorldCast) -> Iterator[str]:
    people, machines = cast.people, cast.machines
    yield f"{people.count:,} users" + (", the first:" if people.count > _FIRST else ":")
    for number in range(min(_FIRST, people.count)):
        person = people[number]
        hours = f"{_clock(person.begins)}-{_clock(person.ends)}" if person.human else "always"
        homes = ", ".join(machines[home].name for home in person.homes)
        yield f"  {person.name:16} {_ROLES[person.role]:15} {hours:11} {person.addresses[0]:15} {homes}"
    yield f"{machines.count:,} hosts" + (", the first:" if machines.count > _FIRST else ":")
    yield "  " + ", ".join(machines[number].name for number in range(min(_FIRST, machines.count)))


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _episodes(found: Found, from_ns: int) -> Iterator[str]:
    told: dict[str, list[Record]] = {scenario.name: [] for scenario in found.spec.scenarios}
    for record in _staged(found, from_ns):
        told[record.scenario].append(record)
    for scenario in found.spec.scenarios:
        every = f", every {scenario.every}" if scenario.every is not None else ", once"
        yield f"{scenario.name} ({scenario.type}{every})"
        for record in told[scenario.name][:_EPISODES]:
            alerts = ", ".join(f"{each.times} {each.rule}" for each in record.expected()) or "none"
            yield f"  {timestamp_of(record.begins_unix_ns)[:19]}Z  {len(record.said)} events; expected alerts: {alerts}"
        if not told[scenario.name]:
            yield "  suspended" if scenario.suspend else "  none in the next 30 days"


def _staged(found: Found, from_ns: int) -> Iterator[Record]:
    """The first episodes of each scenario: the stream is played without what the mix says, which they do not depend on."""
    alone = found.spec.model_copy(update={"events_per_interval": 0, "suspend": False, "max_events": None})
    waiting = dict.fromkeys((each.name for each in alone.scenarios if not each.suspend), _EPISODES)
    waiting |= {each.name: 1 for each in alone.scenarios if each.every is None and not each.suspend}
    stream = Replay(str(found.ref), uid_of(found.ref), alone, start_ns=from_ns)
    if not waiting:
        return
    for _ in play([stream], from_ns=from_ns, to_ns=from_ns + _LONGEST_NS):
        for record in stream.records():
            waiting[record.scenario] -= 1
            yield record
        if max(waiting.values()) <= 0:
            return
    stream.end(Ending.RUN_COMPLETE)
    yield from stream.records()


def _samples(found: Found, from_ns: int) -> Iterator[str]:
    stream = Replay(str(found.ref), uid_of(found.ref), found.spec, start_ns=from_ns)
    for events in play([stream], from_ns=from_ns, to_ns=from_ns + 2 * WEEK_NS, count=_SAMPLES):
        for event in events:
            yield event.body.decode()
