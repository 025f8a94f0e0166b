"""What we answer: facts about a generator in, the `status` of its resource out, and progress read back from one.

Pure: the caller passes the previous status and the time. When and how it is written is none of its business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any, Final, NamedTuple

from audit_event_operator.resource.advice import Advice
from audit_event_operator.resource.conditions import Completion, ConditionStatus, Ready
from audit_event_operator.resource.fields import MAX_EXACT_INTEGER
from audit_event_operator.resource.names import UID_LABEL
from audit_event_operator.resource.problems import shortened
from audit_event_operator.resource.scenarios import MAX_SCENARIOS

MAX_MESSAGE_LENGTH: Final = 1024
MAX_OWNER_LENGTH: Final = 571
"""A namespace, a Lease's name and a process's name, with two slashes."""
MAX_SELECTOR_LENGTH: Final = 128
MAX_DESTINATION_LENGTH: Final = 513
"""An exchange and a routing key, with an arrow between them."""
MAX_EPISODE_LENGTH: Final = 64
"""Of an episode's id; today they are UUIDs."""
_MAX_SCENARIO_NAME_LENGTH: Final = 63


class ScenarioStatus(NamedTuple):
    """What became of one scenario in a run.

    Attributes:
        name: the scenario's.
        episodes: those that ended, complete or not.
        missed: those that could not begin in time.
        open: the id of the one that is under way.
        last_episode: the id of the one that began last.
        last_time: when it began, aware.
        expected_alerts: how many alerts all of them together should have raised.
    """

    name: str
    episodes: int = 0
    missed: int = 0
    open: str | None = None
    last_episode: str | None = None
    last_time: datetime | None = None
    expected_alerts: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come; all zero for a new resource.

    Attributes:
        events_published: confirmed by the broker in this run.
        events_dropped: given up in this run.
        run_id: which run it is.
        start_time: its first tick, aware, as the others.
        completion_time: its end.
        last_publish_time: last confirm.
        scenarios: those that have begun or missed an episode, by name.
    """

    events_published: int = 0
    events_dropped: int = 0
    run_id: str | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    last_publish_time: datetime | None = None
    scenarios: tuple[ScenarioStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What is true of one generator at one moment, but for its counters: all that a status, a page or a metric tells.

    Attributes:
        generation: the generation whose spec is in effect (for InvalidSpec: the one that was refused).
        ready: why the generator is ready or not.
        complete: which bound ended the run, None while it goes on.
        rate_limited: a sentence when a cap cuts the rate, else None.
        truth_undelivered: a sentence while records of the ground truth cannot be told, else None.
        advice: what is valid in the spec but unwise, the gravest first.
        destination: where events go, for people: the queue's name, or exchange and routing key; empty while unknown.
        queue: the queue's name; empty while unknown, and where events go to an exchange.
        broker: `host:port/vhost` without the user; empty while unknown.
        connected: the broker's connection is open.
        interval_seconds: the spec's interval.
        events_per_interval: the spec's; None until there was a valid one.
        target_rate: events per second that are aimed at now; 0 while nothing is due.
        observed_rate: events per second confirmed over the last 30 s.
        random_seed: the seed in effect.
        bounded: the run has an end.
        progress: how far the run has come.
        restarts: how often the generator's task crashed.
    """

    generation: int
    ready: Ready
    complete: Completion | None = None
    rate_limited: str | None = None
    truth_undelivered: str | None = None
    advice: tuple[Advice, ...] = ()
    destination: str = ""
    queue: str = ""
    broker: str = ""
    connected: bool = False
    interval_seconds: float = 0.0
    events_per_interval: int | None = None
    target_rate: Fraction = Fraction(0)
    observed_rate: float = 0.0
    random_seed: int = 0
    bounded: bool = False
    progress: Progress = Progress()
    restarts: int = 0


class Contested(NamedTuple):
    """What a status tells of another installation that serves the same resource.

    Attributes:
        message: sentences for the ForeignOwner condition.
        renewed: the owner's last sign of life, aware; None while it asks whether the other one is still there.
    """

    message: str
    renewed: datetime | None


def parse_progress(status: Mapping[str, Any] | None) -> Progress:
    """Read back what a status says was done. Never raises: what cannot be read counts as not done."""
    if not isinstance(status, Mapping):
        return Progress()
    run_id = status.get("runId")
    return Progress(
        events_published=_parse_count(status.get("eventsPublished")),
        events_dropped=_parse_count(status.get("eventsDropped")),
        run_id=run_id if isinstance(run_id, str) and run_id else None,
        start_time=_parse_time(status.get("startTime")),
        completion_time=_parse_time(status.get("completionTime")),
        last_publish_time=_parse_time(status.get("lastPublishTime")),
        scenarios=_parse_scenarios(status),
    )


def build_status(
    facts: Facts,
    previous: Mapping[str, Any] | None,
    now: datetime,
    *,
    uid: str | None = None,
    owner: str | None = None,
    contested: Contested | None = None,
) -> dict[str, Any]:
    """Build the whole status.

    Args:
        facts: what is true now.
        previous: the status before, for the transition times of conditions that did not change; may be anything.
        now: aware; the transition time of those that did.
        uid: the resource's, for the selector of its scale subresource.
        owner: the operator process, see `installation_of`.
        contested: what another installation means for this resource; None when there is none.
    """
    progress = facts.progress
    status = {
        "observedGeneration": facts.generation,
        "conditions": _conditions(facts, contested, _transition_times(previous), _format_seconds(now)),
        "eventsPublished": progress.events_published,
        "eventsDropped": progress.events_dropped,
        "eventsPerInterval": facts.events_per_interval,
        "selector": None if uid is None else f"{UID_LABEL}={uid}",
        "targetRate": format_rate(facts.target_rate),
        "observedRate": format_rate(Fraction(facts.observed_rate).limit_denominator(1_000_000)),
        "destination": facts.destination or None,
        "queue": facts.queue or None,
        "broker": facts.broker or None,
        "randomSeed": facts.random_seed,
        "owner": None if owner is None else owner[:MAX_OWNER_LENGTH],
        "ownerRenewTime": _format_milliseconds(contested.renewed if contested is not None else None),
        "startTime": _format_milliseconds(progress.start_time),
        "completionTime": _format_milliseconds(progress.completion_time),
        "lastPublishTime": _format_milliseconds(progress.last_publish_time),
        "runId": progress.run_id,
        "scenarios": scenario_entries(progress) or None,
    }
    return {field: value for field, value in status.items() if value is not None}


def scenario_entries(progress: Progress) -> list[dict[str, Any]]:
    """What the status tells of each scenario, in the order of `progress`."""
    entries = (
        {
            "name": each.name,
            "episodes": each.episodes,
            "missed": each.missed,
            "open": each.open,
            "lastEpisode": each.last_episode,
            "lastTime": _format_milliseconds(each.last_time),
            "expectedAlerts": each.expected_alerts,
        }
        for each in progress.scenarios[:MAX_SCENARIOS]
    )
    return [{field: value for field, value in entry.items() if value is not None} for entry in entries]


def transition_key(status: Mapping[str, Any] | None) -> tuple[object, ...]:
    """Return what has to be written at once when it changes; two statuses with the same key differ in counters only.

    The key is the generation, the owner's sign of life, of every condition all but its transition time, and which episode of
    each scenario is under way: whoever takes over has to know. Never raises.
    """
    if not isinstance(status, Mapping):
        return ()
    conditions = sorted(
        tuple(str(condition.get(part)) for part in ("type", "status", "reason", "message", "observedGeneration"))
        for condition in conditions_of(status)
    )
    scenarios = sorted((each.name, each.open or "") for each in _parse_scenarios(status))
    return (status.get("observedGeneration"), status.get("ownerRenewTime"), *conditions, *scenarios)


def installation_of(owner: object) -> str | None:
    """The installation that a status.owner names, `leaseNamespace/leaseName` of `leaseNamespace/leaseName/process`.

    None for what names none, such as the owners of earlier versions.
    """
    parts = owner.split("/", 2) if isinstance(owner, str) else []
    return "/".join(parts[:2]) if len(parts) == 3 and all(parts) else None


def process_of(owner: object) -> str:
    """The process that a status.owner names, `process` of `leaseNamespace/leaseName/process`; empty if it names none."""
    parts = owner.split("/", 2) if isinstance(owner, str) else []
    return parts[2] if len(parts) == 3 else ""


def claimed(status: Mapping[str, Any], owner: str, now: datetime) -> dict[str, Any]:
    """Another installation's status with ourselves as the owner, so that it hears of us."""
    return {**status, "owner": owner[:MAX_OWNER_LENGTH], "ownerRenewTime": _format_milliseconds(now)}


class ReadyCondition(NamedTuple):
    """What the Ready condition says."""

    status: str
    reason: str
    message: str


def ready_condition(status: Mapping[str, Any] | None) -> ReadyCondition | None:
    """The Ready condition of a status, which may be anybody's work; None when there is none."""
    for condition in conditions_of(status):
        if condition.get("type") == "Ready":
            return ReadyCondition(*(str(condition.get(part, "")) for part in ReadyCondition._fields))
    return None


def format_rate(events_per_second: Fraction) -> str:
    """Write a rate for people, without an exponent: "0.2/s", "1500/s", "0.3333/s".

    Four significant digits, but never less than the whole number.
    """
    if events_per_second <= 0:
        return "0/s"
    digits = max(4, len(str(int(events_per_second))))
    rounded = Context(prec=digits).divide(Decimal(events_per_second.numerator), Decimal(events_per_second.denominator))
    return f"{rounded.normalize():f}/s"


def _conditions(
    facts: Facts, contested: Contested | None, since: Mapping[tuple[str, str], str], now: str
) -> list[dict[str, Any]]:
    ready, meaning = facts.ready, facts.ready.readiness
    wanted: list[tuple[str, ConditionStatus, str, str]] = [("Ready", meaning.status, ready.reason, ready.message)]
    if meaning.reconciling:
        wanted.append(("Reconciling", "True", ready.reason, ready.message))
    if meaning.stalled:
        wanted.append(("Stalled", "True", ready.reason, ready.message))
    if facts.rate_limited is not None:
        wanted.append(("RateLimited", "True", "RateLimited", facts.rate_limited))
    if facts.truth_undelivered is not None:
        wanted.append(("GroundTruthUndelivered", "True", "GroundTruthUndelivered", facts.truth_undelivered))
    if contested is not None:
        wanted.append(("ForeignOwner", "True", "ForeignOwner", contested.message))
    if facts.complete is not None:
        wanted.append(("Complete", "True", facts.complete.reason, facts.complete.message))
    if facts.advice:
        told = " ".join(advice.message for advice in facts.advice)
        wanted.append(("ConfigurationWarning", "True", facts.advice[0].reason, told))
    return [
        {
            "type": kind,
            "status": status,
            "observedGeneration": facts.generation,
            "lastTransitionTime": since.get((kind, status), now),
            "reason": str(reason),
            "message": shortened(message, MAX_MESSAGE_LENGTH),
        }
        for kind, status, reason, message in wanted
    ]


def conditions_of(status: Mapping[str, Any] | None) -> Iterable[Mapping[str, Any]]:
    """The conditions of a status, which may be anybody's work."""
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    return [one for one in conditions if isinstance(one, Mapping)] if isinstance(conditions, list | tuple) else []


def _transition_times(previous: Mapping[str, Any] | None) -> dict[tuple[str, str], str]:
    """Collect when each condition took its status, as far as the previous status can be trusted."""
    return {
        (str(condition.get("type")), str(condition.get("status"))): condition["lastTransitionTime"]
        for condition in conditions_of(previous)
        if _parse_time(condition.get("lastTransitionTime")) is not None
    }


def _parse_scenarios(status: Mapping[str, Any]) -> tuple[ScenarioStatus, ...]:
    """The first entry of each name, as far as it can be read."""
    entries = status.get("scenarios")
    found: dict[str, ScenarioStatus] = {}
    for entry in entries if isinstance(entries, list | tuple) else ():
        name = _parse_text(entry.get("name"), _MAX_SCENARIO_NAME_LENGTH) if isinstance(entry, Mapping) else None
        if name is None or name in found or len(found) == MAX_SCENARIOS:
            continue
        found[name] = ScenarioStatus(
            name,
            episodes=_parse_count(entry.get("episodes")),
            missed=_parse_count(entry.get("missed")),
            open=_parse_text(entry.get("open"), MAX_EPISODE_LENGTH),
            last_episode=_parse_text(entry.get("lastEpisode"), MAX_EPISODE_LENGTH),
            last_time=_parse_time(entry.get("lastTime")),
            expected_alerts=_parse_count(entry.get("expectedAlerts")),
        )
    return tuple(found.values())


def _parse_text(value: object, max_length: int) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= max_length else None


def _parse_count(value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= MAX_EXACT_INTEGER else 0


def _parse_time(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        return None
    if time.tzinfo is None:
        return None
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return None


def _format_seconds(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _format_milliseconds(time: datetime | None) -> str | None:
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
