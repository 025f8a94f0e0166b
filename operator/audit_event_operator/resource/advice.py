"""What is valid, but probably unintended: a valid spec in, warnings for its author out.

Rejecting would be too much: each of these may be right for somebody. Warnings are shown next to the state and never change it.
Pure, and about the spec alone; must not know what a broker or a Secret contains.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

from audit_event_operator.resource.broker_spec import DeclarationMode, Delivery, QueueDeclaration, QueueType
from audit_event_operator.resource.durations import NANOSECONDS_PER_SECOND
from audit_event_operator.resource.entities import MAX_USERS
from audit_event_operator.resource.message import ROUTING_KEY_LIMIT_BYTES
from audit_event_operator.resource.scenarios import Scenario, ScenarioType
from audit_event_operator.resource.spec import Activity, GeneratorSpec
from audit_event_operator.resource.templates import ALIASES, FAILING, LOGINS, SESSIONS_MIX

LARGE_RATE: Final = 1_000
"""Events per second from which a queue without a consumer is a danger within hours."""
_NAMES_SHOWN: Final = 3
_USERS_PER_FAILURE: Final = 2_000
"""So many users for one failed login a second: each of them fails at most once in 1,860 s."""
_SHORT_SESSION_SECONDS: Final = 30

_COUNTED_SECONDS: Final = 60
_COUNTED_FAILURES: Final = 3
"""ANLY-SEC-001 alerts on so many failures of a user on a host in so much time; one as old as that is out."""
_SLOW_PACE_NS: Final = _COUNTED_SECONDS * NANOSECONDS_PER_SECOND // (_COUNTED_FAILURES - 1)
_GUESSING: Final = {ScenarioType.BRUTE_FORCE, ScenarioType.ACCOUNT_TAKEOVER}
"""Scenarios that fail many logins of one user."""
_FAILING: Final = {*_GUESSING, ScenarioType.PASSWORD_SPRAY, ScenarioType.MISTYPED_PASSWORD}
"""Scenarios that fail logins of users who exist."""
_COUNTED: Final = {
    *_GUESSING,
    ScenarioType.PASSWORD_SPRAY,
    ScenarioType.USER_ENUMERATION,
    ScenarioType.LATERAL_MOVEMENT,
    ScenarioType.DEPLOYMENT_BURST,
}
"""Scenarios of as many events as attempts says."""


class AdviceReason(StrEnum):
    """The `reason` of the ConfigurationWarning condition, the most serious first."""

    ASKS_FOR_NOTHING = "AsksForNothing"
    MORE_FAILURES_THAN_QUIET_ALLOWS = "MoreFailuresThanQuietAllows"
    SHORT_SESSIONS = "ShortSessions"
    SCENARIOS_WITH_INDEPENDENT = "ScenariosWithIndependent"
    SCENARIO_OVERLAP = "ScenarioOverlap"
    PACE_SLOWER_THAN_RULE = "PaceSlowerThanRule"
    BLANKS_IN_NAME = "BlanksInName"
    ROUTING_KEY_TOO_LONG = "RoutingKeyTooLong"
    UNUSED_EVENT_TYPE = "UnusedEventType"
    ALIAS_ADDS_UP = "AliasAddsUp"
    ENDS_AFTER_ONE_TICK = "EndsAfterOneTick"
    MAX_EVENTS_OUT_OF_REACH = "MaxEventsOutOfReach"
    SCENARIO_FIELD_WITHOUT_EFFECT = "ScenarioFieldWithoutEffect"
    AT_MOST_ONCE_TO_QUORUM = "AtMostOnceToQuorum"
    TYPE_WITHOUT_EFFECT = "TypeWithoutEffect"
    QUEUE_MAY_GROW = "QueueMayGrow"


class Advice(NamedTuple):
    """One warning.

    Attributes:
        reason: which one it is, for programs.
        field: where, as the API server writes it: `spec.queue`.
        message: sentences that name the field, the consequence, and what to do.
    """

    reason: AdviceReason
    field: str
    message: str


def advice_on(spec: GeneratorSpec) -> tuple[Advice, ...]:
    """Return the warnings about a spec, the most serious first; usually none."""
    return (
        *_people(spec),
        *_scenarios(spec),
        *_names(spec),
        *_routing_key(spec),
        *_mix(spec),
        *_run(spec),
        *_without_effect(spec),
        *_queue(spec),
    )


def _people(spec: GeneratorSpec) -> Iterator[Advice]:
    """Warn where too few users are to do too much, at the rate without `traffic`."""
    if spec.activity is not Activity.SESSIONS:
        return
    users, mix = spec.entities.users.expected, spec.event_mix or SESSIONS_MIX
    failures, logins = (spec.target_rate * _weight(mix, kinds) / sum(mix.values()) for kinds in (FAILING, LOGINS))
    if failures * _USERS_PER_FAILURE > users:
        needed = math.ceil(failures * _USERS_PER_FAILURE)
        way_out = (
            f"Raise entities.users.count to {needed}, or lower the weight"
            if needed <= MAX_USERS
            else "Lower the weight"
        )
        yield Advice(
            AdviceReason.MORE_FAILURES_THAN_QUIET_ALLOWS,
            "spec.eventMix",
            f"eventMix asks for {_figure(failures)} failed logins a second. So that nothing looks like an attack, a user fails"
            f" at most once in 31 minutes: with {users} users many of these logins succeed instead. {way_out}.",
        )
    if logins and max(1, min(1_024, users // 4)) / logins < _SHORT_SESSION_SECONDS:
        yield Advice(
            AdviceReason.SHORT_SESSIONS,
            "spec.entities.users.count",
            f"With {users} users and {_figure(logins)} logins a second, a session lasts less than half a minute on average."
            " Raise entities.users.count (400 users for each event a second give about 15 minutes), or lower the rate.",
        )


def _figure(rate: Fraction) -> str:
    """Three digits, never an exponent."""
    return f"{float(rate):.3g}" if rate < LARGE_RATE else f"{float(rate):.0f}"


def _weight(mix: Mapping[str, int], kinds: Iterable[str]) -> Fraction:
    """What the mix gives to some templates, their share of aliases included."""
    shared = (
        Fraction(mix.get(alias, 0), len(templates))
        for alias, templates in ALIASES.items()
        for _ in {*templates} & {*kinds}
    )
    return sum((Fraction(mix.get(kind, 0)) for kind in kinds), Fraction(0)) + sum(shared, Fraction(0))


def _scenarios(spec: GeneratorSpec) -> Iterator[Advice]:
    """Warn of scenarios whose alerts are not the ones that their records expect."""
    active = [(number, scenario) for number, scenario in enumerate(spec.scenarios) if not scenario.suspend]
    if active and spec.activity is Activity.INDEPENDENT:
        yield Advice(
            AdviceReason.SCENARIOS_WITH_INDEPENDENT,
            "spec.activity",
            "activity Independent lets users fail to log in again and again, so events outside of scenarios may raise the same"
            " alerts as the scenarios, and nobody can tell them apart. Set activity to Sessions.",
        )
    for number, scenario in active:
        others = [other.name for before, other in active if before < number and _overlap(other, scenario)]
        if others:
            yield Advice(
                AdviceReason.SCENARIO_OVERLAP,
                f"spec.scenarios[{number}].users",
                f"users and hosts of scenario {scenario.name} share names with those of {_listed(others)}. When episodes come"
                " close together, their failed logins count as one series and raise alerts that no record expects. Give each"
                " scenario users or hosts of its own.",
            )
    for number, scenario in active:
        pace = scenario.pace
        if scenario.type in _GUESSING and pace is not None and pace.range.low >= _SLOW_PACE_NS:
            yield Advice(
                AdviceReason.PACE_SLOWER_THAN_RULE,
                f"spec.scenarios[{number}].pace.min",
                f"pace.min of scenario {scenario.name} is {pace.min}, so {_COUNTED_FAILURES} failed logins take at least"
                f" {_figure(Fraction((_COUNTED_FAILURES - 1) * pace.range.low, NANOSECONDS_PER_SECOND))}s. ANLY-SEC-001 counts"
                f" {_COUNTED_FAILURES} failures of a user on a host in {_COUNTED_SECONDS}s, so it raises nothing. Set pace.min"
                f" and pace.max below {_SLOW_PACE_NS // NANOSECONDS_PER_SECOND}s, unless the silence is what you test.",
            )


def _overlap(one: Scenario, other: Scenario) -> bool:
    """Whether both may fail logins of the same user on the same host."""
    return (
        {one.type, other.type} <= _FAILING
        and not {*one.users}.isdisjoint(other.users)
        and not {*one.hosts}.isdisjoint(other.hosts)
    )


def _without_effect(spec: GeneratorSpec) -> Iterator[Advice]:
    """Warn of what is set and ignored."""
    for number, scenario in enumerate(spec.scenarios):
        ignored = [*_ignored(scenario)]
        if ignored:
            yield Advice(
                AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT,
                f"spec.scenarios[{number}].{ignored[0]}",
                f"{_listed(ignored)} {'has' if len(ignored) == 1 else 'have'} no effect in scenario {scenario.name}, because"
                f" its type is {scenario.type}. Remove {'it' if len(ignored) == 1 else 'them'}.",
            )
    if spec.ground_truth is not None and not spec.scenarios:
        yield Advice(
            AdviceReason.SCENARIO_FIELD_WITHOUT_EFFECT,
            "spec.groundTruth",
            "groundTruth has no effect without scenarios: there is nothing to tell. Add scenarios, or remove it.",
        )


def _ignored(scenario: Scenario) -> Iterator[str]:
    """The fields that its type does not look at."""
    if scenario.attempts is not None and scenario.type not in _COUNTED:
        yield "attempts"
    if scenario.success_percent is not None and scenario.type not in _GUESSING:
        yield "successPercent"
    if scenario.type is ScenarioType.STEPS:
        if scenario.pace is not None:
            yield "pace"
        return
    if not scenario.malicious:
        yield "malicious"
    if scenario.techniques:
        yield "techniques"


def _names(spec: GeneratorSpec) -> Iterator[Advice]:
    vhost = spec.rabbitmq.vhost if spec.rabbitmq is not None else None
    place = ("queue", spec.queue) if spec.exchange is None else ("exchange.name", spec.exchange.name)
    for field, name in (place, ("rabbitmq.vhost", vhost)):
        if name is not None and name != name.strip():
            yield Advice(
                AdviceReason.BLANKS_IN_NAME,
                f"spec.{field}",
                f"{field} starts or ends with a space. To RabbitMQ, the space is part of the name: consumers that use the"
                " name without it get none of these events. Remove the space.",
            )


def _routing_key(spec: GeneratorSpec) -> Iterator[Advice]:
    """Warn where a name makes the routing key too long; namespace and name of the resource are not known here."""
    key = None if spec.exchange is None else spec.exchange.routing_key
    if key is None:
        return
    for token, values in (
        ("${user}", spec.entities.users.names or ()),
        ("${host}", spec.entities.hosts.names or ()),
        ("${event_type}", [each.wire_event_type for each in spec.event_types]),
    ):
        key = key.replace(token, max(values, key=_bytes, default=""))
    if _bytes(key) > ROUTING_KEY_LIMIT_BYTES:
        yield Advice(
            AdviceReason.ROUTING_KEY_TOO_LONG,
            "spec.exchange.routingKey",
            f"exchange.routingKey has more than {ROUTING_KEY_LIMIT_BYTES} bytes once it is filled with the longest names, and"
            " AMQP allows no more: these events are dropped (encode_error). Shorten the key or the names.",
        )


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _mix(spec: GeneratorSpec) -> Iterator[Advice]:
    mix = spec.event_mix or {}
    stepped = {step.event for scenario in spec.scenarios for step in scenario.steps}
    unused = [each.name for each in spec.event_types if each.name not in mix and each.name not in stepped]
    if unused:
        yield Advice(
            AdviceReason.UNUSED_EVENT_TYPE,
            "spec.eventTypes",
            f"eventMix does not list {_listed(unused)}, which eventTypes defines, and no step of a scenario names it, so no"
            " such event occurs. Add a weight to eventMix; weight 0 silences this warning.",
        )
    for alias, templates in ALIASES.items():
        share = Fraction(mix.get(alias, 0), len(templates))
        doubled = [template for template in templates if template in mix]
        if share and doubled:
            sums = _listed(f"{template} has {float(mix[template] + share):g} in total" for template in doubled)
            yield Advice(
                AdviceReason.ALIAS_ADDS_UP,
                "spec.eventMix",
                f"eventMix lists {alias} together with {_listed(doubled)}. {alias} stands for {_listed(templates)}, and"
                f" weights add up: {sums}. To weight templates separately, list only templates.",
            )


def _run(spec: GeneratorSpec) -> Iterator[Advice]:
    if spec.run_duration_ns is None or spec.events_per_interval == 0 or spec.traffic is not None:
        return
    # Ticks are due at 0, interval, 2·interval, …; the one at which the run is over does not happen any more.
    ticks = 1 + (spec.run_duration_ns - 1) // spec.interval_ns
    most = ticks * spec.events_per_interval
    if spec.max_events is not None and spec.max_events <= most:
        return
    if ticks == 1:
        yield Advice(
            AdviceReason.ENDS_AFTER_ONE_TICK,
            "spec.runDuration",
            f"runDuration ({spec.run_duration}) is not longer than interval ({spec.interval}), so a run ends after its first"
            f" tick, with {most} {'event' if most == 1 else 'events'}. Lengthen runDuration or shorten interval.",
        )
    elif spec.max_events is not None:
        yield Advice(
            AdviceReason.MAX_EVENTS_OUT_OF_REACH,
            "spec.maxEvents",
            f"maxEvents ({spec.max_events}) is out of reach: at this rate, runDuration ({spec.run_duration}) ends a run after"
            f" at most {most} events. Lengthen runDuration or raise the rate.",
        )


def _queue(spec: GeneratorSpec) -> Iterator[Advice]:
    if spec.exchange is not None:
        if spec.queue_declaration != QueueDeclaration():
            yield Advice(
                AdviceReason.TYPE_WITHOUT_EFFECT,
                "spec.queueDeclaration",
                "queueDeclaration has no effect while exchange is set: the operator declares no queue then. Remove it, or"
                " remove exchange.",
            )
        return
    created = spec.queue_declaration.mode is DeclarationMode.CREATE_IF_MISSING
    stream = spec.queue_declaration.type is QueueType.STREAM
    replicated = stream or spec.queue_declaration.type is QueueType.QUORUM
    if replicated and spec.delivery is Delivery.AT_MOST_ONCE:
        yield Advice(
            AdviceReason.AT_MOST_ONCE_TO_QUORUM,
            "spec.delivery",
            "delivery AtMostOnce risks events to save the broker's disk, but a quorum queue or a stream"
            " (queueDeclaration.type) writes and replicates every event anyway. Use AtLeastOnce, or a Classic queue.",
        )
    if replicated and not created:
        yield Advice(
            AdviceReason.TYPE_WITHOUT_EFFECT,
            "spec.queueDeclaration.type",
            "queueDeclaration.type has no effect with mode MustExist: an existing queue is used as it is. Remove the type, or"
            " let the operator create the queue (CreateIfMissing).",
        )
    if created and spec.max_events is None and spec.run_duration_ns is None and spec.target_rate >= LARGE_RATE:
        hourly = spec.events_per_interval * 3_600 * NANOSECONDS_PER_SECOND / spec.interval_ns / 1e6
        grows = (
            "a RabbitMQ stream keeps what was read: it grows until the broker is full. Bound the run (maxEvents, runDuration),"
            " or bound the queue by a policy (max-length-bytes) and set queueDeclaration.mode to MustExist."
            if stream
            else "a queue that the operator creates has no length limit: when its consumer stops, the queue grows until the"
            " broker is full. Bound the run (maxEvents, runDuration), or create the queue with a limit (max-length, overflow"
            " reject-publish) and set queueDeclaration.mode to MustExist."
        )
        yield Advice(
            AdviceReason.QUEUE_MAY_GROW,
            "spec.interval",
            f"This stream has no end and generates {hourly:g} million events an hour, and {grows}",
        )


def _listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    shown = names[:_NAMES_SHOWN]
    if len(names) > len(shown):
        return f"{', '.join(shown)} and {len(names) - len(shown)} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
