"""Scripted chains of events, such as attacks, and what is told about them: `scenarios` and `groundTruth` of a spec.

Defaults that depend on the type of a scenario are the scripts' own. Rules about what is inside of scenarios are ours alone, in
`scenario_problems`: there are up to 128 steps, and CEL for each would make every status patch expensive.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import cached_property
from typing import Annotated, ClassVar, Final, NamedTuple

from pydantic import Field, StrictBool

from audit_event_operator.resource.broker_spec import QueueName
from audit_event_operator.resource.durations import parse_duration
from audit_event_operator.resource.entities import HOST_TEXT, USER_TEXT
from audit_event_operator.resource.event_type import IPV4
from audit_event_operator.resource.fields import DURATION_TEXT, Text, WholeNumber, duration_range
from audit_event_operator.resource.model import SpecModel
from audit_event_operator.resource.problems import Problem, shown
from audit_event_operator.resource.rules import Rule
from audit_event_operator.resource.schema import LIST_TYPE
from audit_event_operator.resource.templates import BUILT_IN_TEMPLATES

MAX_SCENARIOS: Final = 8
MAX_STEPS: Final = 16
MAX_ATTEMPTS: Final = 1_000
_SHORTEST: Final = "10ms"
_LONGEST: Final = "10m"
_SHORTEST_NS: Final = parse_duration(_SHORTEST)
_LONGEST_NS: Final = parse_duration(_LONGEST)
VICTIM: Final = "victim"
ATTACKER: Final = "attacker"
_ATOMIC: Final = {LIST_TYPE: "atomic"}

_SPAN_TEXT: Final = Text(
    DURATION_TEXT.max_length, DURATION_TEXT.pattern, 'must be a duration such as "250ms", "5s" or "1m30s"', plain=True
)
_NAME: Final = Text(
    63,
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    "must be at most 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit",
)
_EVENT: Final = Text(63, r"^[a-z][a-z0-9_]*$", "must be the name of an event type", plain=True)
_TECHNIQUE: Final = Text(9, r"^T[0-9]{4}([.][0-9]{3})?$", 'must be an ATT&CK technique such as "T1110.001"', plain=True)
# The schema itself checks names: there are hundreds, and the API server would evaluate a rule for each with every status patch.
_USER: Final = replace(USER_TEXT, plain=True)
_HOST: Final = replace(HOST_TEXT, plain=True)
_ADDRESS: Final = Text(
    15, f"^({VICTIM}|{ATTACKER}|{IPV4[1:-1]})$", 'must be "victim", "attacker" or an IPv4 address', plain=True
)


class ScenarioType(StrEnum):
    """What kind of scenario it is."""

    BRUTE_FORCE = "BruteForce"
    PASSWORD_SPRAY = "PasswordSpray"  # noqa: S105 - no password
    USER_ENUMERATION = "UserEnumeration"
    ACCOUNT_TAKEOVER = "AccountTakeover"
    PRIVILEGE_ESCALATION = "PrivilegeEscalation"
    LATERAL_MOVEMENT = "LateralMovement"
    LOG_TAMPERING = "LogTampering"
    MISTYPED_PASSWORD = "MistypedPassword"  # noqa: S105 - no password
    DEPLOYMENT_BURST = "DeploymentBurst"
    STEPS = "Steps"


class Range(NamedTuple):
    """From `low` to `high`, both included."""

    low: int
    high: int


class Count(SpecModel):
    """How many, drawn for each episode."""

    min: Annotated[int, WholeNumber(1, MAX_ATTEMPTS)] = Field(
        description=f"The least, 1 to {MAX_ATTEMPTS}; at most max."
    )
    max: Annotated[int, WholeNumber(1, MAX_ATTEMPTS)] = Field(description=f"The most, 1 to {MAX_ATTEMPTS}.")

    @property
    def range(self) -> Range:
        """Both bounds."""
        return Range(self.min, self.max)


class Span(SpecModel):
    """How long, drawn each time."""

    min: Annotated[str, _SPAN_TEXT] = Field(
        description=f"The shortest time, {_SHORTEST} to {_LONGEST}, at most max, such as 1s."
    )
    max: Annotated[str, _SPAN_TEXT] = Field(description=f"The longest time, {_SHORTEST} to {_LONGEST}, such as 3s.")

    @cached_property
    def range(self) -> Range:
        """Both bounds in nanoseconds."""
        return Range(parse_duration(self.min), parse_duration(self.max))


class Step(SpecModel):
    """One event of a scenario of type Steps, or several of the same kind."""

    event: Annotated[str, _EVENT] = Field(
        description="What happens: a built-in event type, or a name in eventTypes, whose resource and details it has. With"
        " activity Sessions, a user who is not logged in logs in first."
    )
    user: Annotated[str, _USER] = Field(
        default=VICTIM,
        description='Who does it: "victim" for the user whom the episode is about, or a name.',
    )
    host: Annotated[str, _HOST] = Field(
        default=VICTIM,
        description='Where: "victim" for the host that the episode is about, or a name.',
    )
    address: Annotated[str, _ADDRESS] = Field(
        default=VICTIM,
        description='From where: "victim" for an address of that user, "attacker" for one out of entities.attackers that the'
        " episode has to itself, or an IPv4 address.",
    )
    after: Span | None = Field(
        default=None,
        description="How long after the event before; for the first step, after the beginning of the episode. If unset, 1s"
        " to 3s, and at once for the first step.",
    )
    repeat: Annotated[int, WholeNumber(1, MAX_ATTEMPTS)] = Field(
        default=1, description=f"How often it happens, 1 to {MAX_ATTEMPTS}."
    )
    gap: Span | None = Field(default=None, description="How long between repetitions. If unset, 1s to 3s.")


class Scenario(SpecModel):
    """A scripted chain of events that comes again and again: an attack, or something that looks like one."""

    name: Annotated[str, _NAME] = Field(
        description="Name of the scenario. Must be unique in the list. At most 63 lower-case letters, digits and hyphens."
    )
    type: ScenarioType = Field(
        description="What happens. Attacks: BruteForce, PasswordSpray, UserEnumeration, AccountTakeover,"
        " PrivilegeEscalation, LateralMovement, LogTampering. Harmless, to be mistaken for an attack: MistypedPassword,"
        " DeploymentBurst. Steps: what steps say.",
    )
    every: Annotated[str, DURATION_TEXT, duration_range("every", "10s", "720h")] | None = Field(
        default=None,
        description='Time from one episode to the next, 10s to 720h, such as "15m". Longer than asked for, by whole multiples,'
        " where an episode and the rest of its victims take longer. If unset, there is one episode.",
    )
    start_after: Annotated[str, DURATION_TEXT, duration_range("startAfter", "0s", "720h")] = Field(
        default="0s",
        json_schema_extra={"default": None},
        description="How long after the beginning of the run (status.startTime) the first episode begins, 0s to 720h. If"
        " unset, 0s. A single episode whose time has passed begins at once.",
    )
    jitter_percent: Annotated[int, WholeNumber(0, 100)] = Field(
        default=20,
        description="Each episode begins later by a random part of every, at most this percentage, 0 to 100.",
    )
    attempts: Count | None = Field(
        default=None,
        description="BruteForce, AccountTakeover: failed logins. PasswordSpray: users. UserEnumeration: names."
        " LateralMovement, DeploymentBurst: hosts. If unset, as usual for the type.",
    )
    pace: Span | None = Field(
        default=None,
        description="How long between two events. If unset, as usual for the type. Not for Steps.",
    )
    success_percent: Annotated[int, WholeNumber(0, 100)] | None = Field(
        default=None,
        description="In so many of a hundred episodes the attacker gets in. BruteForce: 20 if unset. AccountTakeover: 100 if"
        " unset.",
    )
    users: tuple[Annotated[str, _USER], ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={**_ATOMIC, "default": None},
        description="Whom it may be about, at most 16 names. If unset, some of the users, who never fail to log in otherwise.",
    )
    hosts: tuple[Annotated[str, _HOST], ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra={**_ATOMIC, "default": None},
        description="Where it may happen, at most 16 names. If unset, on hosts of the victim.",
    )
    steps: tuple[Step, ...] = Field(
        default=(),
        max_length=MAX_STEPS,
        json_schema_extra={**_ATOMIC, "default": None},
        description=f"Type Steps only, and required there: what happens, 1 to {MAX_STEPS} steps in order.",
    )
    malicious: StrictBool = Field(
        default=True, description="Type Steps only: whether the ground truth calls it an attack."
    )
    techniques: tuple[Annotated[str, _TECHNIQUE], ...] = Field(
        default=(),
        max_length=8,
        json_schema_extra={**_ATOMIC, "default": None},
        description="Type Steps only: ATT&CK techniques for the ground truth, at most 8, such as T1110.001.",
    )
    suspend: StrictBool = Field(default=False, description="Set to true to begin no episode; one under way ends.")

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            message="steps must be set for type Steps, and for no other type",
            cel="(self.type == 'Steps') == (has(self.steps) && size(self.steps) > 0)",
            holds=lambda scenario: (scenario.type is ScenarioType.STEPS) == bool(scenario.steps),
            field="steps",
        ),
    )

    @cached_property
    def every_ns(self) -> int | None:
        """From one episode to the next, in nanoseconds; None for a single one."""
        return None if self.every is None else parse_duration(self.every)

    @cached_property
    def start_after_ns(self) -> int:
        """From the beginning of the run, in nanoseconds."""
        return parse_duration(self.start_after)


class GroundTruth(SpecModel):
    """How to tell what the episodes of scenarios really did."""

    queue: QueueName | None = Field(
        default=None,
        description="Queue of the same broker that receives one record for each episode, declared like the stream's own and"
        " different from it. If unset, episodes are only counted.",
    )
    header: StrictBool = Field(
        default=False,
        description="Whether events of scenarios carry an AMQP header x-aeg-truth: scenario/episode/step. Nothing in a body"
        " ever tells.",
    )


def scenario_problems(scenarios: Collection[Scenario], own_events: Collection[str]) -> Iterator[Problem]:
    """What is wrong inside of scenarios; `own_events`: the names in eventTypes."""
    for number, scenario in enumerate(scenarios):
        place = f"spec.scenarios[{number}]"
        if scenario.attempts is not None and scenario.attempts.min > scenario.attempts.max:
            yield Problem(f"{place}.attempts", "attempts.min must not be above attempts.max")
        if scenario.pace is not None:
            yield from _span_problems(f"{place}.pace", scenario.pace)
        for index, step in enumerate(scenario.steps):
            yield from _step_problems(f"{place}.steps[{index}]", step, own_events)


def _span_problems(place: str, span: Span) -> Iterator[Problem]:
    name = place.rpartition(".")[2]
    outside = [bound for bound, text in (("min", span.min), ("max", span.max)) if not _in_range(text)]
    for bound in outside:
        yield Problem(f"{place}.{bound}", f"{name}.{bound} must be between {_SHORTEST} and {_LONGEST}")
    if not outside and span.range.low > span.range.high:
        yield Problem(place, f"{name}.min must not be longer than {name}.max")


def _in_range(text: str) -> bool:
    try:
        return _SHORTEST_NS <= parse_duration(text) <= _LONGEST_NS
    except ValueError:
        return False


def _step_problems(place: str, step: Step, own_events: Collection[str]) -> Iterator[Problem]:
    if step.event not in BUILT_IN_TEMPLATES and step.event not in own_events:
        yield Problem(
            f"{place}.event",
            f"event must be a built-in event type or a name defined in eventTypes; {shown(step.event)} is neither",
        )
    if step.after is not None:
        yield from _span_problems(f"{place}.after", step.after)
    if step.gap is not None:
        yield from _span_problems(f"{place}.gap", step.gap)
